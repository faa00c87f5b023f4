/* examine_tracing.c: processes that this one traces. Nothing lists them: all have to be asked,
 * which takes long enough to be done only where there is a reason. */
#include "kernel/linux/process/examine.h"
#include "kernel/linux/process/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Whether one thread of another process is traced by one of ours: 1, or 0. */
static int examine_traced(struct linux_examine *examine, int proc, const char *pid, const char *tid)
{
    char path[300], status[8192], name[LINUX_NAME_ROOM];
    snprintf(path, sizeof path, "%s/task/%s/status", pid, tid);
    ssize_t length = linux_procfs_read_into(proc, path, status, sizeof status);
    if (length < 0)
        return linux_procfs_gone((int)length) ? 0 : (int)length;
    long tracer = linux_examine_number(status, "TracerPid");
    snprintf(path, sizeof path, "task/%ld", tracer);
    if (!tracer)
        return 0;
    if (faccessat(examine->pd->proc, path, F_OK, 0) < 0)
        return linux_procfs_gone(-errno) ? 0 : -errno;
    snprintf(path, sizeof path, "%s/comm", pid);
    linux_examine_name(proc, path, name);
    int result = recap_refusals_say(
        examine->refusals,
        "have it let go, or end what it traces: what a tracer knows cannot be kept",
        "process %d traces process %s (%s)", (int)examine->pd->pid, pid, name);
    return result < 0 ? result : 1;
}

/* Whether its first thread waits for another process, which one without children does for those
 * that it traces: 1, 0, or a negative errno. */
static int waits_for_others(const struct linux_pd *pd)
{
    char text[256];
    long call;
    ssize_t length = linux_procfs_read_into(pd->proc, "syscall", text, sizeof text);
    /* One that has ended waits for nobody, and may not be looked at. */
    if (length < 0)
        return linux_procfs_gone((int)length) || linux_procfs_hidden((int)length) ? 0 : (int)length;
    return sscanf(text, "%ld", &call) == 1 && (call == SYS_wait4 || call == SYS_waitid);
}

int linux_examine_tracing(struct linux_examine *examine, bool surely)
{
    int waits = surely ? 1 : waits_for_others(examine->pd);
    if (waits <= 0)
        return waits;
    DIR *directory = opendir("/proc");
    if (!directory)
        return -errno;
    int result = 0;
    for (struct dirent *entry;
         result >= 0 && (result = linux_procfs_next(directory, &entry)) == 0 && entry;) {
        char path[300];
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof path, "%s/task", entry->d_name);
        int fd = openat(dirfd(directory), path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
        result = tasks ? 0 : -errno;
        for (struct dirent *task;
             result == 0 && (result = linux_procfs_next(tasks, &task)) == 0 && task;)
            if (isdigit((unsigned char)task->d_name[0]))
                result = examine_traced(examine, dirfd(directory), entry->d_name, task->d_name);
        if (tasks)
            closedir(tasks);
        else if (fd >= 0)
            close(fd);
        /* One thread is enough of a process; it may have ended, or be nobody of ours. */
        if (result > 0 || linux_procfs_gone(result) || linux_procfs_hidden(result))
            result = 0;
    }
    closedir(directory);
    return result;
}
