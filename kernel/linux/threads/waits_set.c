/* waits_set.c: giving a restored thread the restart block that its wait had. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>

#define MS INT64_C(1000000)
#define SECOND INT64_C(1000000000)

struct wait {
    int64_t number;
    enum linux_way_in way;
    const struct linux_timed_call *call;
    uint64_t arguments[6];
    int64_t left;
    bool counted; /* `left` means something */
};

/* -ENOENT: the thread has none. */
static int get_wait(const struct linux_thread *thread, const struct recap_value *state,
                    struct wait *wait)
{
    const struct recap_value *record = recap_member(state, "wait");
    const char *by;
    if (!record)
        return -ENOENT;
    if (recap_get_number(record, "call", &wait->number) < 0)
        return -EBADMSG;
    int result = recap_get_text(record, "by", &by);
    if (result != -ENOENT && (result < 0 || strcmp(by, "int 0x80") != 0))
        return -EBADMSG;
    wait->way = result == 0 ? LINUX_WAY_INT_80 : LINUX_WAY_SYSCALL;
    result = recap_get_number(record, "left_ns", &wait->left);
    if (result == -EINVAL || (result == 0 && wait->left < 0))
        return -EBADMSG;
    linux_call_arguments(&thread->home->stopped, wait->way, wait->arguments);
    wait->call = linux_timed_call(wait->way, (long)wait->number, wait->arguments);
    wait->counted = wait->call && result == 0;
    return wait->call ? 0 : -EBADMSG;
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

/* Has `bytes` lie at an address for as long as the call is entered; what was there comes to
 * `bytes`.
 */
static int exchange(struct linux_pd *pd, uint64_t address, void *bytes, size_t size,
                    struct recap_error *error)
{
    uint8_t before[LINUX_TIME_SIZE];
    int result = linux_access_read(pd, address, before, size, error);
    if (result == 0)
        result = linux_access_poke(pd, address, bytes, size, error);
    if (result == 0)
        memcpy(bytes, before, size);
    return result;
}

/* Enters the call with what is left of its timeout. That is put where its registers have it, or
 * lies at `scratch`: memory that the program has for its time may be shared. By `int 0x80` only the
 * program's own is sure to be within reach. */
static int enter(struct linux_pd *pd, const struct linux_thread *thread, const struct wait *wait,
                 uint64_t scratch, struct user_regs_struct *r, struct recap_error *error)
{
    enum linux_way_in way = wait->way;
    enum linux_timeout_form form = wait->call->form[way];
    unsigned int argument = wait->call->argument[way];
    size_t size = linux_time_size(form);
    uint8_t left[LINUX_TIME_SIZE];
    bool own = wait->counted && form != LINUX_FORM_MS && way == LINUX_WAY_INT_80;
    int result = 0;
    linux_time_put(form, wait->left, left);
    r->rax = (uint64_t)wait->number;
    r->orig_rax = UINT64_MAX;
    r->rip -= 2;
    if (own)
        result = exchange(pd, wait->arguments[argument], left, size, error);
    else if (wait->counted && form == LINUX_FORM_MS)
        linux_call_set_argument(
            r, way, argument,
            (uint64_t)(wait->left / MS < INT_MAX ? (wait->left + MS - 1) / MS : INT_MAX));
    else if (wait->counted)
        linux_call_set_argument(r, way, argument, scratch);
    if (result == 0)
        result = enter_interrupted(pd, thread, r, error);
    return result == 0 && own ? exchange(pd, wait->arguments[argument], left, size, error) : result;
}

static int arm(struct linux_pd *pd, const struct linux_thread *thread, const struct wait *wait,
               uint64_t scratch, struct recap_error *error)
{
    struct user_regs_struct *home = &thread->home->stopped, r = *home;
    thread->home->way = wait->way;
    if (wait->call->keeper != LINUX_KEPT_BY_BLOCK) {
        linux_waits_may_force();
        clock_gettime(CLOCK_MONOTONIC, &thread->home->stopped_at);
        thread->home->left_ns = wait->counted ? wait->left : -1;
        return 0;
    }
    /* A sleep that is interrupted writes what is left where its caller wants that. */
    uint8_t before[LINUX_TIME_SIZE];
    uint64_t tells = wait->call->left && wait->counted ? wait->arguments[wait->call->left] : 0;
    size_t size = linux_time_size(wait->call->form[wait->way]);
    bool told = tells && linux_access_read(pd, tells, before, size, NULL) == 0;
    int result = enter(pd, thread, wait, scratch, &r, error);
    if (result == 0 && told)
        linux_access_write(pd, tells, before, size, NULL);
    if (result < 0 || (int64_t)r.rax == -LINUX_RESTART_BLOCK)
        return result;
    /* It had nothing to wait for, which is its result; or the kernel wants it made again. */
    home->rax = r.rax;
    home->orig_rax = (int64_t)r.rax <= -LINUX_RESTART_SYS && (int64_t)r.rax > -LINUX_RESTART_BLOCK
                         ? (uint64_t)wait->number
                         : UINT64_MAX;
    return 0;
}

/* An image from before every such wait was recorded: the call returns as after a signal. */
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
        if (get_wait(&pd->threads[i], states[i], &wait) < 0)
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
        int got = get_wait(&pd->threads[i], states[i], &wait);
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
