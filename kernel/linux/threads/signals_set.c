/* signals_set.c: setting signal dispositions, and queueing the signals that waited. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/threads/signals.h"
#include "kernel/linux/threads/threads.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

static int get_actions(const struct recap_value *state, struct linux_action *actions)
{
    memset(actions, 0, LINUX_SIGNALS * sizeof *actions);
    for (const struct recap_value *v = recap_items(state, "signal_actions"); v; v = v->next) {
        int64_t signal = recap_number_or(v, "signal", 0);
        if (signal < 1 || signal > LINUX_SIGNALS)
            return -EBADMSG;
        struct linux_action *action = &actions[signal - 1];
        if (recap_get_hex(v, "handler", &action->handler) < 0 ||
            recap_get_hex(v, "flags", &action->flags) < 0 ||
            recap_get_hex(v, "restorer", &action->restorer) < 0 ||
            recap_get_hex(v, "mask", &action->mask) < 0)
            return -EBADMSG;
    }
    return 0;
}

int linux_actions_set(struct linux_steps *steps, const struct recap_value *want,
                      const struct recap_value *have, struct recap_error *error)
{
    struct linux_action wanted[LINUX_SIGNALS], present[LINUX_SIGNALS];
    if (get_actions(want, wanted) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "a signal action is malformed");
    if (get_actions(have, present) < 0)
        return recap_fail(error, -EBADMSG, "reading the signal actions of the new process");
    for (int i = 0; i < LINUX_SIGNALS; i++) {
        if (memcmp(&wanted[i], &present[i], sizeof wanted[i]) == 0)
            continue;
        uint64_t at = linux_batch_put(linux_steps_batch(steps), &wanted[i], sizeof wanted[i]);
        linux_step(steps, "setting a signal action", SYS_rt_sigaction, i + 1, at, 0,
                   sizeof(uint64_t));
    }
    return 0;
}

int linux_pending_set(struct linux_steps *steps, const struct linux_pd *pd, size_t thread,
                      bool shared, const struct recap_value *want, struct recap_error *error)
{
    const char *name = shared ? "pending_signals" : "pending";
    for (const struct recap_value *v = recap_items(want, name); v; v = v->next) {
        const void *data;
        size_t length;
        siginfo_t info;
        if (recap_get_bytes(v, "info", &data, &length) < 0 || length != sizeof info)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "a pending signal is malformed");
        memcpy(&info, data, sizeof info);
        if (info.si_signo < 1 || info.si_signo > LINUX_SIGNALS)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "there is no signal %d",
                                info.si_signo);
        uint64_t at = linux_batch_put(linux_steps_batch(steps), &info, sizeof info);
        if (shared)
            linux_step(steps, "queueing a pending signal", SYS_rt_sigqueueinfo, pd->vpid,
                       info.si_signo, at);
        else
            linux_step(steps, "queueing a pending signal", SYS_rt_tgsigqueueinfo, pd->vpid,
                       pd->threads[thread].vtid, info.si_signo, at);
    }
    return 0;
}
