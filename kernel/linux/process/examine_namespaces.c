/* examine_namespaces.c: a process that sees another system than recap does. What is restored sees
 * the one of recap: only PIDs, clocks, and users that keep their numbers, may have a namespace of
 * their own.
 */
#include "kernel/linux/process/examine.h"
#include "kernel/linux/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *file, *name;
} namespaces[] = {
    {"ns/mnt", "mount"},     {"ns/net", "network"},   {"ns/ipc", "IPC"},
    {"ns/uts", "host name"}, {"ns/cgroup", "cgroup"},
};

static bool same_link(int directory, const char *path, int other, const char *other_path)
{
    char ours[64], theirs[64];
    ssize_t a = linux_procfs_link(directory, path, theirs, sizeof theirs);
    ssize_t b = linux_procfs_link(other, other_path, ours, sizeof ours);
    /* A kernel without such namespaces has none that differ. */
    return (a == -ENOENT && b == -ENOENT) || (a > 0 && b > 0 && strcmp(ours, theirs) == 0);
}

/* Whether every user or group has the same number inside as seen from here. */
static bool keeps_numbers(int proc, const char *map)
{
    char text[4096];
    if (linux_procfs_read_into(proc, map, text, sizeof text) <= 0)
        return false;
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        unsigned long inside, outside;
        line += strspn(line, "\n");
        if (*line && (sscanf(line, "%lu %lu", &inside, &outside) != 2 || inside != outside))
            return false;
    }
    return true;
}

/* What was restored into a PID namespace has a mount namespace for that one's /proc. */
static bool is_restored_so(const struct linux_pd *pd, const char *file)
{
    return strcmp(file, "ns/mnt") == 0 &&
           !same_link(pd->proc, "ns/pid", AT_FDCWD, "/proc/self/ns/pid") &&
           linux_examine_same_mounts(pd);
}

int linux_examine_namespaces(struct linux_examine *examine)
{
    const struct linux_pd *pd = examine->pd;
    char text[64];
    /* Who may not see them knows nothing of them: not that they are others either. */
    ssize_t seen = linux_procfs_link(pd->proc, "ns/mnt", text, sizeof text);
    int result = seen == -EACCES || seen == -EPERM ? linux_examine_say(examine, (int)seen) : 0;
    for (size_t i = 0; result == 0 && i < sizeof namespaces / sizeof *namespaces; i++) {
        char own[32];
        snprintf(own, sizeof own, "/proc/self/%s", namespaces[i].file);
        if (!same_link(pd->proc, namespaces[i].file, AT_FDCWD, own) &&
            !is_restored_so(pd, namespaces[i].file))
            result = recap_refusals_say(
                examine->refusals, "run recap inside that namespace (nsenter)",
                "process %d is in another %s namespace", (int)pd->pid, namespaces[i].name);
    }
    if (result == 0 && !same_link(pd->proc, "ns/user", AT_FDCWD, "/proc/self/ns/user") &&
        !(keeps_numbers(pd->proc, "uid_map") && keeps_numbers(pd->proc, "gid_map")))
        result = recap_refusals_say(examine->refusals, "run recap inside that namespace (nsenter)",
                                    "process %d is in another user namespace, where users have "
                                    "other numbers",
                                    (int)pd->pid);
    if (result == 0 && !same_link(pd->proc, "ns/pid", pd->proc, "ns/pid_for_children"))
        result = recap_refusals_say(examine->refusals, NULL,
                                    "process %d would start children in another PID namespace than "
                                    "its own",
                                    (int)pd->pid);
    if (result == 0 && !same_link(pd->proc, "ns/time", pd->proc, "ns/time_for_children"))
        result = recap_refusals_say(examine->refusals, NULL,
                                    "process %d would start children in another time namespace "
                                    "than its own",
                                    (int)pd->pid);
    return result;
}
