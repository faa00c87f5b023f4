/* held.c: processes that somebody else holds, and those that we may not touch: who it is, and what
 * would help. */
#include "kernel/linux/process/held.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/memory/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_ROOM = 64 };

int linux_held_traced(const struct linux_pd *pd, pid_t tracer, struct recap_error *error)
{
    char path[32], name[NAME_ROOM];
    snprintf(path, sizeof path, "/proc/%d/comm", tracer);
    ssize_t length = linux_procfs_read_into(AT_FDCWD, path, name, sizeof name);
    name[length < 0 ? 0 : strcspn(name, "\n")] = '\0';
    bool recap = strcmp(name, "recap") == 0;
    if (recap)
        recap_refuse(error, RECAP_FAILED, -EBUSY,
                     "process %d is in use by another recap (process %d)", pd->pid, tracer);
    else
        recap_refuse(error, RECAP_UNSUPPORTED, -EBUSY,
                     "process %d is being traced by process %d (%s), and can have no second tracer",
                     pd->pid, tracer, *name ? name : "of another PID namespace");
    recap_error_remedy(error, recap ? "try again when it has let go"
                                    : "try again when it has let go, or end it");
    return -EBUSY;
}

/* The control group of the process in the hierarchy whose line begins or goes on with `which`. */
static void group_of(const struct linux_pd *pd, const char *which, char *group, size_t size)
{
    char text[4096], *rest;
    *group = '\0';
    if (linux_procfs_read_into(pd->proc, "cgroup", text, sizeof text) < 0)
        return;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *path = strstr(line, ":/");
        if (path && strstr(line, which))
            snprintf(group, size, "%s", path + 1);
    }
}

/* Where the hierarchy of the first version's freezer is mounted. */
static bool find_freezer(char *mount, size_t size)
{
    char *text, *rest;
    bool found = false;
    if (linux_procfs_read(AT_FDCWD, "/proc/self/mountinfo", &text, NULL) < 0)
        return false;
    for (char *line = strtok_r(text, "\n", &rest); line && !found;
         line = strtok_r(NULL, "\n", &rest)) {
        char *options = strstr(line, " - cgroup "), *place = line;
        if (!options || !strstr(options, "freezer"))
            continue;
        for (int i = 0; i < 4 && place; i++)
            place = strchr(place + 1, ' ');
        found = place && place < options;
        if (found)
            snprintf(mount, size, "%.*s", (int)strcspn(place + 1, " "), place + 1);
    }
    free(text);
    return found;
}

/* Frozen by the first version a thread waits where it had waited before. */
static bool frozen_by_freezer(const struct linux_pd *pd, char *group, size_t size)
{
    char mount[PATH_MAX / 2], path[2 * PATH_MAX], state[32];
    group_of(pd, ":freezer:", group, size);
    if (!*group || strcmp(group, "/") == 0 || !find_freezer(mount, sizeof mount))
        return false;
    snprintf(path, sizeof path, "%s%s/freezer.state", mount, group);
    return linux_procfs_read_into(AT_FDCWD, path, state, sizeof state) > 0 &&
           strncmp(state, "THAWED", 6) != 0;
}

bool linux_held_frozen(const struct linux_pd *pd, pid_t tid, struct recap_error *error)
{
    char path[32], function[128], group[PATH_MAX / 2];
    char state = linux_stop_state(pd, tid);
    bool first_version = state == 'D' && frozen_by_freezer(pd, group, sizeof group);
    snprintf(path, sizeof path, "task/%d/wchan", tid);
    if (!first_version) {
        /* A thread that sleeps where signals are handled is in the second version's freezer. */
        if (state != 'S' || linux_procfs_read_into(pd->proc, path, function, sizeof function) < 0 ||
            (strcmp(function, "get_signal") != 0 && !strstr(function, "freezer")))
            return false;
        group_of(pd, "0::", group, sizeof group);
    }
    recap_refuse(error, RECAP_UNSUPPORTED, -EBUSY, "process %d is frozen by its control group %s",
                 pd->pid, group);
    recap_error_remedy(error,
                       "thaw it first (docker unpause, systemctl thaw, or %s of that group or one "
                       "above it)",
                       first_version ? "THAWED in freezer.state" : "0 in cgroup.freeze");
    return true;
}

bool linux_held_by_kernel(const struct linux_pd *pd)
{
    enum { FLAGS = 9, KERNEL_THREAD = 0x00200000 };
    char stat[2048];
    const char *flags = linux_procfs_read_into(pd->proc, "stat", stat, sizeof stat) < 0
                            ? NULL
                            : linux_stat_field(stat, FLAGS);
    return flags && strtoul(flags, NULL, 10) & KERNEL_THREAD;
}

static bool may_trace_all(void)
{
    char status[8192];
    if (linux_procfs_read_into(AT_FDCWD, "/proc/self/status", status, sizeof status) < 0)
        return false;
    const char *field = linux_procfs_field(status, "CapEff");
    return field && strtoull(field, NULL, 16) & (UINT64_C(1) << CAP_SYS_PTRACE);
}

/* The system's policy: 0 as ever, 1 own descendants only, 2 nobody but root, 3 nobody. */
static int ptrace_scope(void)
{
    char text[16];
    return linux_procfs_read_into(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", text,
                                  sizeof text) < 0
               ? 0
               : atoi(text);
}

/* Whether all ids of a status line ("Uid:\t1000\t1000...") are `id`; else `other` is the first that
 * is not. */
static bool all_are(const char *status, const char *name, unsigned id, unsigned *other)
{
    unsigned ids[4] = {0};
    const char *field = linux_procfs_field(status, name);
    if (!field || sscanf(field, "%u %u %u %u", &ids[0], &ids[1], &ids[2], &ids[3]) != 4)
        return false;
    for (size_t i = 0; i < 3; i++)
        if (ids[i] != id) {
            *other = ids[i];
            return false;
        }
    return true;
}

void linux_held_denied(const struct linux_pd *pd, struct recap_error *error)
{
    char status[8192];
    struct stat owner;
    unsigned other = 0;
    int scope = ptrace_scope();
    if (linux_procfs_read_into(pd->proc, "status", status, sizeof status) < 0)
        return;
    bool ours = all_are(status, "Uid", geteuid(), &other);
    const struct passwd *user = ours ? NULL : getpwuid(other);
    /* Of a process that does not let itself be traced, /proc belongs to root. */
    bool undumpable = fstatat(pd->proc, "fd", &owner, 0) == 0 && owner.st_uid != geteuid();
    if (scope == 3)
        recap_error_remedy(error, "this system lets nobody trace until its next start "
                                  "(kernel.yama.ptrace_scope is 3)");
    else if (may_trace_all())
        recap_error_remedy(error, "a security module protects it, or it has rights in a user "
                                  "namespace that recap lacks: run recap where it runs (nsenter)");
    else if (geteuid() == 0)
        recap_error_remedy(error, "this root lacks CAP_SYS_PTRACE: run recap with it");
    else if (ours && undumpable)
        recap_error_remedy(error, "it does not let itself be traced (PR_SET_DUMPABLE), or has "
                                  "privileges: run recap as root");
    else if (ours && scope > 0)
        recap_error_remedy(error,
                           "this system lets users trace only what they have started in "
                           "recap (kernel.yama.ptrace_scope is %d): run recap as root",
                           scope);
    else if (ours)
        recap_error_remedy(error, "it has other groups or privileges: run recap as root");
    else
        recap_error_remedy(error, "run recap as user %s, or as root",
                           user ? user->pw_name : "of that process");
}
