/* signals.c: dispositions with all they have, and signals that wait with their data: for the
 * process, for each of two threads, queued several times, and standard ones. */
#include "subject.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { QUEUED = 5 };

struct got {
    int signal, code, value;
    pid_t sender;
};

static atomic_int count;
static struct got got[64];
static atomic_bool on_stack;
static char stack[65536];
static atomic_bool go_on;

static void handle(int signal, siginfo_t *info, void *context)
{
    (void)context;
    char here;
    int i = count++;
    got[i] = (struct got){signal, info->si_code, info->si_value.sival_int, info->si_pid};
    if (signal == SIGRTMIN + 2)
        on_stack = &here >= stack && &here < stack + sizeof stack;
}

static void plain(int signal)
{
    (void)signal;
}

static void act(int signal, struct sigaction action)
{
    subject_need(sigaction(signal, &action, NULL) == 0, "sigaction: %m");
}

static void block(int first, int last)
{
    sigset_t set;
    sigemptyset(&set);
    for (int signal = first; signal <= last; signal++)
        sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static void queue_to_thread(pid_t tid, int signal, int code, int value)
{
    siginfo_t info = {.si_signo = signal, .si_code = code};
    info.si_pid = 4711;
    info.si_uid = 0;
    info.si_value.sival_int = value;
    subject_need(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, signal, &info) == 0,
                 "rt_tgsigqueueinfo: %m");
}

static void check_got(const char *whose, int index, struct got expected)
{
    const struct got *g = &got[index];
    subject_check(index < count, "%s: only %d signals arrived", whose, count);
    subject_check(g->signal == expected.signal && g->code == expected.code &&
                      g->value == expected.value && g->sender == expected.sender,
                  "%s: signal %d code %d value %d from %d, not %d code %d value %d from %d", whose,
                  g->signal, g->code, g->value, g->sender, expected.signal, expected.code,
                  expected.value, expected.sender);
}

static void *other(void *ready)
{
    queue_to_thread(gettid(), SIGRTMIN + 3, SI_QUEUE, 33);
    pthread_kill(pthread_self(), SIGUSR2);
    atomic_store((atomic_bool *)ready, true);
    while (!go_on)
        usleep(1000);
    sigset_t pending;
    sigpending(&pending);
    for (int signal = 1; signal < 32; signal++)
        subject_check(sigismember(&pending, signal) ==
                          (signal == SIGUSR2 || signal == SIGUSR1 || signal == SIGHUP),
                      "signal %d is (not) pending in the second thread", signal);
    siginfo_t info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    sigaddset(&set, SIGUSR2);
    struct timespec none = {0};
    int first = sigtimedwait(&set, &info, &none);
    subject_check(first == SIGUSR2 && info.si_pid == getpid(),
                  "the second thread's SIGUSR2: %d, code %d from %d", first, info.si_code,
                  info.si_pid);
    int second = sigtimedwait(&set, &info, &none);
    subject_check(second == SIGRTMIN + 3 && info.si_value.sival_int == 33 && info.si_pid == 4711,
                  "the second thread's queued signal: %d", second);
    return NULL;
}

static void check_actions(void)
{
    struct sigaction action;
    sigaction(SIGRTMIN + 2, NULL, &action);
    subject_check(action.sa_sigaction == handle &&
                      (action.sa_flags & (SA_SIGINFO | SA_ONSTACK | SA_RESTART)) ==
                          (SA_SIGINFO | SA_ONSTACK | SA_RESTART) &&
                      sigismember(&action.sa_mask, SIGINT) &&
                      !sigismember(&action.sa_mask, SIGQUIT),
                  "the action of SIGRTMIN+2 changed");
    sigaction(SIGTTOU, NULL, &action);
    subject_check(action.sa_handler == SIG_IGN, "SIGTTOU is no longer ignored");
    sigaction(SIGQUIT, NULL, &action);
    subject_check(action.sa_handler == plain && (action.sa_flags & (int)SA_RESETHAND),
                  "the action of SIGQUIT changed");
    sigaction(SIGALRM, NULL, &action);
    subject_check(action.sa_handler == SIG_DFL, "SIGALRM has an action now");
}

int main(void)
{
    pthread_t thread;
    atomic_bool ready = false;
    struct sigaction data = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigaction once = {.sa_handler = plain, .sa_flags = (int)SA_RESETHAND};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (int signal = SIGRTMIN; signal < SIGRTMIN + 4; signal++)
        act(signal, data);
    act(SIGHUP, data);
    act(SIGUSR1, data);
    sigaddset(&data.sa_mask, SIGINT);
    data.sa_flags |= SA_ONSTACK;
    act(SIGRTMIN + 2, data);
    act(SIGQUIT, once);
    act(SIGTTOU, ignore);
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&alternate, NULL);
    block(SIGRTMIN, SIGRTMIN + 3);
    block(SIGUSR1, SIGUSR2);
    block(SIGUSR2, SIGUSR2);
    block(SIGHUP, SIGHUP);
    subject_need(pthread_create(&thread, NULL, other, &ready) == 0, "pthread_create");
    while (!ready)
        usleep(1000);
    for (int i = 0; i < QUEUED; i++)
        subject_need(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 100 + i}) == 0,
                     "sigqueue: %m");
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGUSR1);
    queue_to_thread(gettid(), SIGRTMIN + 1, SI_QUEUE, 21);
    queue_to_thread(gettid(), SIGRTMIN + 2, SI_MESGQ, 22);

    subject_ready();
    subject_wait_go();

    check_actions();
    subject_check(count == 0, "%d signals arrived though they are blocked", count);
    go_on = true;
    pthread_join(thread, NULL);
    sigset_t all;
    sigfillset(&all);
    sigdelset(&all, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    check_got("process", 0, (struct got){SIGHUP, SI_USER, 0, getpid()});
    sigfillset(&all);
    sigdelset(&all, SIGRTMIN + 2);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    check_got("thread", 1, (struct got){SIGRTMIN + 2, SI_MESGQ, 22, 4711});
    subject_check(on_stack, "the handler did not run on the alternate stack");
    sigdelset(&all, SIGRTMIN + 1);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    check_got("thread", 2, (struct got){SIGRTMIN + 1, SI_QUEUE, 21, 4711});
    for (int i = 0; i < QUEUED; i++) {
        siginfo_t info;
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN);
        struct timespec none = {0};
        int signal = sigtimedwait(&set, &info, &none);
        subject_check(signal == SIGRTMIN && info.si_value.sival_int == 100 + i &&
                          info.si_pid == getpid(),
                      "queued signal %d: %d with value %d", i, signal, info.si_value.sival_int);
    }
    sigpending(&all);
    subject_check(sigismember(&all, SIGUSR1) && !sigismember(&all, SIGRTMIN) &&
                      !sigismember(&all, SIGHUP),
                  "other signals than SIGUSR1 are left");
    return subject_done();
}
