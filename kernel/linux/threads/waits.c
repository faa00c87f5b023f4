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
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
/* Nothing is left to count: the call's own arguments name the point in time. */
#define UNTIL_A_TIME INT64_MIN

/* The call that the program made where the kernel shows restart_syscall: the number that the code
 * just before loads into eax. -1: it does not show. */
static long call_before(struct linux_pd *pd, uint64_t rip)
{
    static const uint32_t known[] = {SYS_nanosleep, SYS_clock_nanosleep, SYS_poll, SYS_futex};
    enum { LOAD = 5, BEFORE = 20 };
    uint8_t code[BEFORE];
    if (linux_read(&pd->base, rip - 2 - BEFORE, code, sizeof code, NULL) < 0)
        return -1;
    for (int at = BEFORE - LOAD; at >= 0; at--) {
        uint32_t number;
        if (code[at] != 0xb8)
            continue;
        memcpy(&number, code + at + 1, sizeof number);
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
            if (known[i] == number)
                return number;
    }
    return -1;
}

static int read_time(struct linux_pd *pd, uint64_t address, int64_t *ns)
{
    struct timespec time;
    if (linux_read(&pd->base, address, &time, sizeof time, NULL) < 0 || time.tv_sec < 0 ||
        time.tv_sec > INT64_MAX / SECOND - 1 || time.tv_nsec < 0 || time.tv_nsec >= SECOND)
        return -EFAULT;
    *ns = time.tv_sec * SECOND + time.tv_nsec;
    return 0;
}

static bool counts_processor_time(uint64_t clock)
{
    return (int32_t)clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID ||
           clock == CLOCK_THREAD_CPUTIME_ID;
}

/* What is left of a sleep. */
static int left_of_sleep(struct linux_pd *pd, uint64_t requested, uint64_t remaining,
                         int64_t elapsed, int64_t *left)
{
    if (remaining && read_time(pd, remaining, left) == 0)
        return 0;
    int result = read_time(pd, requested, left);
    *left -= elapsed;
    return result;
}

static int left_of(struct linux_pd *pd, long call, const struct user_regs_struct *r,
                   int64_t elapsed, int64_t *left)
{
    switch (call) {
    case SYS_nanosleep:
        return left_of_sleep(pd, r->rdi, r->rsi, elapsed, left);
    case SYS_clock_nanosleep:
        return left_of_sleep(pd, r->rdx, r->r10, counts_processor_time(r->rdi) ? 0 : elapsed, left);
    case SYS_poll:
        *left = (int32_t)r->rdx * INT64_C(1000000) - elapsed;
        return (int32_t)r->rdx >= 0 ? 0 : -EINVAL;
    case SYS_futex:
        if ((r->rsi & FUTEX_CMD_MASK) != FUTEX_WAIT) {
            *left = UNTIL_A_TIME;
            return 0;
        }
        if (read_time(pd, r->r10, left) < 0)
            return -EFAULT;
        *left -= elapsed;
        return 0;
    default:
        return -ENOSYS;
    }
}

void linux_wait_record(struct linux_pd *pd, const struct linux_thread *thread,
                       struct recap_arena *arena, struct recap_value *state)
{
    const struct user_regs_struct *r = &thread->home->stopped;
    if ((int64_t)r->orig_rax < 0 || (int64_t)r->rax != -LINUX_RESTART_BLOCK)
        return;
    long call = (long)r->orig_rax;
    if (call == SYS_restart_syscall)
        call = linux_wait_call(pd, thread->tid, r);
    if (call < 0)
        call = call_before(pd, r->rip);
    int64_t elapsed = thread->home->blocked_ns > 0 ? thread->home->blocked_ns : 0, left = 0;
    if (left_of(pd, call, r, elapsed, &left) < 0)
        return;
    struct recap_value *wait = recap_put_record(arena, state, "wait");
    recap_put_number(arena, wait, "call", call);
    if (left != UNTIL_A_TIME)
        recap_put_number(arena, wait, "left_ns", left > 0 ? left : 0);
}
