/* examine_relatives.c: children, the session, and processes that share memory or descriptors with
 * this one. */
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/process/examine.h"
#include "kernel/linux/process/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads the state and the parent of a process: 1, or 0 when it is gone. */
static int read_family(pid_t pid, char *state, pid_t *parent)
{
    char path[32], stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    ssize_t length = linux_procfs_read_into(AT_FDCWD, path, stat, sizeof stat);
    if (length < 0)
        return linux_procfs_gone((int)length) ? 0 : (int)length;
    const char *end = strrchr(stat, ')');
    int above;
    if (!end || sscanf(end + 1, " %c %d", state, &above) != 2)
        return -EBADMSG;
    *parent = above;
    return 1;
}

static int refuse_child(struct linux_examine *examine, pid_t child)
{
    char state = '?', path[32], name[LINUX_NAME_ROOM];
    pid_t parent;
    int result = read_family(child, &state, &parent);
    if (result <= 0 && !linux_procfs_hidden(result))
        return result;
    snprintf(path, sizeof path, "/proc/%d/comm", (int)child);
    linux_examine_name(AT_FDCWD, path, name);
    if (state == 'Z' || state == 'X')
        return recap_refusals_say(
            examine->refusals, NULL,
            "process %d has a child that has ended and that it has not waited "
            "for: process %d (%s)",
            (int)examine->pd->pid, (int)child, name);
    return recap_refusals_say(examine->refusals, "end the child first",
                              "process %d has a child: process %d (%s)", (int)examine->pd->pid,
                              (int)child, name);
}

/* The children that one thread has started, where the kernel lists them: 1 if it does. */
static int examine_listed(struct linux_examine *examine, const char *tid)
{
    char path[300], *text;
    snprintf(path, sizeof path, "task/%s/children", tid);
    int result = linux_procfs_read(examine->pd->proc, path, &text, NULL);
    if (result < 0)
        return linux_procfs_gone(result) ? 0 : result;
    char *at = text;
    for (long child; result >= 0 && (child = strtol(at, &at, 10)) > 0;)
        result = refuse_child(examine, (pid_t)child);
    free(text);
    return result < 0 ? result : 1;
}

static int examine_all_processes(struct linux_examine *examine)
{
    DIR *directory = opendir("/proc");
    if (!directory)
        return -errno;
    int result = 0;
    for (struct dirent *entry;
         result == 0 && (result = linux_procfs_next(directory, &entry)) == 0 && entry;) {
        char state;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), parent;
        result = pid > 0 ? read_family(pid, &state, &parent) : 0;
        if (result > 0)
            result = parent == examine->pd->pid ? refuse_child(examine, pid) : 0;
        result = linux_procfs_hidden(result) ? 0 : result;
    }
    closedir(directory);
    return result;
}

static int examine_children(struct linux_examine *examine)
{
    int fd = openat(examine->pd->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
    if (!tasks) {
        int code = errno == ENOENT ? -ESRCH : -errno;
        if (fd >= 0)
            close(fd);
        return code;
    }
    int result = 0;
    bool listed = false;
    for (struct dirent *entry;
         result >= 0 && (result = linux_procfs_next(tasks, &entry)) == 0 && entry;)
        if (isdigit((unsigned char)entry->d_name[0])) {
            result = examine_listed(examine, entry->d_name);
            listed |= result == 1;
        }
    result = linux_procfs_gone(result) ? 0 : result;
    closedir(tasks);
    return result < 0 || listed ? (result < 0 ? result : 0) : examine_all_processes(examine);
}

/* A session has its leader's number, and only who is started inside can be in it: not who is made
 * anew beside its leader. A leader that is not checkpointed is not there at a restore; then the
 * process is in the session of whoever restores, as recap-restore(1) says. */
static int examine_session(struct linux_examine *examine)
{
    const struct linux_pd *pd = examine->pd;
    char stat[1024];
    ssize_t length = linux_procfs_read_into(pd->proc, "stat", stat, sizeof stat);
    if (length < 0)
        return linux_procfs_gone((int)length) ? 0 : (int)length;
    const char *field = linux_stat_field(stat, 6);
    pid_t session = field ? (pid_t)strtol(field, NULL, 10) : 0;
    if (session <= 0 || session == pd->pid)
        return 0;
    for (const struct linux_pd *other = pd->kernel->opened; other; other = other->next_opened)
        if (other->pid == session)
            return recap_refusals_say(
                examine->refusals, "checkpoint them into an image each",
                "process %d is in the session that process %d leads, and both are to be "
                "checkpointed: what is restored can lead a session, but not be in another's",
                (int)pd->pid, (int)session);
    return 0;
}

int linux_relatives_say(struct linux_pd *pd, struct recap_error *error)
{
    struct recap_refusals found = {0};
    struct linux_examine examine = {.pd = pd, .refusals = &found, .error = error};
    int result = examine_children(&examine);
    if (result == 0)
        result = linux_examine_tracing(&examine, true);
    if (result < 0)
        recap_fail(error, result, "looking for the children of process %d", (int)pd->pid);
    else if (found.count)
        *error = found.items[0];
    else
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "process %d has children, or traces other processes", (int)pd->pid);
    recap_refusals_clear(&found);
    return result < 0 ? result : -EOPNOTSUPP;
}

int linux_examine_relatives(struct linux_examine *examine)
{
    pid_t pid = examine->pd->task, parent;
    char state;
    size_t before = examine->refusals->count;
    int result = examine_children(examine);
    if (result == 0 && examine->refusals->count == before)
        result = linux_examine_tracing(examine, false);
    if (result == 0)
        result = examine_session(examine);
    int family = result < 0 ? 0 : read_family(pid, &state, &parent);
    if (family <= 0 || parent <= 0)
        return result < 0 ? result : family;
    /* Two that have none share none. */
    if (state == 'Z' || state == 'X')
        return 0;
    if (syscall(SYS_kcmp, pid, parent, KCMP_VM, 0, 0) == 0)
        result = recap_refusals_say(examine->refusals, "try again when it has executed its program",
                                    "process %d shares its memory with its parent, process %d "
                                    "(vfork)",
                                    (int)pid, (int)parent);
    else if (syscall(SYS_kcmp, pid, parent, KCMP_FILES, 0, 0) == 0)
        result = recap_refusals_say(examine->refusals, NULL,
                                    "process %d shares its descriptor table with its parent, "
                                    "process %d",
                                    (int)pid, (int)parent);
    return result;
}
