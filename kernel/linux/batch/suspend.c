/* suspend.c: stopping all threads of a process without a trace, and letting them go again. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/process/held.h"
#include "kernel/linux/threads/waits.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

/* Threads that were made while others were being stopped are stopped in a further round. */
#define MOST_ROUNDS 1000
#define MOST_ATTEMPTS 200
#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT)
/* A created process ends with us, and the threads that it makes are ours from their start. */
#define OPTIONS_CREATED (OPTIONS | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)

static int read_text(int directory, const char *path, char *buffer, size_t size)
{
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t length = read(fd, buffer, size - 1);
    int code = -errno;
    close(fd);
    if (length < 0)
        return code;
    buffer[length] = 0;
    return 0;
}

/* Says why the kernel did not let us stop thread `tid`. */
static int explain(struct linux_pd *pd, pid_t tid, int code, struct recap_error *error)
{
    char path[32], status[8192];
    snprintf(path, sizeof path, "task/%d/status", tid);
    if (linux_procfs_read_into(pd->proc, path, status, sizeof status) < 0)
        return recap_refuse(error, RECAP_FAILED, -ESRCH, "process %d has ended", pd->pid);
    const char *field = linux_procfs_field(status, "TracerPid");
    pid_t tracer = field ? atoi(field) : 0;
    if (tracer == getpid())
        return recap_refuse(error, RECAP_USAGE, -EBUSY, "process %d is stopped already", pd->pid);
    if (tracer > 0)
        return linux_held_traced(pd, tracer, error);
    const char *state = linux_procfs_field(status, "State");
    if (state && (*state == 'Z' || *state == 'X')) {
        return -ECHILD;
    }
    if (linux_held_by_kernel(pd))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%d is a thread of the kernel and not a process", pd->pid);
    if (pd->pid == getpid())
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "a process cannot stop itself");
    recap_fail(error, code, "stopping process %d", pd->pid);
    if (code == -EPERM)
        linux_held_denied(pd, error);
    return code;
}

/* Whether the thread has ended, which may happen at any time. */
static bool has_ended(const struct linux_pd *pd, pid_t tid)
{
    char state = linux_stop_state(pd, tid);
    return state == 'Z' || state == 'X';
}

/* The threads that are ours, in ascending order: there may be very many. */
struct known {
    pid_t *tids;
    size_t count;
};

static int compare_tids(const void *a, const void *b)
{
    pid_t first = *(const pid_t *)a, second = *(const pid_t *)b;
    return (first > second) - (first < second);
}

static bool is_known(const struct known *known, pid_t tid)
{
    return known->count && bsearch(&tid, known->tids, known->count, sizeof tid, compare_tids);
}

static int list_known(const struct linux_pd *pd, struct known *known)
{
    known->tids = calloc(pd->thread_count + 1, sizeof *known->tids);
    if (!known->tids)
        return -ENOMEM;
    for (known->count = 0; known->count < pd->thread_count; known->count++)
        known->tids[known->count] = pd->threads[known->count].tid;
    qsort(known->tids, known->count, sizeof *known->tids, compare_tids);
    return 0;
}

static struct linux_thread *add_thread(struct linux_pd *pd, pid_t tid)
{
    if ((pd->thread_count & (pd->thread_count - 1)) == 0) {
        size_t room = pd->thread_count ? pd->thread_count * 2 : 1;
        struct linux_thread *threads = reallocarray(pd->threads, room, sizeof *threads);
        if (!threads)
            return NULL;
        pd->threads = threads;
    }
    struct linux_registers *home = calloc(1, sizeof *home);
    if (!home)
        return NULL;
    struct linux_thread *thread = &pd->threads[pd->thread_count++];
    *thread = (struct linux_thread){.tid = tid, .vtid = tid, .home = home};
    home->blocked_ns = home->left_ns = -1;
    return thread;
}

void linux_stop_forget(struct linux_pd *pd, size_t index)
{
    free(pd->threads[index].home);
    pd->thread_count--;
    memmove(&pd->threads[index], &pd->threads[index + 1],
            (pd->thread_count - index) * sizeof *pd->threads);
}

/* Seizes one thread, which runs on. 0, also when it is already ending. */
static int seize(struct linux_pd *pd, pid_t tid, struct recap_error *error)
{
    /* Whatever can fail comes before the thread is ours. */
    struct linux_thread *thread = add_thread(pd, tid);
    if (!thread)
        return recap_fail(error, -ENOMEM, "stopping process %d", pd->pid);
    if (ptrace(PTRACE_SEIZE, tid, 0, pd->created ? OPTIONS_CREATED : OPTIONS) != 0) {
        int code = -errno;
        linux_stop_forget(pd, pd->thread_count - 1);
        /* The first one stands for the process. */
        if (tid != pd->task && has_ended(pd, tid))
            return 0;
        return explain(pd, tid, code, error);
    }
    thread->seized = true;
    return 0;
}

/* Looks what the threads wait in that are not yet ours. None is ours meanwhile: one that is stands
 * still with its first signal. */
static int look_at_all(struct linux_pd *pd, DIR *tasks, const struct known *known,
                       struct recap_error *error)
{
    struct dirent *entry;
    int code = 0;
    rewinddir(tasks);
    while (code >= 0 && (code = linux_procfs_next(tasks, &entry)) == 0 && entry) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid > 0 && !is_known(known, tid))
            code = linux_wait_look(pd, tid);
        /* Of one that is about to end. Whom the caller may not trace it cannot seize either, which
         * is said then. */
        if (linux_procfs_hidden(code))
            code = 0;
    }
    return code < 0 && !linux_procfs_gone(code)
               ? recap_fail(error, code, "looking what the threads of process %d wait in", pd->pid)
               : 0;
}

/* Seizes every thread that is not yet ours. */
static int seize_all(struct linux_pd *pd, DIR *tasks, struct recap_error *error)
{
    struct known known = {0};
    struct dirent *entry;
    int code = list_known(pd, &known);
    if (code < 0)
        recap_fail(error, code, "listing the threads of process %d", pd->pid);
    if (code == 0 && !pd->created)
        code = look_at_all(pd, tasks, &known, error);
    if (code == 0 && pd->thread_count == 0)
        code = seize(pd, pd->task, error);
    rewinddir(tasks);
    while (code == 0) {
        int listed = linux_procfs_next(tasks, &entry);
        if (listed < 0 && !linux_procfs_gone(listed))
            code = recap_fail(error, listed, "listing the threads of process %d", pd->pid);
        if (!entry)
            break;
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid > 0 && tid != pd->task && !is_known(&known, tid))
            code = seize(pd, tid, error);
    }
    free(known.tids);
    return code;
}

/* Asks the threads from `first` on to stop, one right after the other: the pause begins here. */
static int interrupt(struct linux_pd *pd, size_t first, struct recap_error *error)
{
    for (size_t i = first; i < pd->thread_count; i++)
        if (ptrace(PTRACE_INTERRUPT, pd->threads[i].tid, 0, 0) != 0 && errno != ESRCH)
            return recap_fail(error, -errno, "stopping thread %d of process %d", pd->threads[i].tid,
                              pd->pid);
    return 0;
}

/* Waits for one interrupted thread. -ECHILD: it ended meanwhile. */
static int await(struct linux_pd *pd, struct linux_thread *thread, int64_t deadline,
                 struct recap_error *error)
{
    for (;;) {
        struct linux_stopped stopped;
        linux_stop_wait(pd, thread->tid, deadline, &stopped);
        switch (stopped.stop) {
        case LINUX_STOP_EXIT:
            ptrace(PTRACE_CONT, thread->tid, 0, 0);
            continue;
        case LINUX_STOP_GONE:
            return -ECHILD;
        case LINUX_STOP_LATE:
        case LINUX_STOP_UNWANTED:
            return linux_stop_say(pd, thread->tid, &stopped, error);
        case LINUX_STOP_SIGNAL:
            /* It is received as ever: the thread stops again before the handler's first
             * instruction, and no other signal overtakes this one. The stop for the signal may
             * have taken the place of the one that was asked for. */
            ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0);
            ptrace(PTRACE_CONT, thread->tid, 0, stopped.signal);
            continue;
        default:
            thread->home->group_stop = stopped.signal == SIGTRAP ? 0 : stopped.signal;
            break;
        }
        thread->stopped = true;
        return linux_stop_read(pd, thread, error);
    }
}

/* The thread ids as the component itself knows them. */
static int read_own_ids(struct linux_pd *pd, struct recap_error *error)
{
    char ours[64], theirs[64];
    ssize_t a = readlink("/proc/self/ns/pid", ours, sizeof ours);
    ssize_t b = readlinkat(pd->proc, "ns/pid", theirs, sizeof theirs);
    if (a > 0 && a == b && memcmp(ours, theirs, (size_t)a) == 0) {
        for (size_t i = 0; i < pd->thread_count; i++)
            pd->threads[i].vtid = pd->threads[i].tid;
        return 0;
    }
    for (size_t i = 0; i < pd->thread_count; i++) {
        char path[48], status[4096];
        snprintf(path, sizeof path, "task/%d/status", pd->threads[i].tid);
        int code = read_text(pd->proc, path, status, sizeof status);
        const char *ids = code == 0 ? strstr(status, "\nNSpid:") : NULL;
        if (!ids)
            return recap_fail(error, code ? code : -EINVAL, "reading the ids of thread %d",
                              pd->threads[i].tid);
        size_t length = strcspn(ids + 1, "\n");
        const char *last = ids + 1 + length;
        while (last[-1] >= '0' && last[-1] <= '9')
            last--;
        pd->threads[i].vtid = (pid_t)strtol(last, NULL, 10);
    }
    return 0;
}

/* Only a thread that stands can be let go. */
static void let_go(struct linux_pd *pd)
{
    linux_waits_resume(pd);
    int64_t deadline = linux_stop_deadline();
    for (size_t i = 0; i < pd->thread_count; i++)
        if (pd->threads[i].seized && !pd->threads[i].stopped)
            ptrace(PTRACE_INTERRUPT, pd->threads[i].tid, 0, 0);
    for (size_t i = 0; i < pd->thread_count; i++) {
        struct linux_thread *thread = &pd->threads[i];
        if (thread->seized && !thread->stopped) {
            struct linux_stopped stopped;
            linux_stop_wait(pd, thread->tid, deadline, &stopped);
            if (stopped.stop == LINUX_STOP_SIGNAL)
                thread->home->signal = stopped.signal;
        }
    }
    linux_stop_detach(pd);
}

/* Threads that are stopped and have started the way home by themselves after an earlier tracer died
 * must be let home first: their code is where ours will be. */
static bool stub_in_use(const struct linux_pd *pd)
{
    const struct linux_foothold *foothold = pd->foothold;
    for (size_t i = 0; foothold->area && i < pd->thread_count; i++)
        if (pd->threads[i].home->stopped.rip - foothold->area < foothold->area_size)
            return true;
    return false;
}

/* -ECHILD: pd->task has ended, and maybe not the others. */
static int stop_all(struct linux_pd *pd, struct recap_error *error)
{
    int tasks_fd = openat(pd->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = tasks_fd < 0 ? NULL : fdopendir(tasks_fd);
    if (!tasks) {
        int why = -errno;
        if (tasks_fd >= 0)
            close(tasks_fd);
        return linux_procfs_gone(why)
                   ? explain(pd, pd->task, -ESRCH, error)
                   : recap_fail(error, why, "listing the threads of process %d", pd->pid);
    }
    linux_waits_forget(pd);
    size_t waited = 0;
    int code = seize_all(pd, tasks, error);
    /* Until a look at all of them finds none but stopped ones: those make no others. */
    for (int rounds = 0; code == 0 && waited < pd->thread_count; rounds++) {
        if (rounds == MOST_ROUNDS)
            code = recap_fail(error, -EBUSY, "process %d makes threads faster than they stop",
                              pd->pid);
        int64_t deadline = linux_stop_deadline();
        if (code == 0)
            code = interrupt(pd, waited, error);
        while (code == 0 && waited < pd->thread_count) {
            code = await(pd, &pd->threads[waited], deadline, error);
            if (code == -ECHILD && waited > 0) {
                linux_stop_forget(pd, waited);
                code = 0;
            } else if (code == 0) {
                waited++;
            }
        }
        if (code == 0)
            code = seize_all(pd, tasks, error);
    }
    closedir(tasks);
    return code;
}

int linux_suspend(struct recap_pd *base, struct recap_error *error)
{
    struct linux_pd *pd = linux_pd(base);
    if (pd->suspended)
        return 0;
    for (int attempt = 0;; attempt++) {
        int code = linux_task_find(pd);
        if (code == 0)
            code = stop_all(pd, error);
        if (code == -ECHILD && attempt < MOST_ATTEMPTS) {
            let_go(pd);
            continue;
        }
        if (code == -ECHILD || code == -ESRCH)
            code = recap_refuse(error, RECAP_FAILED, -ESRCH, "process %d has ended", pd->pid);
        if (code == 0)
            code = read_own_ids(pd, error);
        if (code == 0)
            code = linux_foothold_find(pd, error);
        if (code == 0 && linux_foothold_has_changed(pd))
            code = recap_fail(error, -EAGAIN, "process %d has executed another program", pd->pid);
        if (code != 0) {
            let_go(pd);
            return code;
        }
        if (!stub_in_use(pd))
            break;
        let_go(pd);
        if (attempt == MOST_ATTEMPTS && linux_held_frozen(pd, pd->task, error))
            return -EBUSY;
        if (attempt == MOST_ATTEMPTS)
            return recap_fail(error, -EBUSY,
                              "process %d still finishes what an earlier recap began", pd->pid);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    pd->suspended = true;
    pd->kernel->moment++;
    return 0;
}

int linux_resume(struct recap_pd *base, struct recap_error *error)
{
    struct linux_pd *pd = linux_pd(base);
    if (!pd->suspended)
        return 0;
    if (pd->created)
        return linux_start(pd, error);
    int code = linux_foothold_leave(pd, error);
    let_go(pd);
    return code;
}
