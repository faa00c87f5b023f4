/* limits.c: resource limits, and timers of all sorts. */
#include "newer.h"
#include "states.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* {resource, soft, hard} */
static int set_limit(struct held *held)
{
    const long *n = held->state->numbers;
    const struct rlimit limit = {(rlim_t)n[1], (rlim_t)n[2]};
    return setrlimit((__rlimit_resource_t)n[0], &limit);
}

static void read_limit(struct held *held, char text[STATE_TEXT])
{
    struct rlimit limit;
    bool answered = getrlimit((__rlimit_resource_t)held->state->numbers[0], &limit) == 0;
    state_say(text, answered, "%lu of %lu", limit.rlim_cur, limit.rlim_max);
}

/* {which, seconds}: far away, so that what is left differs by less than is shown. */
static int set_interval(struct held *held)
{
    const long *n = held->state->numbers;
    const struct itimerval value = {.it_value = {n[1] * 100000 + 50000, 0},
                                    .it_interval = {n[1], 0}};
    return setitimer((__itimer_which_t)n[0], &value, NULL);
}

static void read_interval(struct held *held, char text[STATE_TEXT])
{
    struct itimerval value;
    bool answered = getitimer((__itimer_which_t)held->state->numbers[0], &value) == 0;
    state_say(text, answered, "every %ld s, about %ld s left", value.it_interval.tv_sec,
              value.it_value.tv_sec / 100000 * 100000);
}

/* {clock, how to notify, seconds} */
static int set_timer(struct held *held)
{
    const long *n = held->state->numbers;
    timer_t timer;
    struct sigevent event = {
        .sigev_notify = (int)n[1], .sigev_signo = SIGUSR2, .sigev_value.sival_int = 47};
    const struct itimerspec value = {.it_value = {n[2] * 100000 + 50000, 0},
                                     .it_interval = {n[2], 0}};
    if (n[1] == SIGEV_THREAD_ID)
        event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
    /* Not the library's, which keeps a part of the state to itself. */
    int id = -1;
    if (syscall(SYS_timer_create, n[0], &event, &id) != 0)
        return -1;
    timer = (timer_t)(long)id;
    held->number = id;
    return (int)syscall(SYS_timer_settime, timer, 0, &value, NULL);
}

static void read_timer(struct held *held, char text[STATE_TEXT])
{
    struct itimerspec value;
    if (!*held->ordinary) {
        state_say(text, true, "none");
        return;
    }
    bool answered = syscall(SYS_timer_gettime, held->number, &value) == 0;
    state_say(text, answered, "timer %ld: every %ld s, about %ld s left", held->number,
              value.it_interval.tv_sec, value.it_value.tv_sec / 100000 * 100000);
}

#define LIMIT(resource, soft, hard)                                                                \
    .name = #resource, .set = set_limit, .read = read_limit, .numbers = {(resource), (soft), (hard)}
#define TIMER(clock, notify, seconds)                                                              \
    .set = set_timer, .read = read_timer, .numbers = {(clock), (notify), (seconds)}

static const struct state states[] = {
    {LIMIT(RLIMIT_CPU, 100000, 200000)},
    {LIMIT(RLIMIT_FSIZE, 1l << 40, 1l << 41)},
    {LIMIT(RLIMIT_DATA, 1l << 42, 1l << 43)},
    {LIMIT(RLIMIT_STACK, 4l << 20, 1l << 30)},
    {LIMIT(RLIMIT_CORE, 4096, 8192)},
    {LIMIT(RLIMIT_RSS, 1l << 40, 1l << 41)},
    {LIMIT(RLIMIT_NPROC, 500, 600)},
    {LIMIT(RLIMIT_NOFILE, 300, 400), .claims = "RLIMIT_NOFILE RLIMIT_OFILE"},
    {LIMIT(RLIMIT_MEMLOCK, 65536, 131072)},
    {LIMIT(RLIMIT_AS, 1l << 44, 1l << 45)},
    {LIMIT(RLIMIT_LOCKS, 100, 200)},
    {LIMIT(RLIMIT_SIGPENDING, 100, 200)},
    {LIMIT(RLIMIT_MSGQUEUE, 1000, 2000)},
    {LIMIT(RLIMIT_NICE, 3, 5)},
    {LIMIT(RLIMIT_RTPRIO, 3, 5)},
    {LIMIT(RLIMIT_RTTIME, 1000000000, 2000000000)},
    {.name = "ITIMER_REAL",
     .claims = "ITIMER_REAL __NR_setitimer __NR_alarm",
     .set = set_interval,
     .read = read_interval,
     .numbers = {ITIMER_REAL, 3}},
    {.name = "ITIMER_VIRTUAL",
     .set = set_interval,
     .read = read_interval,
     .numbers = {ITIMER_VIRTUAL, 5}},
    {.name = "ITIMER_PROF",
     .set = set_interval,
     .read = read_interval,
     .numbers = {ITIMER_PROF, 7}},
    {.name = "timer on CLOCK_MONOTONIC",
     .claims = "CLOCK_MONOTONIC __NR_timer_create __NR_timer_settime self:timers",
     TIMER(CLOCK_MONOTONIC, SIGEV_NONE, 3)},
    {.name = "timer on CLOCK_REALTIME",
     .claims = "CLOCK_REALTIME",
     TIMER(CLOCK_REALTIME, SIGEV_SIGNAL, 4)},
    {.name = "timer on CLOCK_BOOTTIME",
     .claims = "CLOCK_BOOTTIME",
     TIMER(CLOCK_BOOTTIME, SIGEV_THREAD_ID, 5)},
    {.name = "timer on CLOCK_TAI", .claims = "CLOCK_TAI", TIMER(CLOCK_TAI, SIGEV_SIGNAL, 6)},
    {.name = "timer on CLOCK_PROCESS_CPUTIME_ID",
     .claims = "CLOCK_PROCESS_CPUTIME_ID",
     TIMER(CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 7)},
    {.name = "timer on CLOCK_THREAD_CPUTIME_ID",
     .claims = "CLOCK_THREAD_CPUTIME_ID",
     TIMER(CLOCK_THREAD_CPUTIME_ID, SIGEV_SIGNAL, 8)},
    /* The complement of thread 0, who asks, before three bits: a time of the scheduler, of a
       thread. */
    {.name = "timer on a thread's clock, as the C library asks for it", TIMER(-2, SIGEV_SIGNAL, 8)},
    {.name = "timer on CLOCK_REALTIME_ALARM",
     .claims = "CLOCK_REALTIME_ALARM",
     TIMER(CLOCK_REALTIME_ALARM, SIGEV_SIGNAL, 9),
     .may_lack = "a clock that wakes the machine"},
    {.name = "timer on CLOCK_BOOTTIME_ALARM",
     .claims = "CLOCK_BOOTTIME_ALARM",
     TIMER(CLOCK_BOOTTIME_ALARM, SIGEV_SIGNAL, 9),
     .may_lack = "a clock that wakes the machine"},
};

STATE_FAMILY(limits_family, "limits", states);
