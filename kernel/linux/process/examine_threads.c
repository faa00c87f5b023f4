/* examine_threads.c: threads that differ in what the threads of a process otherwise share, and
 * those that are under rules that cannot be set again. */
#include "kernel/linux/process/examine.h"
#include "kernel/linux/process/held.h"
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

/* Flags of a task in /proc/PID/stat: it is ending; it is a worker that the kernel runs in the name
 * of the process. */
enum { EXITING = 0x4, IO_WORKER = 0x10, USER_WORKER = 0x4000 };

static unsigned long flags_of(const char *stat)
{
    const char *field = strrchr(stat, ')');
    for (int i = 2; field && i < 9; i++)
        field = strchr(field + 1, ' ');
    return field ? strtoul(field, NULL, 10) : 0;
}

static bool is_kernel_worker(const char *stat)
{
    return flags_of(stat) & (IO_WORKER | USER_WORKER);
}

static char state_of(const char *stat)
{
    const char *end = strrchr(stat, ')');
    return end && end[1] == ' ' ? end[2] : '?';
}

/* Whether the thread was still all there by now: one that ends loses piece by piece what it shares
 * with the others. 1, 0, or a negative errno. */
static int is_whole(int task)
{
    char stat[1024];
    ssize_t length = linux_procfs_read_into(task, "stat", stat, sizeof stat);
    if (length < 0)
        return linux_procfs_gone((int)length) ? 0 : (int)length;
    return state_of(stat) != 'Z' && state_of(stat) != 'X' && !(flags_of(stat) & EXITING);
}

static bool differs(pid_t pid, pid_t tid, int what)
{
    return syscall(SYS_kcmp, pid, tid, what, 0, 0) > 0;
}

static int examine_sharing(struct linux_examine *examine, int task, pid_t tid, const char *name)
{
    static const struct {
        int what;
        const char *has;
    } shared[] = {{KCMP_FILES, "a descriptor table"},
                  {KCMP_FS, "a working directory and umask"},
                  {KCMP_SYSVSEM, "a list of semaphore operations to undo"}};
    pid_t pid = examine->pd->task;
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        if (tid != pid && differs(pid, tid, shared[i].what)) {
            int result = is_whole(task);
            if (result > 0)
                result = is_whole(examine->pd->proc);
            if (result > 0)
                result = recap_refusals_say(examine->refusals, NULL,
                                            "thread %d (%s) of process %d has %s of its own",
                                            (int)tid, name, (int)pid, shared[i].has);
            if (result < 0)
                return result;
        }
    return 0;
}

/* A mask with which the processor drops tags from addresses belongs to the whole process. */
static int examine_tags(struct linux_examine *examine, const char *status)
{
    const char *mask = linux_procfs_field(status, "untag_mask");
    if (!mask || strtoull(mask, NULL, 16) == UINT64_MAX)
        return 0;
    return recap_refusals_say(examine->refusals, NULL,
                              "process %d keeps tags in its addresses (LAM), which cannot be "
                              "switched on again",
                              (int)examine->pd->pid);
}

static int examine_thread(struct linux_examine *examine, int task, pid_t tid)
{
    char stat[1024], name[LINUX_NAME_ROOM], status[8192];
    struct recap_refusals *refusals = examine->refusals;
    pid_t pid = examine->pd->pid;
    ssize_t length = linux_procfs_read_into(task, "stat", stat, sizeof stat);
    if (length < 0)
        return linux_procfs_gone((int)length) ? 0 : (int)length;
    linux_examine_name(task, "comm", name);
    if (state_of(stat) == 'Z' || state_of(stat) == 'X')
        return 0;
    if (is_kernel_worker(stat))
        return recap_refusals_say(
            refusals, NULL, "thread %d (%s) of process %d is a worker of the kernel (io_uring)",
            (int)tid, name, (int)pid);
    length = linux_procfs_read_into(task, "status", status, sizeof status);
    if (length < 0)
        return linux_procfs_gone((int)length) ? 0 : (int)length;
    if (tid == pid) {
        int result = examine_tags(examine, status);
        if (result < 0)
            return result;
    }
    long tracer = linux_examine_number(status, "TracerPid");
    if (tid != pid && tracer && !examine->pd->suspended) {
        struct recap_error why;
        linux_held_traced(examine->pd, (pid_t)tracer, &why);
        int result = recap_refusals_add(refusals, &why);
        if (result < 0)
            return result;
    }
    if (linux_examine_number(status, "Seccomp")) {
        int result =
            recap_refusals_say(refusals, NULL,
                               "thread %d (%s) of process %d is under a system call filter "
                               "(seccomp), which cannot be set again",
                               (int)tid, name, (int)pid);
        if (result < 0)
            return result;
    }
    return examine_sharing(examine, task, tid, name);
}

int linux_examine_threads(struct linux_examine *examine)
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
    for (struct dirent *entry;
         result == 0 && (result = linux_procfs_next(tasks, &entry)) == 0 && entry;) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        int task = openat(fd, entry->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (task < 0) {
            result = linux_procfs_gone(-errno) ? 0 : -errno;
            continue;
        }
        result = examine_thread(examine, task, (pid_t)strtol(entry->d_name, NULL, 10));
        close(task);
    }
    closedir(tasks);
    return linux_procfs_gone(result) ? 0 : result;
}
