/* task.c: the thread by which the kernel is asked about a process.
 *
 * Mostly that is the first one, whose number is the process's. But the first thread may end while
 * others go on, and then has no memory, no descriptors and no files in /proc any more; each of the
 * others still shows what all of them share.
 */
#include "kernel/linux/linux.h"

#include "kernel/linux/batch/foothold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* PIDFD_THREAD of <linux/pidfd.h>. */
enum { THREAD = O_EXCL };

static bool lives(const struct linux_pd *pd, pid_t tid)
{
    char state = linux_stop_state(pd, tid);
    return state != 'Z' && state != 'X';
}

/* A living thread among those of the list: 0, with `task` 0 when there is none. */
static int find_living(DIR *tasks, pid_t *task)
{
    int result = 0;
    *task = 0;
    for (struct dirent *entry;
         !*task && result == 0 && (result = linux_procfs_next(tasks, &entry)) == 0 && entry;) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        char proc[32];
        if (tid <= 0)
            continue;
        snprintf(proc, sizeof proc, "/proc/%d", tid);
        struct linux_pd as_seen = {.proc = open(proc, O_PATH | O_CLOEXEC)};
        if (as_seen.proc < 0) {
            result = linux_procfs_gone(-errno) ? 0 : -errno;
            continue;
        }
        if (lives(&as_seen, tid))
            *task = tid;
        close(as_seen.proc);
    }
    return linux_procfs_gone(result) ? 0 : result;
}

int linux_task_find(struct linux_pd *pd)
{
    char path[32];
    pid_t task = 0;
    if (lives(pd, pd->task))
        return 0;
    /* By the process's number: the thread that was used so far may be no more. */
    snprintf(path, sizeof path, "/proc/%d/task", pd->pid);
    DIR *tasks = opendir(path);
    int result = tasks ? find_living(tasks, &task) : -errno;
    if (tasks)
        closedir(tasks);
    if (linux_procfs_gone(result) || (result == 0 && !task))
        return -ESRCH;
    if (result < 0)
        return result;
    snprintf(path, sizeof path, "/proc/%d", task);
    int proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return -errno;
    close(pd->proc);
    pd->proc = proc;
    pd->task = task;
    linux_walk_free(pd->walk);
    pd->walk = NULL;
    return 0;
}

int linux_task_descriptor(pid_t task, int number)
{
    int pidfd = (int)syscall(SYS_pidfd_open, task, 0);
    if (pidfd < 0) /* it is not the first thread, for which newer kernels have another kind */
        pidfd = (int)syscall(SYS_pidfd_open, task, THREAD);
    int got = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    int code = got < 0 ? -errno : got;
    if (pidfd >= 0)
        close(pidfd);
    return code;
}
