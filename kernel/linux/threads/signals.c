/* signals.c: reading signal dispositions and the signals that wait, with their data. */
#include "kernel/linux/threads/signals.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/reading.h"
#include "kernel/linux/threads/threads.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

void linux_actions_ask(const struct linux_reading *reading, struct linux_actions *asked)
{
    asked->actions =
        linux_batch_put(reading->batch, NULL, LINUX_SIGNALS * sizeof(struct linux_action));
    for (int i = 0; i < LINUX_SIGNALS; i++) {
        size_t call = linux_batch_call(reading->batch, SYS_rt_sigaction, i + 1, 0,
                                       asked->actions + (size_t)i * sizeof(struct linux_action),
                                       sizeof(uint64_t));
        if (i == 0)
            asked->first_call = call;
    }
}

void linux_actions_record(const struct linux_reading *reading, const struct linux_actions *asked,
                          struct recap_value *state)
{
    static const struct linux_action ordinary;
    struct recap_value *list = recap_put_list(reading->arena, state, "signal_actions");
    const struct linux_action *actions = linux_batch_data(reading->batch, asked->actions);
    for (int i = 0; i < LINUX_SIGNALS; i++) {
        const struct linux_action *action = &actions[i];
        if (memcmp(action, &ordinary, sizeof ordinary) == 0)
            continue;
        struct recap_value *record = recap_put_record(reading->arena, list, NULL);
        recap_put_number(reading->arena, record, "signal", i + 1);
        recap_put_hex(reading->arena, record, "handler", action->handler);
        recap_put_hex(reading->arena, record, "flags", action->flags);
        recap_put_hex(reading->arena, record, "restorer", action->restorer);
        recap_put_hex(reading->arena, record, "mask", action->mask);
    }
}

static void record_signal(struct recap_arena *arena, struct recap_value *list, siginfo_t *info)
{
    /* What the kernel keeps there is not for it to be told again. */
    if (info->si_code == SI_TIMER)
        memset((char *)info + LINUX_SIGINFO_TIMER_PRIVATE, 0, sizeof(int));
    struct recap_value *record = recap_put_record(arena, list, NULL);
    recap_put_number(arena, record, "signal", info->si_signo);
    recap_put_number(arena, record, "code", info->si_code);
    recap_put_bytes(arena, record, "info", info, sizeof *info);
}

/* A signal whose data the kernel could not queue (its limit was reached) is pending all the same,
 * and arrives as if from nobody. */
static void record_without_data(struct recap_arena *arena, struct recap_value *list,
                                uint64_t pending, uint64_t queued)
{
    for (int i = 0; i < LINUX_SIGNALS; i++) {
        uint64_t bit = UINT64_C(1) << i;
        siginfo_t info;
        if (!(pending & bit) || (queued & bit))
            continue;
        memset(&info, 0, sizeof info);
        info.si_signo = i + 1;
        info.si_code = SI_USER;
        record_signal(arena, list, &info);
    }
}

int linux_pending_record(const struct linux_reading *reading, bool shared,
                         struct recap_value *state, struct recap_error *error)
{
    const char *field = linux_procfs_field(reading->status, shared ? "ShdPnd" : "SigPnd");
    uint64_t pending = field ? strtoull(field, NULL, 16) : 0;
    if (!pending)
        return 0;
    pid_t tid = reading->pd->threads[reading->thread].tid;
    struct recap_value *list =
        recap_put_list(reading->arena, state, shared ? "pending_signals" : "pending");
    uint64_t queued = 0;
    siginfo_t infos[16];
    struct __ptrace_peeksiginfo_args from = {
        .off = 0, .flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0, .nr = 16};
    for (;;) {
        long got = ptrace(PTRACE_PEEKSIGINFO, tid, &from, infos);
        if (got < 0)
            return recap_fail(error, -errno, "reading the pending signals of thread %d", tid);
        if (got == 0)
            break;
        /* The kernel counts from the first one on for each: many take long. */
        if (!linux_stop_wanted(reading->pd))
            return recap_refuse(error, RECAP_FAILED, -EINTR,
                                "interrupted while reading the pending signals of thread %d", tid);
        for (long i = 0; i < got; i++) {
            queued |= UINT64_C(1) << (infos[i].si_signo - 1);
            record_signal(reading->arena, list, &infos[i]);
        }
        from.off += (uint64_t)got;
    }
    record_without_data(reading->arena, list, pending, queued);
    return 0;
}
