/* timers.c: the three interval timers, and POSIX timers of every clock and way to notify. Their
 * ids, intervals and what was left come back; none fires early, none is lost. */
#include "subject.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)

/* The kernel's own ids, which the C library hides. */
typedef int kernel_timer;

static atomic_int ticks[4];
static atomic_int last_value;
static atomic_int thread_got;
static atomic_bool finish;
static pid_t second;

static int64_t ns(struct timespec time)
{
    return time.tv_sec * 1000 * MS + time.tv_nsec;
}

static struct itimerspec spec(int64_t left, int64_t every)
{
    return (struct itimerspec){.it_value = {left / (1000 * MS), left % (1000 * MS)},
                               .it_interval = {every / (1000 * MS), every % (1000 * MS)}};
}

static void tick(int signal, siginfo_t *info, void *context)
{
    (void)context;
    if (signal == SIGALRM)
        ticks[0]++;
    else if (signal == SIGVTALRM)
        ticks[1]++;
    else if (signal == SIGPROF)
        ticks[2]++;
    else if (signal == SIGRTMIN + 5) {
        ticks[3]++;
        last_value = info->si_value.sival_int;
    } else if (signal == SIGRTMIN + 6) {
        thread_got = (int)syscall(SYS_gettid);
    }
}

static void *wait_second(void *unused)
{
    (void)unused;
    second = gettid();
    while (!finish)
        usleep(1000);
    return NULL;
}

static kernel_timer make(clockid_t clock, int notify, int signal, int value, pid_t thread)
{
    struct sigevent event = {.sigev_notify = notify, .sigev_signo = signal};
    event.sigev_value.sival_int = value;
    event._sigev_un._tid = thread;
    kernel_timer timer;
    subject_need(syscall(SYS_timer_create, clock, &event, &timer) == 0, "timer_create: %m");
    return timer;
}

static void set(kernel_timer timer, int64_t left, int64_t every)
{
    struct itimerspec value = spec(left, every);
    subject_need(syscall(SYS_timer_settime, timer, 0, &value, NULL) == 0, "timer_settime: %m");
}

static void check_timer(const char *name, kernel_timer timer, int64_t least, int64_t most,
                        int64_t every)
{
    struct itimerspec value;
    subject_check(syscall(SYS_timer_gettime, timer, &value) == 0, "%s: timer %d is gone: %m", name,
                  timer);
    subject_check(ns(value.it_value) >= least && ns(value.it_value) <= most, "%s: %lld ms are left",
                  name, (long long)(ns(value.it_value) / MS));
    subject_check(ns(value.it_interval) == every, "%s: interval of %lld ns", name,
                  (long long)ns(value.it_interval));
}

static void spin_ms(int64_t ms)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    do {
        for (volatile int i = 0; i < 1000000; i++)
            ; /* in the program itself: only that counts for the virtual timer */
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    } while (ns(now) - ns(begin) < ms * MS);
}

int main(void)
{
    const int signals[] = {SIGALRM, SIGVTALRM, SIGPROF, SIGRTMIN + 5, SIGRTMIN + 6};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i],
                  &(struct sigaction){.sa_sigaction = tick, .sa_flags = SA_SIGINFO | SA_RESTART},
                  NULL);
    pthread_t thread;
    subject_need(pthread_create(&thread, NULL, wait_second, NULL) == 0, "pthread_create");
    while (!second)
        usleep(1000);

    /* Ids 0 to 11; three are given back, so that there are gaps. */
    kernel_timer gaps[3];
    gaps[0] = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
    kernel_timer far = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
    gaps[1] = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
    kernel_timer real = make(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 5, 0);
    kernel_timer idle = make(CLOCK_BOOTTIME, SIGEV_SIGNAL, SIGUSR1, 5, 0);
    kernel_timer processor = make(CLOCK_PROCESS_CPUTIME_ID, SIGEV_NONE, 0, 0, 0);
    gaps[2] = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
    kernel_timer fast = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN + 5, 1234, 0);
    kernel_timer directed =
        make(CLOCK_MONOTONIC, SIGEV_SIGNAL | SIGEV_THREAD_ID, SIGRTMIN + 6, 0, second);
    for (int i = 0; i < 3; i++)
        syscall(SYS_timer_delete, gaps[i]);
    set(far, 1000 * 1000 * MS + 7, 3 * MS + 11);
    set(real, 500 * 1000 * MS, 0);
    set(processor, 100 * 1000 * MS, 5 * 1000 * MS);
    set(fast, 20 * MS, 20 * MS);
    set(directed, 30 * MS, 30 * MS);
    struct itimerval slow = {.it_value = {300, 0}, .it_interval = {2, 5}};
    struct itimerval quick = {.it_value = {0, 30000}, .it_interval = {0, 30000}};
    setitimer(ITIMER_REAL, &quick, NULL);
    setitimer(ITIMER_VIRTUAL, &slow, NULL);
    setitimer(ITIMER_PROF, &slow, NULL);

    subject_ready();
    subject_wait_go();

    check_timer("monotonic", far, 990 * 1000 * MS, 1000 * 1000 * MS + 7, 3 * MS + 11);
    check_timer("realtime", real, 490 * 1000 * MS, 500 * 1000 * MS, 0);
    check_timer("idle", idle, 0, 0, 0);
    check_timer("processor time", processor, 95 * 1000 * MS, 100 * 1000 * MS, 5 * 1000 * MS);
    struct itimerval value;
    getitimer(ITIMER_VIRTUAL, &value);
    subject_check(value.it_value.tv_sec >= 295 && value.it_value.tv_sec <= 300 &&
                      value.it_interval.tv_sec == 2 && value.it_interval.tv_usec / 4000 == 0,
                  "the virtual timer has %ld s left", (long)value.it_value.tv_sec);
    getitimer(ITIMER_PROF, &value);
    subject_check(value.it_value.tv_sec >= 295 && value.it_value.tv_sec <= 300 &&
                      value.it_interval.tv_sec == 2,
                  "the profiling timer has %ld s left", (long)value.it_value.tv_sec);
    int before[4] = {ticks[0], ticks[1], ticks[2], ticks[3]};
    thread_got = 0;
    struct itimerval soon = {.it_value = {0, 20000}};
    setitimer(ITIMER_VIRTUAL, &soon, NULL);
    setitimer(ITIMER_PROF, &soon, NULL);
    spin_ms(100);
    usleep(200000);
    subject_check(ticks[0] > before[0], "ITIMER_REAL does not tick");
    subject_check(ticks[1] > before[1], "ITIMER_VIRTUAL does not tick");
    subject_check(ticks[2] > before[2], "ITIMER_PROF does not tick");
    subject_check(ticks[3] > before[3] && last_value == 1234,
                  "the fast timer does not tick, or with value %d", last_value);
    subject_check(thread_got == second, "the directed timer's signal went to thread %d, not %d",
                  thread_got, second);
    for (int i = 0; i < 3; i++)
        subject_check(syscall(SYS_timer_delete, gaps[i]) < 0 && errno == EINVAL,
                      "there is a timer %d", gaps[i]);
    kernel_timer next = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
    subject_check(next != far && next != real && next != idle && next != processor &&
                      next != fast && next != directed,
                  "a new timer has the id of another");
    finish = true;
    pthread_join(thread, NULL);
    return subject_done();
}
