/* limits.c: resource limits, read and set from outside. */
#include "kernel/linux/concerns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

int linux_limits_record(const struct linux_reading *reading, struct recap_value *state,
                        struct recap_error *error)
{
    struct recap_value *limits = recap_put_record(reading->arena, state, "limits");
    for (int i = 0; i < LIMIT_COUNT; i++) {
        struct rlimit limit;
        if (prlimit(reading->pd->pid, (__rlimit_resource_t)i, NULL, &limit) < 0)
            return recap_fail(error, -errno, "reading the limit %s", names[i]);
        struct recap_value *pair = recap_put_record(reading->arena, limits, names[i]);
        recap_put_hex(reading->arena, pair, "soft", limit.rlim_cur);
        recap_put_hex(reading->arena, pair, "hard", limit.rlim_max);
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

int linux_limits_set(struct linux_pd *pd, const struct recap_value *want,
                     const struct recap_value *have, struct recap_error *error)
{
    const struct recap_value *wanted = recap_member(want, "limits");
    const struct recap_value *present = recap_member(have, "limits");
    for (int i = 0; i < LIMIT_COUNT; i++) {
        struct rlimit limit, now;
        if (get_limit(wanted, names[i], &limit) < 0)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the limit %s is not a limit",
                                names[i]);
        if (get_limit(present, names[i], &now) == 0 && memcmp(&limit, &now, sizeof now) == 0)
            continue;
        if (prlimit(pd->pid, (__rlimit_resource_t)i, &limit, NULL) == 0)
            continue;
        int code = -errno;
        if (code != -EPERM)
            return recap_fail(error, code, "setting the limit %s", names[i]);
        recap_refuse(error, RECAP_FAILED, code,
                     "the component's limit %s is %llu (hard), above the %llu that the caller may "
                     "give",
                     names[i], (unsigned long long)limit.rlim_max,
                     (unsigned long long)now.rlim_max);
        return recap_error_remedy(error, "raise the caller's hard limit (ulimit -H) or restore as "
                                         "root");
    }
    return 0;
}
