/* timerfd.c: timers.
 *
 * A timer is armed in tie(), the last moment before its PD runs, so that a relative one keeps the
 * time that it had left. An absolute one keeps the moment at which it expires. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/clocks.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/stopped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* <linux/timerfd.h> has it, but cannot be included beside <sys/timerfd.h>. */
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

enum { NANOSECONDS = 1000000000 };

struct timer {
    uint64_t ticks;
    uint64_t settime; /* TFD_TIMER_* of the last timerfd_settime */
    int64_t value;    /* until it expires; 0: not armed */
    int64_t interval;
};

static bool recognise(const struct linux_description *description)
{
    return strcmp(description->link, "anon_inode:[timerfd]") == 0;
}

static bool nanoseconds(const char *fdinfo, const char *name, int64_t *result)
{
    int64_t seconds, rest;
    return linux_fdinfo_pair(fdinfo, name, &seconds, &rest) && seconds >= 0 && rest >= 0 &&
           !__builtin_mul_overflow(seconds, (int64_t)NANOSECONDS, result) &&
           !__builtin_add_overflow(*result, rest, result);
}

static bool parse(const char *fdinfo, struct timer *timer)
{
    return linux_fdinfo_number(fdinfo, "ticks", 10, &timer->ticks) &&
           linux_fdinfo_number(fdinfo, "settime flags", 8, &timer->settime) &&
           nanoseconds(fdinfo, "it_value", &timer->value) &&
           nanoseconds(fdinfo, "it_interval", &timer->interval);
}

/* A periodic timer that expired unread stands still until someone asks: asking has the kernel
 * count the periods since and start it again, which its reader cannot tell from never having
 * stopped. */
static int catch_up(int fd, struct timer *timer, struct recap_error *error)
{
    struct itimerspec now;
    char path[64], text[512];
    if (timerfd_gettime(fd, &now) < 0)
        return recap_fail(error, -errno, "reading a timer");
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    ssize_t length = linux_procfs_read_into(AT_FDCWD, path, text, sizeof text);
    if (length < 0)
        return recap_fail(error, (int)length, "reading the state of a timer");
    return parse(text, timer) ? 0 : recap_fail(error, -EPROTO, "reading the state of a timer");
}

/* The moment at which an absolute timer expires: its clock and what is left of it, read together.
 */
static int absolute_value(int fd, clockid_t clock, int64_t ahead, struct timer *timer,
                          struct recap_error *error)
{
    struct itimerspec left;
    struct timespec now;
    if (clock_gettime(clock, &now) < 0 || timerfd_gettime(fd, &left) < 0)
        return recap_fail(error, -errno, "reading a timer");
    int64_t seconds = now.tv_sec + left.it_value.tv_sec;
    timer->value = seconds * NANOSECONDS + now.tv_nsec + left.it_value.tv_nsec + ahead;
    return 0;
}

static int clock_ahead(pid_t pid, clockid_t clock, int64_t *ahead)
{
    char path[32];
    *ahead = 0;
    if (!pid)
        return 0;
    snprintf(path, sizeof path, "/proc/%d", pid);
    __attribute__((cleanup(linux_close_descriptor))) int proc =
        open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return proc < 0 ? -errno : linux_clock_ahead(proc, clock, ahead);
}

static int refine(struct linux_kernel *kernel, recap_badge badge, clockid_t clock,
                  struct timer *timer, struct recap_error *error)
{
    struct linux_home home;
    bool expired = timer->interval && !timer->value && timer->ticks;
    bool absolute = timer->value && (timer->settime & TFD_TIMER_ABSTIME);
    if ((!expired && !absolute) || linux_badge_home(kernel, badge, &home) < 0)
        return 0;
    int stopped = linux_home_is_stopped(home, error);
    if (stopped <= 0)
        return stopped;
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result == 0 && expired)
        result = catch_up(fd, timer, error);
    if (result < 0 || !timer->value || !(timer->settime & TFD_TIMER_ABSTIME))
        return result;
    int64_t ahead;
    result = clock_ahead(home.pid, clock, &ahead);
    if (result < 0)
        return recap_fail(error, result, "reading the clocks of process %d", home.pid);
    return absolute_value(fd, clock, ahead, timer, error);
}

static const char *clock_name(uint64_t clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
        return "timer on the real-time clock";
    case CLOCK_MONOTONIC:
        return "timer on the monotonic clock";
    case CLOCK_BOOTTIME:
        return "timer on the boot-time clock";
    case CLOCK_REALTIME_ALARM:
        return "alarm timer on the real-time clock";
    case CLOCK_BOOTTIME_ALARM:
        return "alarm timer on the boot-time clock";
    default:
        return "timer";
    }
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    struct timer timer;
    uint64_t clock;
    if (!linux_fdinfo_number(description->fdinfo, "clockid", 10, &clock) ||
        !parse(description->fdinfo, &timer))
        return recap_fail(error, -EPROTO, "the kernel does not tell the state of the timer");
    struct recap_value *state = recap_record(arena);
    int result = linux_status_flags_describe(description, arena, state, error);
    if (result == 0)
        result = refine(kernel, badge, (clockid_t)clock, &timer, error);
    if (result < 0)
        return result;
    recap_put_number(arena, state, "clock", (int64_t)clock);
    if (timer.value || timer.interval || timer.ticks || timer.settime) {
        struct recap_value *ties = recap_put_record(arena, state, "ties");
        recap_put_hex(arena, ties, "settime", timer.settime);
        recap_put_number(arena, ties, "value", timer.value);
        recap_put_number(arena, ties, "interval", timer.interval);
        recap_put_hex(arena, ties, "ticks", timer.ticks);
    }
    object->state = state;
    object->label = clock_name(clock);
    return 0;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    int64_t clock;
    if (recap_get_number(object->state, "clock", &clock) < 0 || clock < 0 || clock > INT32_MAX)
        return linux_state_damaged(object, "clock", error);
    int fd = timerfd_create((int)clock, TFD_CLOEXEC);
    if (fd < 0)
        return recap_fail(error, -errno, "creating a %s", clock_name((uint64_t)clock));
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int tie(struct linux_pd *pd, const struct recap_creation *creation,
               const struct recap_object *object, struct recap_error *error)
{
    const struct recap_value *ties = recap_member(object->state, "ties");
    uint64_t settime, ticks;
    int64_t value, interval;
    if (recap_get_hex(ties, "settime", &settime) < 0 || settime > INT32_MAX ||
        recap_get_hex(ties, "ticks", &ticks) < 0 || recap_get_number(ties, "value", &value) < 0 ||
        value < 0 || recap_get_number(ties, "interval", &interval) < 0 || interval < 0)
        return linux_state_damaged(object, "ties", error);
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(pd->kernel, creation->badges[object->id], &fd, error);
    if (result < 0)
        return result;
    const struct itimerspec armed = {
        .it_value = {value / NANOSECONDS, value % NANOSECONDS},
        .it_interval = {interval / NANOSECONDS, interval % NANOSECONDS},
    };
    if (timerfd_settime(fd, (int)settime, &armed, NULL) < 0)
        return recap_fail(error, -errno, "arming a timer");
    if (ticks && ioctl(fd, TFD_IOC_SET_TICKS, &ticks) < 0)
        return recap_fail(error, -errno, "setting the expirations of a timer");
    return 0;
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    uint64_t clock = 0;
    linux_fdinfo_number(description->fdinfo, "clockid", 10, &clock);
    if ((int64_t)clock != recap_number_or(object->state, "clock", -1))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is a %s", clock_name(clock));
    return 0;
}

const struct linux_kind linux_kind_timerfd = {
    .name = "timerfd",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .tie = tie,
    .compare = compare,
};
