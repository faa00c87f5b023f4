/* signal_storm.c: system calls under a storm of signals with handlers, so that some of them arrive
 * together with the checkpoint. A call may end with EINTR where a handler of that thread ran, and
 * nowhere else; under SA_RESTART not even there. Others are never still: they are stopped right
 * before, in and right after short calls, none of which may be lost or made twice.
 */
#include "subject.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static _Thread_local atomic_int handled;
static atomic_bool finish;
static int silent[2], epoll;

static void on_signal(int signal)
{
    int saved = errno;
    (void)signal;
    handled++;
    /* A call of the handler's own is interrupted, too. */
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
    errno = saved;
}

static int wait_poll(void)
{
    struct pollfd fd = {.fd = silent[0], .events = POLLIN};
    return poll(&fd, 1, -1);
}

static int wait_ppoll(void)
{
    struct pollfd fd = {.fd = silent[0], .events = POLLIN};
    return ppoll(&fd, 1, &(struct timespec){.tv_sec = 3600}, NULL);
}

static int wait_epoll(void)
{
    struct epoll_event event;
    return epoll_wait(epoll, &event, 1, 3600 * 1000);
}

static int wait_select(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(silent[0], &set);
    return select(silent[0] + 1, &set, NULL, NULL, NULL);
}

static int wait_sleep(void)
{
    return nanosleep(&(struct timespec){.tv_sec = 3600}, NULL);
}

static int wait_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    return sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 3600});
}

/* The signals are blocked but while it waits. */
static int wait_suspended(void)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    return sigsuspend(&none);
}

static struct storm {
    const char *name;
    int (*wait)(void);
    int signal;
    pthread_t thread;
} storms[] = {
    {.name = "poll", .wait = wait_poll, .signal = SIGUSR1},
    {.name = "ppoll", .wait = wait_ppoll, .signal = SIGUSR1},
    {.name = "epoll_wait", .wait = wait_epoll, .signal = SIGUSR1},
    {.name = "select", .wait = wait_select, .signal = SIGUSR1},
    {.name = "nanosleep", .wait = wait_sleep, .signal = SIGUSR1},
    {.name = "sigtimedwait", .wait = wait_signal, .signal = SIGUSR1},
    {.name = "sigsuspend", .wait = wait_suspended, .signal = SIGUSR1},
    {.name = "read with SA_RESTART", .signal = SIGUSR2},
};
enum { STORMS = sizeof storms / sizeof storms[0] };

static void *interrupted(void *argument)
{
    struct storm *storm = argument;
    while (!finish) {
        int before = handled;
        int result = storm->wait();
        subject_check(result == -1 && errno == EINTR, "%s returned %d (%s)", storm->name, result,
                      strerror(errno));
        subject_check(handled > before || finish, "%s: EINTR, and no handler has run", storm->name);
        if (result != -1 || errno != EINTR)
            break;
    }
    return NULL;
}

static void *restarted(void *argument)
{
    struct storm *storm = argument;
    char byte;
    ssize_t result = read(silent[0], &byte, 1);
    subject_check(result == 1, "%s returned %zd (%s)", storm->name, result, strerror(errno));
    return NULL;
}

static struct counter {
    int pipes[2], event;
    pthread_t thread;
} counter;

/* Neither loses a call nor makes one twice. */
static void *count(void *unused)
{
    (void)unused;
    const int *pipes = counter.pipes, fd = counter.event;
    uint64_t value;
    for (uint64_t i = 1; !finish; i++) {
        subject_check(write(pipes[1], &i, sizeof i) == sizeof i, "a write failed: %m");
        subject_check(read(pipes[0], &value, sizeof value) == sizeof value && value == i,
                      "read %llu for %llu", (unsigned long long)value, (unsigned long long)i);
        subject_check(eventfd_write(fd, i % 7 + 1) == 0 && eventfd_read(fd, &value) == 0 &&
                          value == i % 7 + 1,
                      "an eventfd counted %llu", (unsigned long long)value);
        subject_check(getppid() >= 0 && syscall(SYS_lseek, pipes[0], 0, SEEK_CUR) == -1 &&
                          errno == ESPIPE,
                      "a short call failed otherwise: %m");
    }
    return NULL;
}

static void *strike(void *unused)
{
    (void)unused;
    while (!finish) {
        for (int i = 0; i < STORMS; i++)
            pthread_kill(storms[i].thread, storms[i].signal);
        usleep(1000);
    }
    return NULL;
}

int main(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct epoll_event event = {.events = EPOLLIN};
    pthread_t striking;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    epoll = epoll_create1(0);
    subject_need(pipe(silent) == 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, silent[0], &event) == 0,
                 "pipe: %m");
    for (int i = 0; i < STORMS; i++)
        subject_need(pthread_create(&storms[i].thread, NULL,
                                    storms[i].wait ? interrupted : restarted, &storms[i]) == 0,
                     "pthread_create");
    counter.event = eventfd(0, 0);
    subject_need(counter.event >= 0 && pipe(counter.pipes) == 0, "pipe: %m");
    subject_need(pthread_create(&counter.thread, NULL, count, NULL) == 0, "pthread_create");
    subject_need(pthread_create(&striking, NULL, strike, NULL) == 0, "pthread_create");
    subject_ready();
    subject_wait_go();
    finish = true;
    pthread_join(striking, NULL);
    for (int i = 0; i < STORMS - 1; i++) {
        pthread_kill(storms[i].thread, storms[i].signal);
        pthread_join(storms[i].thread, NULL);
    }
    subject_check(write(silent[1], "x", 1) == 1, "write: %m");
    pthread_join(storms[STORMS - 1].thread, NULL);
    pthread_join(counter.thread, NULL);
    return subject_done();
}
