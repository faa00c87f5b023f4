/* await.c: waiting for ptrace stops, never without an end.
 *
 * The kernel does not report the end of a process's first thread to its tracer while other threads
 * are left, a thread may be frozen or wait uninterruptibly, and whoever called us may have enough:
 * so nothing here sleeps in waitpid, and every wait looks at all of these.
 */
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/process/held.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

#define MS INT64_C(1000000)
/* A stop mostly comes within microseconds, sooner than this process could fall asleep and be woken:
 * it looks for a while before it sleeps. */
#define EAGER_NS 60000
/* Naps grow with the wait, so that they make it longer by an eighth at most. */
#define NAP_PART 8
#define SHORTEST_NAP_NS 20000
#define LONGEST_NAP_NS (10 * MS)
/* After how long it is worth to ask what the thread does instead of stopping. */
#define ASK_NS MS
/* How long a thread has to stop; and how long one that works for us may do so without once having
 * been on a processor. */
#define STOP_LIMIT_NS (3000 * MS)
#define IDLE_LIMIT_NS (30000 * MS)
/* And one that is frozen by then mostly stays so. */
#define FROZEN_LIMIT_NS (300 * MS)
/* How long a killed process mostly takes at most to end. */
#define ENDING_MS 100

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int64_t linux_stop_deadline(void)
{
    return now_ns() + STOP_LIMIT_NS;
}

char linux_stop_state(const struct linux_pd *pd, pid_t tid)
{
    char path[32], stat[1024];
    snprintf(path, sizeof path, "task/%d/stat", tid);
    ssize_t length = linux_procfs_read_into(pd->proc, path, stat, sizeof stat);
    if (length < 0)
        return linux_procfs_gone((int)length) ? 'X' : '?';
    const char *end = strrchr(stat, ')');
    return end && end[1] ? end[2] : '?';
}

/* How long the thread has been on a processor; -1: this kernel does not count that. */
static int64_t time_on_processor(const struct linux_pd *pd, pid_t tid)
{
    char path[32], text[128];
    snprintf(path, sizeof path, "task/%d/schedstat", tid);
    return linux_procfs_read_into(pd->proc, path, text, sizeof text) < 0 ? -1
                                                                         : strtoll(text, NULL, 10);
}

bool linux_stop_wanted(const struct linux_pd *pd)
{
    const struct recap_kernel *kernel = pd->base.kernel;
    return !kernel->wanted || kernel->wanted(kernel->wanted_context);
}

/* One wait that has lasted for some time. */
struct wait {
    const struct linux_pd *pd;
    pid_t tid;
    int64_t start;
    int64_t deadline;
    int64_t on_processor; /* how long it had been there when that was last seen to change, */
    int64_t moved;        /* and when that was */
};

static bool is_over(struct wait *wait, int64_t now)
{
    if (wait->deadline && now > wait->deadline)
        return true;
    int64_t time = time_on_processor(wait->pd, wait->tid);
    if (time != wait->on_processor) {
        wait->on_processor = time;
        wait->moved = now;
    }
    int64_t idle = now - wait->moved;
    return (!wait->deadline && idle > IDLE_LIMIT_NS) ||
           (idle > FROZEN_LIMIT_NS && linux_held_frozen(wait->pd, wait->tid, NULL));
}

/* Sleeps for that long and not, as the kernel would have it, for two or three times as long. */
static void nap(int64_t nanoseconds)
{
    int slack = prctl(PR_GET_TIMERSLACK);
    if (slack > 0)
        prctl(PR_SET_TIMERSLACK, 1);
    nanosleep(&(struct timespec){.tv_nsec = nanoseconds}, NULL);
    if (slack > 0)
        prctl(PR_SET_TIMERSLACK, slack);
}

/* A wait status, or: -ECHILD the thread is none of ours (any more), -ESRCH it has ended,
 * -ETIMEDOUT, -EINTR the caller wants no more. `report` is what to wait for: also the report of an
 * end that can be seen already. */
static int wait_status(const struct linux_pd *pd, pid_t tid, int64_t deadline, bool report)
{
    int64_t start = now_ns();
    struct wait wait = {pd, tid, start, deadline, -1, start};
    bool ended = false;
    for (;;) {
        int status;
        pid_t got = waitpid(tid, &status, __WALL | WNOHANG);
        if (got == tid)
            return status;
        if (got < 0 && errno != EINTR)
            return -errno;
        if (ended)
            return -ESRCH;
        int64_t now = now_ns(), waited = now - start;
        if (waited < EAGER_NS) {
            /* Not sched_yield: a scheduler that counts what is given up lets whoever yields again
             * and again wait for seconds later. */
            __builtin_ia32_pause();
            continue;
        }
        if (waited < ASK_NS) {
            nap(SHORTEST_NAP_NS);
            continue;
        }
        char state = linux_stop_state(pd, tid);
        /* Its report may just have come: that is looked for once more. */
        ended = !report && (state == 'Z' || state == 'X');
        if (ended)
            continue;
        if (!report && !linux_stop_wanted(pd))
            return -EINTR;
        if (is_over(&wait, now))
            return -ETIMEDOUT;
        nap(waited / NAP_PART < LONGEST_NAP_NS ? waited / NAP_PART : LONGEST_NAP_NS);
    }
}

bool linux_stop_all_ended(const struct linux_pd *pd)
{
    struct pollfd end = {.fd = pd->pidfd, .events = POLLIN};
    return poll(&end, 1, ENDING_MS) > 0;
}

bool linux_stop_or_end(const struct linux_pd *pd, pid_t tid, int64_t deadline)
{
    int status = wait_status(pd, tid, deadline, true);
    return status >= 0 && WIFSTOPPED(status);
}

void linux_stop_wait(const struct linux_pd *pd, pid_t tid, int64_t deadline,
                     struct linux_stopped *stopped)
{
    int status = wait_status(pd, tid, deadline, false);
    *stopped = (struct linux_stopped){.stop = LINUX_STOP_GONE};
    if (status == -ETIMEDOUT)
        stopped->stop = LINUX_STOP_LATE;
    if (status == -EINTR)
        stopped->stop = LINUX_STOP_UNWANTED;
    if (status < 0 || !WIFSTOPPED(status))
        return;
    unsigned long child = 0;
    stopped->signal = WSTOPSIG(status);
    switch (status >> 16) {
    case PTRACE_EVENT_STOP:
        stopped->stop = LINUX_STOP_TRAP;
        break;
    case PTRACE_EVENT_EXIT:
        stopped->stop = LINUX_STOP_EXIT;
        break;
    case PTRACE_EVENT_CLONE:
        stopped->stop = LINUX_STOP_CLONE;
        ptrace(PTRACE_GETEVENTMSG, tid, 0, &child);
        stopped->child = (pid_t)child;
        break;
    default:
        stopped->stop = LINUX_STOP_SIGNAL;
        if (stopped->signal == (SIGTRAP | 0x80))
            stopped->stop = LINUX_STOP_CALL;
    }
}

bool linux_stop_is_one(const struct linux_stopped *stopped)
{
    switch (stopped->stop) {
    case LINUX_STOP_GONE:
    case LINUX_STOP_LATE:
    case LINUX_STOP_UNWANTED:
        return false;
    default:
        return true;
    }
}

int linux_stop_say(const struct linux_pd *pd, pid_t tid, const struct linux_stopped *stopped,
                   struct recap_error *error)
{
    if (stopped->stop == LINUX_STOP_UNWANTED)
        return recap_refuse(error, RECAP_FAILED, -EINTR,
                            "interrupted while waiting for thread %d of process %d to stop", tid,
                            pd->pid);
    if (linux_held_frozen(pd, tid, error))
        return -EBUSY;
    recap_refuse(error, RECAP_FAILED, -EBUSY,
                 "thread %d of process %d waits in the kernel and does not stop", tid, pd->pid);
    recap_error_remedy(error, "try again later; what it waits in is in /proc/%d/task/%d/wchan",
                       pd->pid, tid);
    return -EBUSY;
}
