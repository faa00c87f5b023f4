/* clocks.c: the clocks that count since the machine was started, and what is armed on them: they go
 * on, and nothing comes early, late or never. */
#include "subject.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

/* A checkpoint and a restore, on a busy machine, take less. In milliseconds. */
enum { GAP = 60000, SOON = 3000, LATE = 2000 };

static const struct {
    clockid_t clock;
    const char *name;
} clocks[] = {{CLOCK_MONOTONIC, "monotonic"},
              {CLOCK_BOOTTIME, "boot-time"},
              {CLOCK_MONOTONIC_COARSE, "coarse monotonic"}};

enum { CLOCKS = sizeof clocks / sizeof *clocks };

static int64_t now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * INT64_C(1000) + time.tv_nsec / 1000000;
}

static struct timespec at(int64_t ms)
{
    return (struct timespec){ms / 1000, ms % 1000 * 1000000};
}

struct sleeper {
    pthread_t thread;
    int64_t until, woke;
};

static void *sleep_until(void *argument)
{
    struct sleeper *sleeper = argument;
    struct timespec until = at(sleeper->until);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
        ;
    sleeper->woke = now(CLOCK_MONOTONIC);
    return NULL;
}

static int timer_at(clockid_t clock, int64_t ms, int flags)
{
    int fd = timerfd_create(clock, TFD_CLOEXEC);
    struct itimerspec when = {.it_value = at(ms)};
    subject_need(fd >= 0 && timerfd_settime(fd, flags, &when, NULL) == 0, "timerfd: %m");
    return fd;
}

/* Waits for a timer; when it expired, to the accuracy of whoever waits. */
static int64_t expiry(int fd, clockid_t clock, int64_t limit)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    uint64_t ticks = 0;
    int64_t left = limit - now(CLOCK_MONOTONIC);
    if (poll(&one, 1, left > 0 ? (int)left : 0) != 1 || read(fd, &ticks, sizeof ticks) < 0)
        return -1;
    return now(clock);
}

static void check_time(const char *what, int64_t wanted, int64_t came, int64_t looked)
{
    int64_t latest = (wanted > looked ? wanted : looked) + LATE;
    subject_check(came >= wanted, "%s came %lld ms early", what, (long long)(wanted - came));
    subject_check(came <= latest, "%s came %lld ms late", what, (long long)(came - latest));
}

int main(void)
{
    int64_t before[CLOCKS], start = now(CLOCK_MONOTONIC), boot = now(CLOCK_BOOTTIME);
    struct sleeper sleeper = {.until = start + SOON};
    int absolute = timer_at(CLOCK_MONOTONIC, start + SOON, TFD_TIMER_ABSTIME),
        boot_time = timer_at(CLOCK_BOOTTIME, boot + SOON, TFD_TIMER_ABSTIME),
        far = timer_at(CLOCK_MONOTONIC, start + 1000 * INT64_C(1000), TFD_TIMER_ABSTIME),
        relative = timer_at(CLOCK_MONOTONIC, SOON, 0);
    timer_t timer;
    struct sigevent quiet = {.sigev_notify = SIGEV_NONE};
    struct itimerspec when = {.it_value = at(start + 1000 * INT64_C(1000))}, left;
    subject_need(timer_create(CLOCK_MONOTONIC, &quiet, &timer) == 0 &&
                     timer_settime(timer, TIMER_ABSTIME, &when, NULL) == 0,
                 "timer: %m");
    subject_need(pthread_create(&sleeper.thread, NULL, sleep_until, &sleeper) == 0, "thread: %m");
    for (size_t i = 0; i < CLOCKS; i++)
        before[i] = now(clocks[i].clock);

    subject_ready();
    subject_wait_go();

    int64_t looked = now(CLOCK_MONOTONIC), limit = looked + SOON + LATE;
    for (size_t i = 0; i < CLOCKS; i++) {
        int64_t passed = now(clocks[i].clock) - before[i];
        subject_check(passed >= 0 && passed < GAP, "the %s clock went on by %lld ms",
                      clocks[i].name, (long long)passed);
    }
    timerfd_gettime(far, &left);
    int64_t far_left = left.it_value.tv_sec * INT64_C(1000) + left.it_value.tv_nsec / 1000000,
            far_wanted = start + 1000 * INT64_C(1000) - now(CLOCK_MONOTONIC);
    subject_check(llabs(far_left - far_wanted) < 100, "a timer has %lld ms left instead of %lld",
                  (long long)far_left, (long long)far_wanted);
    timer_gettime(timer, &left);
    far_left = left.it_value.tv_sec * INT64_C(1000) + left.it_value.tv_nsec / 1000000;
    subject_check(far_left >= far_wanted - 100 && far_left < far_wanted + GAP,
                  "a POSIX timer has %lld ms left instead of %lld", (long long)far_left,
                  (long long)far_wanted);
    check_time("an absolute timer", start + SOON, expiry(absolute, CLOCK_MONOTONIC, limit), looked);
    check_time("a timer on the boot-time clock", boot + SOON,
               expiry(boot_time, CLOCK_BOOTTIME, limit), looked - start + boot);
    check_time("a relative timer", start + SOON, expiry(relative, CLOCK_MONOTONIC, limit + GAP),
               looked + SOON);
    pthread_join(sleeper.thread, NULL);
    check_time("a sleeper", start + SOON, sleeper.woke, looked);
    return subject_done();
}
