/* waits_set.c: giving a restored thread the restart block that its wait had. */
#include "kernel/linux/concerns.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

struct wait {
    int64_t call;
    int64_t left;
    bool counted; /* `left` means something */
};

static int get_wait(const struct recap_value *state, struct wait *wait)
{
    const struct recap_value *record = recap_member(state, "wait");
    if (!record)
        return -ENOENT;
    if (recap_get_number(record, "call", &wait->call) < 0)
        return -EBADMSG;
    int result = recap_get_number(record, "left_ns", &wait->left);
    wait->counted = result == 0;
    return result == -EINVAL || (wait->counted && wait->left < 0) ? -EBADMSG : 0;
}

/* The registers that make the call again: its own arguments, but with what is left of the timeout
 * (at `scratch` where it is passed by reference). */
static int aim(struct user_regs_struct *r, const struct wait *wait, uint64_t scratch)
{
    r->rax = (uint64_t)wait->call;
    r->orig_rax = UINT64_MAX;
    r->rip -= 2;
    switch (wait->call) {
    case SYS_nanosleep:
        r->rdi = scratch;
        break;
    case SYS_clock_nanosleep:
        r->rdx = scratch;
        break;
    case SYS_futex:
        if (wait->counted)
            r->r10 = scratch;
        break;
    default:
        return -EBADMSG;
    }
    return wait->counted || wait->call == SYS_futex ? 0 : -EBADMSG;
}

static int stopped_otherwise(const struct linux_thread *thread, struct recap_error *error)
{
    return recap_fail(error, -EPROTO, "letting thread %d begin its wait again", thread->vtid);
}

/* Makes the thread enter the call with an interruption already waiting for it, so that it comes
 * back without ever sleeping. */
static int enter_interrupted(const struct linux_pd *pd, const struct linux_thread *thread,
                             struct user_regs_struct *r, struct recap_error *error)
{
    struct linux_stopped stopped;
    uint64_t all = UINT64_MAX;
    if (ptrace(PTRACE_SETSIGMASK, thread->tid, sizeof all, &all) < 0 ||
        ptrace(PTRACE_SETREGS, thread->tid, 0, r) < 0 ||
        ptrace(PTRACE_SYSCALL, thread->tid, 0, 0) < 0)
        return stopped_otherwise(thread, error);
    linux_stop_wait(pd, thread->tid, 0, &stopped);
    if (stopped.stop != LINUX_STOP_CALL || ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0) < 0 ||
        ptrace(PTRACE_CONT, thread->tid, 0, 0) < 0)
        return stopped_otherwise(thread, error);
    linux_stop_wait(pd, thread->tid, 0, &stopped);
    if (stopped.stop != LINUX_STOP_TRAP || ptrace(PTRACE_GETREGS, thread->tid, 0, r) < 0)
        return stopped_otherwise(thread, error);
    return 0;
}

static int arm(const struct linux_pd *pd, const struct linux_thread *thread,
               const struct wait *wait, uint64_t scratch, struct recap_error *error)
{
    struct user_regs_struct *home = &thread->home->stopped, r = *home;
    if (wait->call == SYS_poll && wait->counted) {
        /* The kernel makes the call (again), unless a signal's handler is to run first. */
        home->rdx =
            (uint64_t)(wait->left / 1000000 < INT_MAX ? (wait->left + 999999) / 1000000 : INT_MAX);
        home->orig_rax = SYS_poll;
        home->rax = (uint64_t)-LINUX_RESTART_NO_HANDLER;
        return 0;
    }
    if (aim(&r, wait, scratch) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the wait of thread %d is malformed",
                            thread->vtid);
    int result = enter_interrupted(pd, thread, &r, error);
    if (result < 0 || (int64_t)r.rax == -LINUX_RESTART_BLOCK)
        return result;
    /* It had nothing to wait for, which is its result; or the kernel wants it made again. */
    home->rax = r.rax;
    home->orig_rax = (int64_t)r.rax <= -LINUX_RESTART_SYS && (int64_t)r.rax > -LINUX_RESTART_BLOCK
                         ? (uint64_t)wait->call
                         : UINT64_MAX;
    return 0;
}

/* Nobody knows what the thread waited for: the call returns as after a signal. */
static void give_up(struct user_regs_struct *home)
{
    if ((int64_t)home->orig_rax < 0 || (int64_t)home->rax != -LINUX_RESTART_BLOCK)
        return;
    home->rax = (uint64_t)-EINTR;
    home->orig_rax = UINT64_MAX;
}

static void free_batch(struct linux_batch **batch)
{
    linux_batch_free(*batch);
}

int linux_waits_arm(struct linux_pd *pd, const struct recap_value *const *states,
                    struct recap_error *error)
{
    size_t count = pd->thread_count, waiting = 0;
    struct timespec *left = calloc(count, sizeof *left);
    if (!left)
        return recap_fail(error, -ENOMEM, "letting threads wait again");
    for (size_t i = 0; i < count; i++) {
        struct wait wait;
        if (get_wait(states[i], &wait) < 0)
            continue;
        waiting++;
        if (wait.counted)
            left[i] = (struct timespec){wait.left / SECOND, wait.left % SECOND};
    }
    /* The batch keeps the times in the target for as long as it lives; its call does nothing. */
    __attribute__((cleanup(free_batch))) struct linux_batch *batch =
        waiting ? linux_batch_new(pd, 0) : NULL;
    uint64_t times = batch ? linux_batch_put(batch, left, count * sizeof *left) : 0;
    free(left);
    int result = waiting && !batch ? recap_fail(error, -ENOMEM, "letting threads wait again") : 0;
    if (batch) {
        linux_batch_call(batch, SYS_getpid);
        result = linux_batch_run(batch, error);
    }
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct wait wait;
        int got = get_wait(states[i], &wait);
        if (got == 0)
            result = arm(pd, &pd->threads[i], &wait, times + i * sizeof(struct timespec), error);
        else if (got == -ENOENT)
            give_up(&pd->threads[i].home->stopped);
        else
            result = recap_refuse(error, RECAP_DAMAGED, got, "the wait of thread %d is malformed",
                                  pd->threads[i].vtid);
    }
    return result;
}
