/* limits.c: resource limits.
 *
 * Read and set from inside: from outside the kernel asks for the same user or CAP_SYS_RESOURCE.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[] = {
    [RLIMIT_CPU] = "cpu_seconds",
    [RLIMIT_FSIZE] = "file_size",
    [RLIMIT_DATA] = "data",
    [RLIMIT_STACK] = "stack",
    [RLIMIT_CORE] = "core",
    [RLIMIT_RSS] = "resident",
    [RLIMIT_NPROC] = "processes",
    [RLIMIT_NOFILE] = "selectors",
    [RLIMIT_MEMLOCK] = "locked_memory",
    [RLIMIT_AS] = "address_space",
    [RLIMIT_LOCKS] = "locks",
    [RLIMIT_SIGPENDING] = "pending_signals",
    [RLIMIT_MSGQUEUE] = "message_queues",
    [RLIMIT_NICE] = "nice",
    [RLIMIT_RTPRIO] = "realtime_priority",
    [RLIMIT_RTTIME] = "realtime_microseconds",
};

enum { LIMIT_COUNT = sizeof names / sizeof names[0] };

void linux_limits_ask(const struct linux_reading *reading, struct linux_limits *asked)
{
    asked->limits = linux_batch_put(reading->batch, NULL, LIMIT_COUNT * sizeof(struct rlimit));
    for (int i = 0; i < LIMIT_COUNT; i++) {
        size_t call = linux_batch_call(reading->batch, SYS_prlimit64, 0, i, 0,
                                       asked->limits + (size_t)i * sizeof(struct rlimit));
        if (i == 0)
            asked->first_call = call;
    }
}

int linux_limits_record(const struct linux_reading *reading, const struct linux_limits *asked,
                        struct recap_value *state, struct recap_error *error)
{
    struct recap_value *limits = recap_put_record(reading->arena, state, "limits");
    const struct rlimit *read = linux_batch_data(reading->batch, asked->limits);
    for (size_t i = 0; i < LIMIT_COUNT; i++) {
        int result =
            linux_batch_check(reading->batch, asked->first_call + i, "reading a limit", error);
        if (result < 0)
            return result;
        struct recap_value *pair = recap_put_record(reading->arena, limits, names[i]);
        recap_put_hex(reading->arena, pair, "soft", read[i].rlim_cur);
        recap_put_hex(reading->arena, pair, "hard", read[i].rlim_max);
    }
    return 0;
}

static int get_limit(const struct recap_value *limits, const char *name, struct rlimit *limit)
{
    const struct recap_value *pair = recap_member(limits, name);
    uint64_t soft, hard;
    if (recap_get_hex(pair, "soft", &soft) < 0 || recap_get_hex(pair, "hard", &hard) < 0 ||
        soft > hard)
        return -EINVAL;
    *limit = (struct rlimit){.rlim_cur = soft, .rlim_max = hard};
    return 0;
}

static int refuse_raise(const char *name, const struct rlimit *want, const struct rlimit *have,
                        struct recap_error *error)
{
    recap_refuse(error, RECAP_FAILED, -EPERM,
                 "the component's limit %s is %llu (hard), above the %llu that the caller may give",
                 name, (unsigned long long)want->rlim_max, (unsigned long long)have->rlim_max);
    return recap_error_remedy(error, "raise the caller's hard limit (ulimit -H) or restore as root "
                                     "(with CAP_SYS_RESOURCE)");
}

/* Tried with our own: a capability in a user namespace, as an ordinary user's restore has, is not
 * enough, and nothing tells but the kernel's answer. */
static bool may_raise(int resource, rlim_t hard)
{
    struct rlimit own, raised;
    if (getrlimit((__rlimit_resource_t)resource, &own) < 0)
        return false;
    raised = (struct rlimit){own.rlim_cur, hard};
    return hard <= own.rlim_max || (setrlimit((__rlimit_resource_t)resource, &raised) == 0 &&
                                    setrlimit((__rlimit_resource_t)resource, &own) == 0);
}

int linux_limits_set(struct linux_steps *steps, const struct recap_value *want,
                     const struct recap_value *have, struct recap_error *error)
{
    const struct recap_value *wanted = recap_member(want, "limits");
    const struct recap_value *present = recap_member(have, "limits");
    for (int i = 0; i < LIMIT_COUNT; i++) {
        struct rlimit limit, now;
        if (get_limit(wanted, names[i], &limit) < 0)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the limit %s is not a limit",
                                names[i]);
        if (get_limit(present, names[i], &now) < 0)
            return recap_fail(error, -EBADMSG, "reading the limits of the new process");
        if (memcmp(&limit, &now, sizeof now) == 0)
            continue;
        if (limit.rlim_max > now.rlim_max && !may_raise(i, limit.rlim_max))
            return refuse_raise(names[i], &limit, &now, error);
        uint64_t at = linux_batch_put(linux_steps_batch(steps), &limit, sizeof limit);
        linux_step(steps, "setting a limit", SYS_prlimit64, 0, i, at, 0);
    }
    return 0;
}
