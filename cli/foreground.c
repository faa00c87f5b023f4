/* foreground.c: signals to a restored process, its end, and whose the terminal is meanwhile. */
#include "cli/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The caller's terminal, -1 without one; and the process group that is to have it. */
static int terminal = -1;
static pid_t group;
static sigset_t mask_before;

void foreground_signals(sigset_t *set)
{
    static const int ours[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS,  SIGFPE,
                               SIGILL,  SIGTRAP, SIGABRT, SIGTTIN, SIGTTOU};
    sigfillset(set);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        sigdelset(set, ours[i]);
}

/* Makes `to` the terminal's foreground, if there is a terminal and it is ours to give. */
static void give_terminal(pid_t to)
{
    if (terminal < 0)
        return;
    /* A background process may do this only while it ignores SIGTTOU. */
    void (*before)(int) = signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(terminal, to);
    signal(SIGTTOU, before);
}

void foreground_begin(pid_t pid)
{
    sigset_t set;
    foreground_signals(&set);
    sigprocmask(SIG_BLOCK, &set, &mask_before);
    group = getpgid(pid);
    bool own_group = group > 0 && group != getpgrp() && getsid(pid) == getsid(0);
    terminal = own_group ? open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY) : -1;
    if (terminal >= 0 && tcgetpgrp(terminal) != getpgrp()) {
        close(terminal);
        terminal = -1;
    }
    give_terminal(group);
}

void foreground_cancel(void)
{
    give_terminal(getpgrp());
    if (terminal >= 0)
        close(terminal);
    terminal = -1;
    sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

void foreground_stop(pid_t pid)
{
    sigset_t set;
    siginfo_t signal;
    give_terminal(getpgrp());
    raise(SIGSTOP);
    give_terminal(group);
    /* The signal by which we go on is passed on here, and not once more. */
    sigemptyset(&set);
    sigaddset(&set, SIGCONT);
    sigtimedwait(&set, &signal, &(struct timespec){0});
    kill(pid, SIGCONT);
}

static void pass(pid_t pid, const siginfo_t *signal)
{
    /* What the terminal sends to our process group has reached the process if it is in there. */
    if (signal->si_code == SI_KERNEL && group == getpgrp())
        return;
    kill(pid, signal->si_signo);
}

int foreground_end(int status)
{
    foreground_cancel();
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    int number = WTERMSIG(status);
    sigset_t set;
    /* A core dump of recap would take the place of the program's own. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    return 128 + number;
}

enum foreground_state foreground_look(pid_t pid, int *status)
{
    int now;
    /* SIGCHLD stands for many changes: the last one counts. */
    enum foreground_state state = FOREGROUND_RUNNING;
    while (waitpid(pid, &now, WNOHANG | WUNTRACED | WCONTINUED | __WALL) == pid) {
        if (!WIFSTOPPED(now) && !WIFCONTINUED(now)) {
            *status = now;
            return FOREGROUND_ENDED;
        }
        state = WIFSTOPPED(now) ? FOREGROUND_STOPPED : FOREGROUND_RUNNING;
    }
    return state;
}

int foreground_wait(pid_t pid)
{
    sigset_t set;
    foreground_signals(&set);
    for (;;) {
        int status;
        /* Looked at first: SIGCHLD may have come before the loop began. */
        switch (foreground_look(pid, &status)) {
        case FOREGROUND_ENDED:
            return foreground_end(status);
        case FOREGROUND_STOPPED:
            foreground_stop(pid);
            break;
        case FOREGROUND_RUNNING:
            break;
        }
        siginfo_t signal;
        if (sigwaitinfo(&set, &signal) < 0)
            continue;
        if (signal.si_signo != SIGCHLD)
            pass(pid, &signal);
    }
}
