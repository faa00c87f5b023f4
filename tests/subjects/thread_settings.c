/* thread_settings.c: 64 threads with names, masks, stacks, timer slack and processors of their own.
 */
#include "subject.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { THREADS = 64, STACK = 64 * 1024 };

struct holder {
    pthread_t thread;
    int number;
    pid_t tid;
    char *stack;
    atomic_bool entered;
};

static struct holder holders[THREADS];
static int waking[2];

static int own_signal(const struct holder *holder)
{
    return SIGRTMIN + holder->number % 20;
}

static void settle(struct holder *holder)
{
    char name[16];
    snprintf(name, sizeof name, "wait\n\\-%d", holder->number);
    prctl(PR_SET_NAME, name);
    stack_t stack = {.ss_sp = holder->stack, .ss_size = STACK};
    sigaltstack(&stack, NULL);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, own_signal(holder));
    sigaddset(&mask, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(0, &cpus);
    if (holder->number % 3 == 0)
        sched_setaffinity(0, sizeof cpus, &cpus);
    prctl(PR_SET_TIMERSLACK, 1000 + holder->number);
}

static void check_settled(const struct holder *holder)
{
    int n = holder->number;
    char name[16], expected[16];
    snprintf(expected, sizeof expected, "wait\n\\-%d", n);
    prctl(PR_GET_NAME, name);
    subject_check(strcmp(name, expected) == 0, "thread %d is called %s", n, name);
    stack_t stack;
    sigaltstack(NULL, &stack);
    subject_check(stack.ss_sp == holder->stack && stack.ss_size == STACK && stack.ss_flags == 0,
                  "thread %d lost its alternate stack", n);
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    for (int signal = 1; signal < 64; signal++)
        subject_check(sigismember(&mask, signal) ==
                          (signal == own_signal(holder) || signal == SIGUSR2),
                      "thread %d has another signal mask: signal %d", n, signal);
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    subject_check((n % 3 == 0) == (CPU_COUNT(&cpus) == 1) || sysconf(_SC_NPROCESSORS_ONLN) == 1,
                  "thread %d may run on %d processors", n, CPU_COUNT(&cpus));
    subject_check(prctl(PR_GET_TIMERSLACK) == 1000 + n, "thread %d has timer slack %d", n,
                  prctl(PR_GET_TIMERSLACK));
    subject_check(gettid() == holder->tid, "thread %d was %d and is %d", n, holder->tid, gettid());
}

static void *hold(void *argument)
{
    struct holder *holder = argument;
    char byte;
    settle(holder);
    holder->tid = gettid();
    holder->entered = true;
    subject_check(read(waking[0], &byte, 1) == 1, "reading from a pipe: %m");
    check_settled(holder);
    return NULL;
}

int main(void)
{
    subject_need(pipe(waking) == 0, "pipe: %m");
    for (int i = 0; i < THREADS; i++) {
        holders[i].number = i;
        holders[i].stack = malloc(STACK);
        subject_need(pthread_create(&holders[i].thread, NULL, hold, &holders[i]) == 0,
                     "pthread_create");
    }
    for (int i = 0; i < THREADS; i++)
        while (!holders[i].entered)
            sched_yield();
    subject_ready();
    subject_wait_go();
    for (int i = 0; i < THREADS; i++)
        subject_check(write(waking[1], "x", 1) == 1, "write: %m");
    for (int i = 0; i < THREADS; i++)
        pthread_join(holders[i].thread, NULL);
    return subject_done();
}
