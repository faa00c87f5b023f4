/* signals.c: signals to recap itself while processes depend on it. */
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* Seconds that work which was told to end has for that. */
enum { MOMENT_S = 3 };

static const int ending[] = {SIGHUP, SIGINT, SIGTERM, SIGXCPU};
static const int stopping[] = {SIGTSTP, SIGTTIN, SIGTTOU};
static const int failing[] = {SIGPIPE, SIGXFSZ};
enum {
    ENDING = sizeof ending / sizeof *ending,
    STOPPING = sizeof stopping / sizeof *stopping,
    FAILING = sizeof failing / sizeof *failing,
};

static struct sigaction before_ending[ENDING], before_failing[FAILING], before_alarm;
static sigset_t mask_before;
static bool holding;
static volatile sig_atomic_t told;

static void end(int number)
{
    sigset_t set;
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
}

static void on_told(int number)
{
    told = number;
    alarm(MOMENT_S);
}

static void on_alarm(int number)
{
    (void)number;
    if (told)
        end(told);
}

void signals_hold(void)
{
    struct sigaction note = {.sa_handler = on_told, .sa_flags = SA_RESTART | SA_RESETHAND};
    struct sigaction wake = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t set;
    if (holding)
        return;
    holding = true;
    told = 0;
    sigaction(SIGALRM, &wake, &before_alarm);
    for (size_t i = 0; i < ENDING; i++) {
        sigaction(ending[i], NULL, &before_ending[i]);
        /* Who started recap may have decided that it does not end by this one, as nohup does. */
        if (before_ending[i].sa_handler != SIG_IGN)
            sigaction(ending[i], &note, NULL);
    }
    for (size_t i = 0; i < FAILING; i++)
        sigaction(failing[i], &ignore, &before_failing[i]);
    sigemptyset(&set);
    for (size_t i = 0; i < STOPPING; i++)
        sigaddset(&set, stopping[i]);
    sigprocmask(SIG_BLOCK, &set, &mask_before);
}

bool signals_told(void)
{
    return told;
}

static void set_back(void)
{
    alarm(0);
    for (size_t i = 0; i < ENDING; i++)
        sigaction(ending[i], &before_ending[i], NULL);
    for (size_t i = 0; i < FAILING; i++)
        sigaction(failing[i], &before_failing[i], NULL);
    sigaction(SIGALRM, &before_alarm, NULL);
    holding = false;
}

/* Unblocks those of ours that were not blocked before. */
static void unblock(bool also_tstp)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < STOPPING; i++)
        if (!sigismember(&mask_before, stopping[i]) && (also_tstp || stopping[i] != SIGTSTP))
            sigaddset(&set, stopping[i]);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void signals_forget(void)
{
    if (!holding)
        return;
    set_back();
    told = 0;
    unblock(false);
}

void signals_release(void)
{
    if (!holding)
        return;
    set_back();
    unblock(true);
    if (told)
        end(told);
}
