/* waits.c: what is left of the timeout of an interrupted system call.
 *
 * nanosleep tells what is left when its caller asked for that. Otherwise it is the requested time
 * less the time that the thread was off the processor. A call that had been interrupted before (by
 * an earlier checkpoint that left the program running, or since an earlier restore) stands as
 * restart_syscall. Where it waited says which call it was, or else the code before the system call
 * does. How long it waited before that earlier interruption is not known then, so that its timeout
 * may come later by at most that, never early and never not at all.
 */
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)

static bool is_interrupted(int64_t result)
{
    return result == -EINTR || (result <= -LINUX_RESTART_SYS && result >= -LINUX_RESTART_BLOCK);
}

/* By which way a stopped thread came into the kernel. */
static enum linux_way_in way_in(pid_t tid)
{
    struct __ptrace_syscall_info info = {0};
    return ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0 &&
                   info.arch == AUDIT_ARCH_I386
               ? LINUX_WAY_INT_80
               : LINUX_WAY_SYSCALL;
}

static int read_time(struct linux_pd *pd, const struct linux_timed_call *call,
                     enum linux_way_in way, uint64_t address, int64_t *ns)
{
    uint8_t bytes[LINUX_TIME_SIZE];
    enum linux_timeout_form form = call->form[way];
    if (linux_access_read(pd, address, bytes, linux_time_size(form), NULL) < 0)
        return -EFAULT;
    *ns = linux_time_get(form, bytes);
    return *ns < 0 ? -EINVAL : 0;
}

/* The whole timeout of a call that counts. */
static int read_timeout(struct linux_pd *pd, const struct linux_timed_call *call,
                        enum linux_way_in way, const uint64_t arguments[6], int64_t *ns)
{
    uint64_t argument = arguments[call->argument[way]];
    if (call->form[way] != LINUX_FORM_MS)
        return read_time(pd, call, way, argument, ns);
    *ns = (int32_t)argument * MS;
    return 0;
}

static bool counts_processor_time(uint64_t clock)
{
    return (int32_t)clock < 0 || (int32_t)clock == CLOCK_PROCESS_CPUTIME_ID ||
           (int32_t)clock == CLOCK_THREAD_CPUTIME_ID;
}

static bool has_signals(pid_t tid)
{
    siginfo_t info;
    for (unsigned int flags = 0; flags <= PTRACE_PEEKSIGINFO_SHARED; flags++) {
        struct __ptrace_peeksiginfo_args peek = {.off = 0, .flags = flags, .nr = 1};
        if (ptrace(PTRACE_PEEKSIGINFO, tid, &peek, &info) != 0)
            return true;
    }
    return false;
}

/* An interrupted sleep has written what is left where its caller wanted that. Unless a signal is
 * about to end it, it goes on, and nothing of the kind would have been written. */
static void take_back_left(struct linux_pd *pd, struct linux_thread *thread,
                           const struct linux_seen *seen, const struct linux_timed_call *call,
                           const uint64_t arguments[6])
{
    struct linux_registers *home = thread->home;
    uint8_t bytes[LINUX_TIME_SIZE];
    uint64_t address = arguments[call->left];
    size_t size = linux_time_size(call->form[home->way]);
    if (linux_access_read(pd, address, bytes, size, NULL) < 0)
        return;
    home->left_ns = linux_time_get(call->form[home->way], bytes);
    if (memcmp(bytes, seen->left, size) != 0 && !has_signals(thread->tid))
        linux_access_write(pd, address, seen->left, size, NULL);
}

/* A call for several messages that was interrupted after the first returns how many it has, and
 * would have the next call on the socket fail. */
static void take_back_error(const struct linux_pd *pd, const uint64_t arguments[6])
{
    int error;
    socklen_t length = sizeof error;
    int fd = (int)syscall(SYS_pidfd_getfd, pd->pidfd, (int)arguments[0], 0);
    if (fd < 0)
        return;
    /* To read it is to take it away. */
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    close(fd);
}

/* The call is made again by the kernel, with the whole of its timeout. */
static void keep_timeout(struct linux_pd *pd, struct linux_registers *home,
                         const struct linux_timed_call *call, const struct linux_seen *seen,
                         const uint64_t arguments[6])
{
    int64_t whole;
    bool socket = call->keeper == LINUX_KEPT_BY_RECEIVER || call->keeper == LINUX_KEPT_BY_SENDER;
    if (socket)
        whole = seen->socket_ns;
    else if (read_timeout(pd, call, home->way, arguments, &whole) < 0)
        return;
    if ((socket && !whole) || home->blocked_ns < 0)
        return;
    int64_t left = whole > home->blocked_ns ? whole - home->blocked_ns : 0;
    if (call->keeper == LINUX_KEPT_BY_REGISTER)
        linux_call_set_argument(&home->stopped, home->way, call->argument[home->way],
                                (uint64_t)((left + MS - 1) / MS));
    else
        home->left_ns = left;
}

static int set_registers(struct linux_thread *thread, struct recap_error *error)
{
    if (ptrace(PTRACE_SETREGS, thread->tid, 0, &thread->home->stopped) != 0)
        return recap_fail(error, -errno, "setting the registers of thread %d", thread->tid);
    return 0;
}

int linux_wait_stopped(struct linux_pd *pd, struct linux_thread *thread, struct recap_error *error)
{
    struct linux_registers *home = thread->home;
    struct user_regs_struct *r = &home->stopped;
    const struct linux_seen *seen = linux_wait_seen(pd, thread->tid);
    int64_t result = (int64_t)r->rax;
    long number = (long)r->orig_rax;
    uint64_t arguments[6];
    home->left_ns = -1;
    home->way = LINUX_WAY_SYSCALL;
    clock_gettime(CLOCK_MONOTONIC, &home->stopped_at);
    if (number < 0 || (!seen && result != -EINTR && result != -LINUX_RESTART_BLOCK))
        return 0;
    home->way = way_in(thread->tid);
    linux_call_arguments(r, home->way, arguments);
    if (!linux_wait_still(seen, r, arguments))
        seen = NULL;
    if (!is_interrupted(result)) {
        if (seen && result > 0 && linux_call_leaves_error(home->way, number))
            take_back_error(pd, arguments);
        return 0;
    }
    /* A program that is stopped otherwise expects to see it. */
    if (result == -EINTR && (home->group_stop || !linux_call_is_repeatable(home->way, number)))
        return 0;
    home->blocked_ns = seen ? linux_wait_elapsed(pd, seen) : -1;
    const struct linux_timed_call *call =
        seen ? linux_timed_call(home->way, seen->call, arguments) : NULL;
    if (call && !linux_timed_call_counts(call, home->way, arguments))
        call = NULL;
    if (call && seen->left_known)
        take_back_left(pd, thread, seen, call, arguments);
    if (call && call->keeper != LINUX_KEPT_BY_BLOCK && !(call->written_back && result != -EINTR))
        keep_timeout(pd, home, call, seen, arguments);
    if (result == -EINTR)
        /* The kernel then decides when the thread goes on: -EINTR if a handler runs, else again. */
        r->rax = (uint64_t)-LINUX_RESTART_NO_HANDLER;
    else if (!call || call->keeper != LINUX_KEPT_BY_REGISTER)
        return 0;
    return set_registers(thread, error);
}

/* What is left of a call that has, or had, a restart block; or that it counts nothing. */
static int left_of(struct linux_pd *pd, const struct linux_registers *home, long number,
                   int64_t *left, bool *counts)
{
    uint64_t arguments[6];
    int64_t elapsed = home->blocked_ns > 0 ? home->blocked_ns : 0;
    linux_call_arguments(&home->stopped, home->way, arguments);
    const struct linux_timed_call *call = linux_timed_call(home->way, number, arguments);
    if (!call || call->keeper != LINUX_KEPT_BY_BLOCK)
        return -ENOSYS;
    *counts = linux_timed_call_counts(call, home->way, arguments);
    *left = home->left_ns;
    if (!*counts || *left >= 0)
        return 0;
    uint64_t remaining = call->left ? arguments[call->left] : 0;
    if (remaining && read_time(pd, call, home->way, remaining, left) == 0)
        return 0;
    int result = read_timeout(pd, call, home->way, arguments, left);
    /* Of the sleeps, the one with a clock has its time behind that. */
    bool processor = call->left && call->argument[home->way] && counts_processor_time(arguments[0]);
    *left -= processor ? 0 : elapsed;
    return result;
}

static int refuse_unknown(const struct linux_thread *thread, struct recap_error *error)
{
    recap_refuse(error, RECAP_FAILED, -EAGAIN,
                 "thread %d goes on with a wait that was interrupted before, and it does not show "
                 "which",
                 thread->vtid);
    return recap_error_remedy(error, "try again");
}

int linux_wait_record(struct linux_pd *pd, const struct linux_thread *thread,
                      struct recap_arena *arena, struct recap_value *state,
                      struct recap_error *error)
{
    const struct linux_registers *home = thread->home;
    const struct user_regs_struct *r = &home->stopped;
    bool block = (int64_t)r->rax == -LINUX_RESTART_BLOCK, counts = true;
    long number = (long)r->orig_rax;
    int64_t left = home->left_ns;
    /* What a created thread waits in is the image's to say. */
    if (pd->created || number < 0 || !is_interrupted((int64_t)r->rax) || (!block && left < 0))
        return 0;
    if (number == linux_restart_number(home->way)) {
        uint64_t arguments[6];
        const struct linux_seen *seen = linux_wait_seen(pd, thread->tid);
        linux_call_arguments(r, home->way, arguments);
        number = linux_wait_still(seen, r, arguments) ? seen->call : -1;
        if (number < 0)
            number = linux_wait_call_before(pd, home->way, r->rip);
    }
    if (block && left_of(pd, home, number, &left, &counts) < 0)
        return refuse_unknown(thread, error);
    struct recap_value *wait = recap_put_record(arena, state, "wait");
    recap_put_number(arena, wait, "call", number);
    if (home->way == LINUX_WAY_INT_80)
        recap_put_text(arena, wait, "by", "int 0x80");
    if (counts)
        recap_put_number(arena, wait, "left_ns", left > 0 ? left : 0);
    return 0;
}
