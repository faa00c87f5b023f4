/* interrupted_clocks.c: of the system calls that the subject `interrupted` tries: sleeping, polling
 * and futexes.
 */
#include "interrupted.h"
#include "subject.h"

#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* --- sleeping and polling --------------------------------------------------------------------- */

static void build_nanosleep(struct attempt *attempt)
{
    long time = time_of(attempt, CLOCK_MONOTONIC);
    set(attempt, time, 0, 0, 0, 0, 0);
}

static void build_nanosleep_left(struct attempt *attempt)
{
    /* What is left would come where the time is. */
    long time = time_of(attempt, CLOCK_MONOTONIC);
    set(attempt, time, time, 0, 0, 0, 0);
}

static void build_clock(struct attempt *attempt, int clock)
{
    long time = time_of(attempt, clock);
    set(attempt, clock, attempt->span == UNTIL ? TIMER_ABSTIME : 0, time, 0, 0, 0);
}

#define CLOCK_BUILDER(name, clock)                                                                 \
    static void name(struct attempt *attempt)                                                      \
    {                                                                                              \
        build_clock(attempt, clock);                                                               \
    }
CLOCK_BUILDER(build_monotonic, CLOCK_MONOTONIC)
CLOCK_BUILDER(build_realtime, CLOCK_REALTIME)
CLOCK_BUILDER(build_boottime, CLOCK_BOOTTIME)
CLOCK_BUILDER(build_tai, CLOCK_TAI)
CLOCK_BUILDER(build_processor, CLOCK_PROCESS_CPUTIME_ID)

static long poll_set(struct attempt *attempt)
{
    build_pipe(attempt);
    return low_copy(&(struct pollfd){.fd = attempt->fds[0], .events = POLLIN},
                    sizeof(struct pollfd));
}

static void build_poll(struct attempt *attempt)
{
    set(attempt, poll_set(attempt), 1, milliseconds_of(attempt), 0, 0, 0);
}

static void build_ppoll(struct attempt *attempt)
{
    set(attempt, poll_set(attempt), 1, time_of(attempt, 0), 0, 8, 0);
}

static long descriptor_set(struct attempt *attempt)
{
    fd_set fds;
    build_pipe(attempt);
    FD_ZERO(&fds);
    FD_SET(attempt->fds[0], &fds);
    return low_copy(&fds, sizeof fds);
}

static void build_pselect(struct attempt *attempt)
{
    long fds = descriptor_set(attempt);
    set(attempt, attempt->fds[0] + 1, fds, 0, 0, time_of(attempt, 0), 0);
}

static void build_select(struct attempt *attempt)
{
    build_pselect(attempt);
    if (!attempt->arguments[4])
        return;
    /* A timeval in place of a timespec. */
    char *second = (char *)attempt->arguments[4] + (narrow(attempt) ? 4 : 8);
    int32_t fraction;
    memcpy(&fraction, second, sizeof fraction);
    fraction /= 1000;
    if (attempt->span != CONSTANT)
        memcpy(second, &fraction, sizeof fraction);
}

static long epoll_of(struct attempt *attempt, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    attempt->fds[2] = epoll_create1(EPOLL_CLOEXEC);
    subject_need(attempt->fds[2] >= 0 && epoll_ctl(attempt->fds[2], EPOLL_CTL_ADD, fd, &event) == 0,
                 "epoll: %m");
    return attempt->fds[2];
}

static void build_epoll(struct attempt *attempt)
{
    build_pipe(attempt);
    set(attempt, epoll_of(attempt, attempt->fds[0]), (long)low_memory(16), 1,
        milliseconds_of(attempt), 0, 8);
}

static void build_epoll_pwait2(struct attempt *attempt)
{
    build_epoll(attempt);
    attempt->arguments[3] = time_of(attempt, 0);
}

/* --- futexes ---------------------------------------------------------------------------------- */

static void build_word(struct attempt *attempt, int operation, int clock, uint32_t value)
{
    uint32_t *word = attempt->memory[0] = low_memory(sizeof *word);
    *word = value;
    set(attempt, (long)word, operation, value, time_of(attempt, clock), 0, -1);
}

static void build_futex(struct attempt *attempt)
{
    build_word(attempt, FUTEX_WAIT_PRIVATE, 0, 5);
}

static void build_futex_bitset(struct attempt *attempt)
{
    build_word(attempt, FUTEX_WAIT_BITSET_PRIVATE, CLOCK_MONOTONIC, 5);
}

static void build_futex_real(struct attempt *attempt)
{
    build_word(attempt, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, CLOCK_REALTIME, 5);
}

/* It may still be on its way back to its call. */
static void wake_futex(struct attempt *attempt)
{
    bool private = attempt->arguments[1] & FUTEX_PRIVATE_FLAG;
    while (!attempt->done && syscall(SYS_futex, attempt->memory[0],
                                     private ? FUTEX_WAKE_PRIVATE : FUTEX_WAKE, 1) == 0)
        usleep(1000);
}

/* A lock that the first thread holds. */
static void build_lock(struct attempt *attempt)
{
    build_word(attempt, FUTEX_LOCK_PI_PRIVATE, CLOCK_REALTIME, (uint32_t)getpid());
}

static void build_lock2(struct attempt *attempt)
{
    build_word(attempt, FUTEX_LOCK_PI2 | FUTEX_PRIVATE_FLAG, CLOCK_MONOTONIC, (uint32_t)getpid());
}

static void wake_lock(struct attempt *attempt)
{
    uint32_t *word = attempt->memory[0];
    subject_check((*word & FUTEX_TID_MASK) == (uint32_t)getpid(), "the lock reads %#x", *word);
    subject_check(syscall(SYS_futex, word, FUTEX_UNLOCK_PI_PRIVATE) == 0, "unlocking: %m");
}

static void check_lock(struct attempt *attempt)
{
    uint32_t *word = attempt->memory[0];
    if (attempt->result == 0)
        subject_check((*word & FUTEX_TID_MASK) == (uint32_t)attempt->tid, "the lock reads %#x",
                      *word);
}

static void build_requeue(struct attempt *attempt)
{
    build_word(attempt, FUTEX_WAIT_REQUEUE_PI_PRIVATE, CLOCK_MONOTONIC, 5);
    attempt->memory[1] = low_memory(sizeof(uint32_t));
    attempt->arguments[4] = (long)attempt->memory[1];
}

static void wake_requeue(struct attempt *attempt)
{
    while (!attempt->done && syscall(SYS_futex, attempt->memory[0], FUTEX_CMP_REQUEUE_PI_PRIVATE, 1,
                                     0L, attempt->memory[1], 5) == 0)
        usleep(1000);
}

/* Newer than the headers. */
enum { CALL_FUTEX_WAIT = 455, SIZED_32 = 2 };

static void build_waitv(struct attempt *attempt)
{
    uint32_t *word = attempt->memory[0] = low_memory(sizeof *word);
    struct futex_waitv waiter = {.val = 0, .uaddr = (uintptr_t)word, .flags = SIZED_32};
    set(attempt, low_copy(&waiter, sizeof waiter), 1, 0, time_of(attempt, CLOCK_MONOTONIC),
        CLOCK_MONOTONIC, 0);
}

static void build_futex2(struct attempt *attempt)
{
    uint32_t *word = attempt->memory[0] = low_memory(sizeof *word);
    set(attempt, (long)word, 0, UINT32_MAX, SIZED_32, time_of(attempt, CLOCK_MONOTONIC),
        CLOCK_MONOTONIC);
}

static const struct call calls[] = {
    CALL("nanosleep", "nothing", 35, 162, RELATIVE | LONG | CONSTANT, build_nanosleep, NARROW),
    CALL("nanosleep", "the same for what is left", 35, 162, RELATIVE, build_nanosleep_left, NARROW),
    CALL("clock_nanosleep", "monotonic", 230, 267, RELATIVE | UNTIL | LONG, build_monotonic,
         NARROW),
    CALL("clock_nanosleep", "real time", 230, 267, RELATIVE | UNTIL, build_realtime, NARROW),
    CALL("clock_nanosleep", "since boot", 230, -1, RELATIVE | UNTIL, build_boottime),
    CALL("clock_nanosleep", "atomic time", 230, -1, UNTIL, build_tai),
    CALL("clock_nanosleep", "processor time", 230, 267, LONG, build_processor, NARROW),
    CALL("clock_nanosleep_time64", "monotonic", -1, 407, RELATIVE | UNTIL, build_monotonic),
    CALL("poll", "pipe", 7, 168, SPANS | LONG, build_poll, WOKEN_BY(wake_pipe, 1)),
    CALL("ppoll", "pipe", 271, 309, SPANS | LONG | CONSTANT, build_ppoll, WOKEN_BY(wake_pipe, 1),
         NARROW, .writes_time = true),
    CALL("ppoll_time64", "pipe", -1, 414, SPANS | CONSTANT, build_ppoll, WOKEN_BY(wake_pipe, 1),
         .writes_time = true),
    CALL("select", "pipe", 23, -1, SPANS, build_select, WOKEN_BY(wake_pipe, 1),
         .writes_time = true),
    CALL("_newselect", "pipe", -1, 142, SPANS, build_select, WOKEN_BY(wake_pipe, 1), NARROW,
         .writes_time = true),
    CALL("pselect6", "pipe", 270, 308, SPANS | CONSTANT, build_pselect, WOKEN_BY(wake_pipe, 1),
         NARROW, .writes_time = true),
    CALL("pselect6_time64", "pipe", -1, 413, SPANS, build_pselect, WOKEN_BY(wake_pipe, 1),
         .writes_time = true),
    CALL("epoll_wait", "pipe", 232, 256, SPANS | LONG, build_epoll, WOKEN_BY(wake_pipe, 1),
         .remembers = true),
    CALL("epoll_pwait", "pipe", 281, 319, SPANS, build_epoll, WOKEN_BY(wake_pipe, 1),
         .remembers = true),
    CALL("epoll_pwait2", "pipe", 441, 441, SPANS | LONG | CONSTANT, build_epoll_pwait2,
         WOKEN_BY(wake_pipe, 1)),
    CALL("futex", "word", 202, 240, SPANS | LONG | CONSTANT, build_futex, WOKEN_BY(wake_futex, 0),
         EXPIRED(-ETIMEDOUT), NARROW, RESTARTS),
    CALL("futex", "word, by bits", 202, 240, FOR_EVER | UNTIL, build_futex_bitset,
         WOKEN_BY(wake_futex, 0), EXPIRED(-ETIMEDOUT), NARROW),
    CALL("futex", "word, by bits, real time", 202, -1, UNTIL, build_futex_real,
         EXPIRED(-ETIMEDOUT)),
    CALL("futex", "lock", 202, 240, FOR_EVER | UNTIL, build_lock, WOKEN_BY(wake_lock, 0),
         EXPIRED(-ETIMEDOUT), NARROW, .check = check_lock, .persists = true),
    CALL("futex", "lock, monotonic", 202, -1, FOR_EVER | UNTIL, build_lock2, WOKEN_BY(wake_lock, 0),
         EXPIRED(-ETIMEDOUT), .check = check_lock, .persists = true),
    CALL("futex", "being requeued", 202, 240, FOR_EVER | UNTIL, build_requeue,
         WOKEN_BY(wake_requeue, 0), EXPIRED(-ETIMEDOUT), NARROW, .persists = true),
    CALL("futex_time64", "word", -1, 422, SPANS, build_futex, WOKEN_BY(wake_futex, 0),
         EXPIRED(-ETIMEDOUT), RESTARTS),
    CALL("futex_waitv", "words", 449, -1, FOR_EVER | UNTIL, build_waitv, WOKEN_BY(wake_futex, 0),
         EXPIRED(-ETIMEDOUT), RESTARTS),
    CALL("futex_wait", "word", CALL_FUTEX_WAIT, -1, FOR_EVER | UNTIL, build_futex2,
         WOKEN_BY(wake_futex, 0), EXPIRED(-ETIMEDOUT), RESTARTS),
};
const struct call_table interrupted_clocks = {calls, sizeof calls / sizeof calls[0]};
