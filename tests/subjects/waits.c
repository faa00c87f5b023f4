/* waits.c: 64 threads with names, masks, stacks and processors of their own, each waiting in one of
 * many calls. None may wake early, none may be lost, and time that had passed before the checkpoint
 * is not waited for again.
 *
 * How long the image lay about is not known to the subject, and counts for deadlines but not for
 * what is left of a timeout. So lateness is judged by what the thread's clock says it slept in all,
 * less the gaps that a spinning thread saw in that clock.
 */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 64, STACK = 64 * 1024 };
#define MS INT64_C(1000000)
/* Long enough to be waiting still when the checkpoint comes, short enough for a test. */
#define TIMEOUT (2500 * MS)
/* A restored timeout may be late by scheduling, by rounding, and by this much of bookkeeping. */
#define SLACK (400 * MS)

/* Longer than a scheduler makes a thread wait here. */
#define GAP (20 * MS)

struct waiter {
    pthread_t thread;
    int number;
    pid_t tid;
    int64_t began, ended;
    int result, error;
    char *stack;
    atomic_bool entered, done;
};

static struct waiter waiters[THREADS];
static int silent[2], waking[2], epoll;
static sem_t never, posted;
static atomic_int word;
static atomic_bool finish;
static _Atomic int64_t gap;
static atomic_int gaps;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 * MS + time.tv_nsec;
}

static struct timespec spec(int64_t ns)
{
    return (struct timespec){ns / (1000 * MS), ns % (1000 * MS)};
}

/* Notices how long nothing of the process ran. */
static void *watch_clock(void *unused)
{
    (void)unused;
    int64_t last = now();
    while (!finish) {
        sched_yield();
        int64_t next = now();
        if (next - last > GAP) {
            gap += next - last;
            gaps++;
        }
        last = next;
    }
    return NULL;
}

static int wait_nanosleep(void)
{
    struct timespec time = spec(TIMEOUT), left;
    return (int)syscall(SYS_nanosleep, &time, &left);
}

static int wait_nanosleep_alone(void)
{
    struct timespec time = spec(TIMEOUT);
    return (int)syscall(SYS_nanosleep, &time, NULL);
}

static int wait_clock_nanosleep(void)
{
    struct timespec time = spec(TIMEOUT);
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static int wait_until(void)
{
    struct timespec time = spec(now() + TIMEOUT);
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static int wait_poll(void)
{
    struct pollfd fd = {.fd = silent[0], .events = POLLIN};
    return poll(&fd, 1, TIMEOUT / MS);
}

static int wait_ppoll(void)
{
    struct pollfd fd = {.fd = silent[0], .events = POLLIN};
    struct timespec time = spec(TIMEOUT);
    return ppoll(&fd, 1, &time, NULL);
}

static int wait_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(silent[0], &set);
    struct timeval time = {TIMEOUT / (1000 * MS), TIMEOUT / 1000 % 1000000};
    return select(silent[0] + 1, &set, NULL, NULL, &time);
}

static int wait_futex(void)
{
    struct timespec time = spec(TIMEOUT);
    int result = (int)syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);
    return result < 0 && errno == ETIMEDOUT ? 0 : -1;
}

static int wait_semaphore(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    int64_t until = time.tv_sec * 1000 * MS + time.tv_nsec + TIMEOUT;
    time = spec(until);
    return sem_timedwait(&never, &time) < 0 && errno == ETIMEDOUT ? 0 : -1;
}

static int wait_epoll(void)
{
    struct epoll_event event;
    return epoll_wait(epoll, &event, 1, TIMEOUT / MS);
}

static int wait_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    struct timespec time = spec(TIMEOUT);
    return sigtimedwait(&set, NULL, &time) < 0 && errno == EAGAIN ? 0 : -1;
}

static int wait_read(void)
{
    char byte;
    return read(waking[0], &byte, 1) == 1 ? 0 : -1;
}

static int wait_pause(void)
{
    return pause() < 0 && errno == EINTR ? 0 : -1;
}

static int wait_posted(void)
{
    return sem_wait(&posted);
}

/* Whether a wait that was interrupted may count from its beginning again. */
enum again { NEVER, LATER, ALWAYS };

static const struct {
    const char *name;
    int (*wait)(void);
    bool timed;    /* ends by itself after TIMEOUT */
    bool deadline; /* at a point in time: the time in the image counts */
    enum again again;
} kinds[] = {
    {"nanosleep", wait_nanosleep, true, false, NEVER},
    {"nanosleep-null", wait_nanosleep_alone, true, false, LATER},
    {"clock_nanosleep", wait_clock_nanosleep, true, false, LATER},
    {"until", wait_until, true, true, NEVER},
    {"poll", wait_poll, true, false, NEVER},
    {"ppoll", wait_ppoll, true, false, NEVER},
    {"select", wait_select, true, false, NEVER},
    {"futex", wait_futex, true, false, LATER},
    {"semaphore", wait_semaphore, true, true, NEVER},
    {"epoll", wait_epoll, true, false, NEVER},
    {"sigtimedwait", wait_signal, true, false, ALWAYS},
    {"read", wait_read, false, false, NEVER},
    {"pause", wait_pause, false, false, NEVER},
    {"posted", wait_posted, false, false, NEVER},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static void on_signal(int signal)
{
    (void)signal;
}

static int own_signal(const struct waiter *waiter)
{
    return SIGRTMIN + waiter->number % 20;
}

static void settle(struct waiter *waiter)
{
    char name[16];
    snprintf(name, sizeof name, "wait\n\\-%d", waiter->number);
    prctl(PR_SET_NAME, name);
    stack_t stack = {.ss_sp = waiter->stack, .ss_size = STACK};
    sigaltstack(&stack, NULL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, own_signal(waiter));
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    if (waiter->number % 3 == 0)
        sched_setaffinity(0, sizeof cpus, &cpus);
    prctl(PR_SET_TIMERSLACK, 1000 + waiter->number);
}

static void check_settled(const struct waiter *waiter)
{
    int n = waiter->number;
    char name[16], expected[16];
    snprintf(expected, sizeof expected, "wait\n\\-%d", n);
    prctl(PR_GET_NAME, name);
    subject_check(strcmp(name, expected) == 0, "thread %d is called %s", n, name);
    stack_t stack;
    sigaltstack(NULL, &stack);
    subject_check(stack.ss_sp == waiter->stack && stack.ss_size == STACK && stack.ss_flags == 0,
                  "thread %d lost its alternate stack", n);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (int signal = 1; signal < 64; signal++)
        subject_check(sigismember(&mask, signal) ==
                          (signal == own_signal(waiter) || signal == SIGUSR2),
                      "thread %d has another signal mask: signal %d", n, signal);
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    subject_check((n % 3 == 0) == (CPU_COUNT(&cpus) == 1) || sysconf(_SC_NPROCESSORS_ONLN) == 1,
                  "thread %d may run on %d processors", n, CPU_COUNT(&cpus));
    subject_check(prctl(PR_GET_TIMERSLACK) == 1000 + n, "thread %d has timer slack %d", n,
                  prctl(PR_GET_TIMERSLACK));
    subject_check(gettid() == waiter->tid, "thread %d was %d and is %d", n, waiter->tid, gettid());
}

static void *wait_once(void *argument)
{
    struct waiter *waiter = argument;
    settle(waiter);
    waiter->tid = gettid();
    waiter->began = now();
    waiter->entered = true;
    waiter->result = kinds[waiter->number % KINDS].wait();
    waiter->error = errno;
    waiter->ended = now();
    check_settled(waiter);
    waiter->done = true;
    return NULL;
}

static void check_time(const struct waiter *waiter)
{
    const char *name = kinds[waiter->number % KINDS].name;
    subject_check(waiter->result == 0, "%s of thread %d: result %d (%s)", name, waiter->number,
                  waiter->result, strerror(waiter->error));
    if (!kinds[waiter->number % KINDS].timed)
        return;
    int64_t took = waiter->ended - waiter->began;
    int64_t least = TIMEOUT, most = TIMEOUT + gap + SLACK;
    /* What looks like a gap may have been another process's turn. */
    if (!kinds[waiter->number % KINDS].deadline && gap > gaps * SLACK)
        least += gap - gaps * SLACK;
    /* A second interruption does not know what there was before the first. */
    if (kinds[waiter->number % KINDS].again == ALWAYS)
        most += gaps * TIMEOUT;
    if (kinds[waiter->number % KINDS].again == LATER && gaps > 1)
        most += (gaps - 1) * TIMEOUT;
    subject_check(took >= least, "%s of thread %d took only %lld ms of %lld (gap %lld)", name,
                  waiter->number, (long long)(took / MS), (long long)(least / MS),
                  (long long)(gap / MS));
    subject_check(took <= most, "%s of thread %d took %lld ms, more than %lld (gap %lld)", name,
                  waiter->number, (long long)(took / MS), (long long)(most / MS),
                  (long long)(gap / MS));
}

static void prepare(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct sigaction action = {.sa_handler = on_signal};
    subject_need(pipe(silent) == 0 && pipe(waking) == 0, "pipe: %m");
    epoll = epoll_create1(0);
    subject_need(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, silent[0], &event) == 0,
                 "epoll: %m");
    sem_init(&never, 0, 0);
    sem_init(&posted, 0, 0);
    sigaction(SIGUSR1, &action, NULL);
}

static void wake(struct waiter *waiter)
{
    int (*wait)(void) = kinds[waiter->number % KINDS].wait;
    if (wait == wait_read)
        subject_check(write(waking[1], "x", 1) == 1, "write: %m");
    else if (wait == wait_pause)
        pthread_kill(waiter->thread, SIGUSR1);
    else if (wait == wait_posted)
        sem_post(&posted);
}

int main(void)
{
    prepare();
    pthread_t watch;
    subject_need(pthread_create(&watch, NULL, watch_clock, NULL) == 0, "pthread_create");
    for (int i = 0; i < THREADS; i++) {
        waiters[i].number = i;
        waiters[i].stack = malloc(STACK);
        subject_need(pthread_create(&waiters[i].thread, NULL, wait_once, &waiters[i]) == 0,
                     "pthread_create");
    }
    for (int i = 0; i < THREADS; i++)
        while (!waiters[i].entered)
            sched_yield();
    usleep(1000000);
    subject_ready();
    subject_wait_go();
    for (int i = 0; i < THREADS; i++)
        subject_check(kinds[i % KINDS].timed || !waiters[i].done, "%s of thread %d ended by itself",
                      kinds[i % KINDS].name, i);
    for (int i = 0; i < THREADS; i++)
        wake(&waiters[i]);
    int64_t begin = now();
    for (int i = 0; i < THREADS; i++) {
        while (!waiters[i].done && now() - begin < 3 * TIMEOUT)
            usleep(1000);
        subject_check(waiters[i].done, "%s of thread %d does not end", kinds[i % KINDS].name, i);
    }
    finish = true;
    pthread_join(watch, NULL);
    for (int i = 0; i < THREADS; i++)
        if (waiters[i].done)
            check_time(&waiters[i]);
    return subject_done();
}
