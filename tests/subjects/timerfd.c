/* timerfd.c: timers keep the time that they had left, their expirations and their clocks. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static int start(int clock, int flags, int settime, long seconds, long nanoseconds, long period)
{
    int fd = timerfd_create(clock, flags);
    subject_need(fd >= 0, "timerfd_create: %m");
    struct itimerspec when = {.it_value = {seconds, nanoseconds}, .it_interval = {period, 0}};
    subject_need(timerfd_settime(fd, settime, &when, NULL) == 0, "timerfd_settime: %m");
    return fd;
}

int main(void)
{
    int relative = start(CLOCK_MONOTONIC, 0, 0, 1000, 0, 7);
    int absolute = start(CLOCK_REALTIME, TFD_NONBLOCK, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                         4102444800, 5, 0);
    int expired = start(CLOCK_MONOTONIC, TFD_NONBLOCK, 0, 0, 1, 0);
    int idle = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK);
    int fast = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec often = {{0, 5000000}, {0, 5000000}}, left;
    subject_need(timerfd_settime(fast, 0, &often, NULL) == 0, "timerfd_settime: %m");
    uint64_t ticks;
    usleep(30000);
    struct timespec before, now;
    clock_gettime(CLOCK_REALTIME, &before);

    subject_ready();
    subject_wait_go();

    subject_check(timerfd_gettime(relative, &left) == 0 && left.it_interval.tv_sec == 7,
                  "the period is lost");
    subject_check(left.it_value.tv_sec <= 999 && left.it_value.tv_sec > 900,
                  "the relative timer has %ld s left", (long)left.it_value.tv_sec);
    clock_gettime(CLOCK_REALTIME, &now);
    subject_check(timerfd_gettime(absolute, &left) == 0, "timerfd_gettime: %m");
    long long expires = (long long)(now.tv_sec + left.it_value.tv_sec) * 1000000000 + now.tv_nsec +
                        left.it_value.tv_nsec - 4102444800000000005;
    subject_check(expires > -1000000 && expires < 1000000, "the absolute timer is off by %lld ns",
                  expires);
    subject_check(read(expired, &ticks, sizeof ticks) == sizeof ticks && ticks == 1,
                  "the expiration is lost");
    subject_check(read(idle, &ticks, sizeof ticks) < 0 && errno == EAGAIN, "the idle timer runs");
    subject_check(read(fast, &ticks, sizeof ticks) == sizeof ticks && ticks >= 5,
                  "the periodic timer lost its expirations");
    usleep(20000);
    subject_check(read(fast, &ticks, sizeof ticks) == sizeof ticks, "the periodic timer stands");
    return subject_done();
}
