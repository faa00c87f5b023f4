/* user_areas.c: what the kernel knows of a thread's own memory: the alternate signal stack, the
 * robust list, the rseq area, the selector of syscall user dispatch.
 */
#include "kernel/linux/abi.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/reading.h"
#include "kernel/linux/threads/threads.h"

#include <errno.h>
#include <linux/rseq.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

enum { LEAST_STACK = 2048 }; /* that sigaltstack(2) takes */

void linux_user_areas_ask(const struct linux_reading *reading, struct linux_user_areas *asked)
{
    asked->stack = linux_batch_put(reading->batch, NULL, sizeof(stack_t));
    asked->stack_call = linux_batch_call(reading->batch, SYS_sigaltstack, 0, asked->stack);
}

static void record_area(struct recap_arena *arena, struct recap_value *state, const char *name,
                        uint64_t address, uint64_t size, const char *further, uint64_t value)
{
    struct recap_value *area = recap_put_record(arena, state, name);
    recap_put_hex(arena, area, "address", address);
    recap_put_hex(arena, area, "size", size);
    if (further)
        recap_put_hex(arena, area, further, value);
}

static void record_dispatch(const struct linux_reading *reading, pid_t tid,
                            struct recap_value *state)
{
    struct ptrace_sud_config config;
    if (ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, tid, sizeof config, &config) < 0 ||
        !config.mode)
        return;
    struct recap_value *dispatch = recap_put_record(reading->arena, state, "system_call_dispatch");
    recap_put_number(reading->arena, dispatch, "mode", (int64_t)config.mode);
    recap_put_hex(reading->arena, dispatch, "selector", config.selector);
    recap_put_hex(reading->arena, dispatch, "offset", config.offset);
    recap_put_hex(reading->arena, dispatch, "length", config.len);
}

int linux_user_areas_record(const struct linux_reading *reading,
                            const struct linux_user_areas *asked, struct recap_value *state,
                            struct recap_error *error)
{
    pid_t tid = reading->pd->threads[reading->thread].tid;
    int result = linux_batch_check(reading->batch, asked->stack_call,
                                   "reading the alternate signal stack", error);
    if (result < 0)
        return result;
    stack_t stack;
    memcpy(&stack, linux_batch_data(reading->batch, asked->stack), sizeof stack);
    /* Whether it is in use now follows from the stack pointer alone. */
    unsigned flags = (unsigned)stack.ss_flags & ~(unsigned)SS_ONSTACK;
    record_area(reading->arena, state, "alternate_stack", (uint64_t)stack.ss_sp, stack.ss_size,
                "flags", flags);

    uint64_t head = 0;
    size_t length = 0;
    if (syscall(SYS_get_robust_list, tid, &head, &length) < 0)
        return recap_fail(error, -errno, "reading the robust list of thread %d", tid);
    record_area(reading->arena, state, "robust_list", head, length, NULL, 0);

    struct __ptrace_rseq_configuration rseq;
    if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid, sizeof rseq, &rseq) < 0)
        return recap_fail(error, -errno, "reading the restartable sequences of thread %d", tid);
    if (rseq.rseq_abi_pointer)
        record_area(reading->arena, state, "rseq", rseq.rseq_abi_pointer, rseq.rseq_abi_size,
                    "signature", rseq.signature);
    record_dispatch(reading, tid, state);
    return 0;
}

static int get_area(const struct recap_value *state, const char *name, uint64_t *address,
                    uint64_t *size, const char *further, uint64_t *value)
{
    const struct recap_value *area = recap_member(state, name);
    if (!area)
        return -ENOENT;
    if (recap_get_hex(area, "address", address) < 0 || recap_get_hex(area, "size", size) < 0)
        return -EBADMSG;
    return further && recap_get_hex(area, further, value) < 0 ? -EBADMSG : 0;
}

static int set_stack(struct linux_steps *steps, const struct recap_value *want,
                     struct recap_error *error)
{
    uint64_t address, size, flags;
    if (get_area(want, "alternate_stack", &address, &size, "flags", &flags) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "a thread lacks its alternate stack");
    if (flags & ~(uint64_t)(SS_ONSTACK | SS_DISABLE | SS_AUTODISARM) || size > INT64_MAX ||
        (!(flags & SS_DISABLE) && size < LEAST_STACK))
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "an alternate stack is malformed");
    stack_t stack = {.ss_sp = (void *)address, .ss_flags = (int)(unsigned)flags, .ss_size = size};
    uint64_t at = linux_batch_put(linux_steps_batch(steps), &stack, sizeof stack);
    linux_step(steps, "setting the alternate signal stack", SYS_sigaltstack, at, 0);
    return 0;
}

int linux_user_areas_set(struct linux_steps *steps, const struct recap_value *want,
                         const struct recap_value *have, struct recap_error *error)
{
    uint64_t address, size, signature;
    int result = set_stack(steps, want, error);
    if (result < 0)
        return result;
    if (get_area(want, "robust_list", &address, &size, NULL, NULL) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "a thread lacks its robust list");
    if (address)
        linux_step(steps, "setting the robust list", SYS_set_robust_list, address, size);

    uint64_t old_address, old_size, old_signature;
    if (get_area(have, "rseq", &old_address, &old_size, "signature", &old_signature) == 0)
        linux_step(steps, "ending the old restartable sequences", SYS_rseq, old_address, old_size,
                   RSEQ_FLAG_UNREGISTER, old_signature);
    result = get_area(want, "rseq", &address, &size, "signature", &signature);
    if (result == -EBADMSG)
        return recap_refuse(error, RECAP_DAMAGED, result, "an rseq area is malformed");
    if (result == 0)
        linux_step(steps, "registering the restartable sequences", SYS_rseq, address, size, 0,
                   signature);
    return 0;
}

int linux_dispatch_set(const struct linux_thread *thread, const struct recap_value *want,
                       struct recap_error *error)
{
    const struct recap_value *dispatch = recap_member(want, "system_call_dispatch");
    struct ptrace_sud_config config;
    if (!dispatch)
        return 0;
    if (recap_get_hex(dispatch, "mode", &config.mode) < 0 ||
        recap_get_hex(dispatch, "selector", &config.selector) < 0 ||
        recap_get_hex(dispatch, "offset", &config.offset) < 0 ||
        recap_get_hex(dispatch, "length", &config.len) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "a system call dispatch is malformed");
    if (ptrace(PTRACE_SET_SYSCALL_USER_DISPATCH_CONFIG, thread->tid, sizeof config, &config) < 0)
        return recap_fail(error, -errno, "setting the system call dispatch of thread %d",
                          thread->vtid);
    return 0;
}
