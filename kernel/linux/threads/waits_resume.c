/* waits_resume.c: going on with a call whose timeout the program has in memory, or its socket has.
 *
 * The kernel reads such a timeout as the call is made, and the call is made again. So what is left
 * stands there from just before the thread goes on until it waits, and then the program's own time
 * again: it may use that for the next call, and other threads may use the same. One thread after
 * the other, while those that are still stopped do not see it.
 *
 * A thread that does not come to wait in time has its whole timeout again, or has what is left. If
 * Recap ends in between, the time stays shortened: of all that it does to a process that lives on
 * this is the only thing that the process does not undo by itself.
 */
#include "kernel/linux/linux.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
/* How long a thread may take to come to its call. */
#define LIMIT (50 * INT64_C(1000000))

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* What is left by now. */
static int64_t left_now(const struct linux_registers *home)
{
    int64_t stopped = home->stopped_at.tv_sec * SECOND + home->stopped_at.tv_nsec;
    int64_t left = home->left_ns - (now_ns() - stopped);
    return left > 0 ? left : 0;
}

bool linux_waits_may_force(void)
{
    static const volatile uint8_t mine = 1;
    static int answer = -1;
    if (answer >= 0)
        return answer;
    int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
    uint8_t same = mine;
    answer = memory >= 0 && pwrite(memory, &same, sizeof same, (off_t)(uintptr_t)&mine) == 1;
    if (memory >= 0)
        close(memory);
    return answer;
}

/* Lets the thread go, and waits until it waits. */
static void let_go(struct linux_pd *pd, struct linux_thread *thread)
{
    char path[48], text[1024];
    int64_t limit = now_ns() + LIMIT;
    if (ptrace(PTRACE_DETACH, thread->tid, 0, thread->home->signal) != 0)
        return;
    thread->seized = false;
    snprintf(path, sizeof path, "task/%d/stat", thread->tid);
    while (now_ns() < limit && linux_procfs_read_into(pd->proc, path, text, sizeof text) > 0) {
        const char *state = strrchr(text, ')');
        if (state && (state[2] == 'S' || state[2] == 'D' || state[2] == 'T' || state[2] == 'Z'))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
    }
}

static void resume_with_memory(struct linux_pd *pd, struct linux_thread *thread,
                               enum linux_timeout_form form, uint64_t address)
{
    uint8_t before[LINUX_TIME_SIZE], left[LINUX_TIME_SIZE], after[LINUX_TIME_SIZE];
    size_t size = linux_time_size(form);
    int memory = pd->foothold ? pd->foothold->memory : -1;
    if (memory < 0 || !linux_waits_may_force() ||
        pread(memory, before, size, (off_t)address) != (ssize_t)size)
        return;
    linux_time_put(form, left_now(thread->home), left);
    if (pwrite(memory, left, size, (off_t)address) != (ssize_t)size)
        return;
    let_go(pd, thread);
    /* Unless the call has already come to its end, and written there itself. */
    if (pread(memory, after, size, (off_t)address) == (ssize_t)size &&
        memcmp(after, left, size) == 0)
        pwrite(memory, before, size, (off_t)address);
}

static void resume_with_socket(struct linux_pd *pd, struct linux_thread *thread, int name,
                               int descriptor)
{
    struct timeval before, left;
    socklen_t length = sizeof before;
    int64_t ns = left_now(thread->home);
    int fd = (int)syscall(SYS_pidfd_getfd, pd->pidfd, descriptor, 0);
    /* None at all would be for ever. */
    linux_time_put(LINUX_FORM_TIMEVAL, ns ? ns : 1, &left);
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, name, &before, &length) == 0 &&
        setsockopt(fd, SOL_SOCKET, name, &left, sizeof left) == 0) {
        let_go(pd, thread);
        setsockopt(fd, SOL_SOCKET, name, &before, sizeof before);
    }
    if (fd >= 0)
        close(fd);
}

void linux_waits_resume(struct linux_pd *pd)
{
    for (size_t i = 0; i < pd->thread_count; i++) {
        struct linux_thread *thread = &pd->threads[i];
        const struct linux_registers *home = thread->home;
        uint64_t arguments[6];
        if (home->left_ns < 0 || !thread->seized || !thread->stopped || home->away ||
            home->group_stop || (int64_t)home->stopped.orig_rax < 0 ||
            (int64_t)home->stopped.rax == -LINUX_RESTART_BLOCK)
            continue;
        linux_call_arguments(&home->stopped, home->way, arguments);
        const struct linux_timed_call *call =
            linux_timed_call(home->way, (long)home->stopped.orig_rax, arguments);
        uint64_t argument = call ? arguments[call->argument[home->way]] : 0;
        if (call && call->keeper == LINUX_KEPT_BY_MEMORY)
            resume_with_memory(pd, thread, call->form[home->way], argument);
        else if (call && call->keeper == LINUX_KEPT_BY_RECEIVER)
            resume_with_socket(pd, thread, SO_RCVTIMEO, (int)argument);
        else if (call && call->keeper == LINUX_KEPT_BY_SENDER)
            resume_with_socket(pd, thread, SO_SNDTIMEO, (int)argument);
    }
}
