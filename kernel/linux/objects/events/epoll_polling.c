/* epoll_polling.c: how an epoll set polls network devices itself instead of waiting for them. */
#include "kernel/linux/objects/events/epoll_polling.h"
#include "kernel/linux/badges/badges.h"

#include "kernel/linux/abi.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

int linux_epoll_polling_describe(struct linux_kernel *kernel, recap_badge badge,
                                 struct recap_arena *arena, struct recap_value *state,
                                 struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct epoll_params polling = {0};
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    /* A kernel that knows none of that has nothing to tell. */
    if (ioctl(fd, EPIOCGPARAMS, &polling) < 0 ||
        (!polling.busy_poll_usecs && !polling.busy_poll_budget && !polling.prefer_busy_poll))
        return 0;
    struct recap_value *record = recap_put_record(arena, state, "polling");
    recap_put_number(arena, record, "microseconds", polling.busy_poll_usecs);
    recap_put_number(arena, record, "budget", polling.busy_poll_budget);
    recap_put_number(arena, record, "preferred", polling.prefer_busy_poll);
    return 0;
}

int linux_epoll_polling_set(int fd, const struct recap_object *object, struct recap_error *error)
{
    const struct recap_value *record = recap_member(object->state, "polling");
    int64_t microseconds = recap_number_or(record, "microseconds", -1),
            budget = recap_number_or(record, "budget", -1),
            preferred = recap_number_or(record, "preferred", -1);
    if (!record)
        return 0;
    if (microseconds < 0 || microseconds > INT32_MAX || budget < 0 || budget > UINT16_MAX ||
        preferred < 0 || preferred > 1)
        return linux_state_damaged(object, "polling", error);
    struct epoll_params polling = {.busy_poll_usecs = (uint32_t)microseconds,
                                   .busy_poll_budget = (uint16_t)budget,
                                   .prefer_busy_poll = (uint8_t)preferred};
    return ioctl(fd, EPIOCSPARAMS, &polling) < 0
               ? recap_fail(error, -errno, "setting how an epoll set polls network devices")
               : 0;
}
