/* signal_owner.c: descriptions that tell of their events by signals: to the process, its group, one
 * of its threads; with the signal and the selector that were asked for. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PIPE, SOCKET, TERMINAL, GROUP, QUIET, KINDS };

struct told {
    const char *name;
    int reading, writing;
    int signal;
    struct f_owner_ex owner;
};

static void ask_for(const struct told *told)
{
    subject_need(fcntl(told->reading, F_SETOWN_EX, &told->owner) == 0 &&
                     fcntl(told->reading, F_SETSIG, told->signal) == 0 &&
                     fcntl(told->reading, F_SETFL, O_ASYNC | O_NONBLOCK) == 0,
                 "%s: %m", told->name);
}

static void check_told(const struct told *told)
{
    struct f_owner_ex owner = {0};
    siginfo_t info;
    sigset_t wanted;
    struct timespec second = {5, 0};
    sigemptyset(&wanted);
    sigaddset(&wanted, told->signal);
    fcntl(told->reading, F_GETOWN_EX, &owner);
    subject_check(owner.type == told->owner.type && owner.pid == told->owner.pid,
                  "%s: the owner is of type %d, %d", told->name, owner.type, owner.pid);
    subject_check(fcntl(told->reading, F_GETSIG) == told->signal, "%s: the signal differs",
                  told->name);
    subject_check((fcntl(told->reading, F_GETFL) & (O_ASYNC | O_NONBLOCK)) ==
                      (O_ASYNC | O_NONBLOCK),
                  "%s: the flags are %#x", told->name, fcntl(told->reading, F_GETFL));
    subject_check(write(told->writing, "x", 1) == 1, "%s: write: %m", told->name);
    subject_check(sigtimedwait(&wanted, &info, &second) == told->signal, "%s: no signal came",
                  told->name);
    subject_check(info.si_fd == told->reading, "%s: the signal tells of descriptor %d", told->name,
                  info.si_fd);
}

static void *check_in_thread(void *argument)
{
    check_told(argument);
    return NULL;
}

struct waiting {
    struct told *told;
    pthread_mutex_t lock;
};

/* A thread that is told itself, and so checks itself. */
static void *be_told(void *argument)
{
    struct waiting *waiting = argument;
    waiting->told->owner = (struct f_owner_ex){F_OWNER_TID, (pid_t)syscall(SYS_gettid)};
    ask_for(waiting->told);
    pthread_mutex_unlock(&waiting->lock);
    subject_wait_go();
    return check_in_thread(waiting->told);
}

int main(void)
{
    int ends[2];
    struct told told[KINDS] = {[PIPE] = {.name = "a pipe"},
                               [SOCKET] = {.name = "a socket"},
                               [TERMINAL] = {.name = "a terminal"},
                               [GROUP] = {.name = "a pipe of the group"}};
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int i = 0; i < QUIET; i++) {
        told[i].signal = SIGRTMIN + 1 + i;
        told[i].owner = (struct f_owner_ex){F_OWNER_PID, getpid()};
    }
    subject_need(pipe(ends) == 0, "pipe: %m");
    told[PIPE].reading = ends[0];
    told[PIPE].writing = ends[1];
    subject_need(pipe(ends) == 0, "pipe: %m");
    told[GROUP].reading = ends[0];
    told[GROUP].writing = ends[1];
    told[GROUP].owner = (struct f_owner_ex){F_OWNER_PGRP, getpgrp()};
    subject_need(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair: %m");
    told[SOCKET].reading = ends[0];
    told[SOCKET].writing = ends[1];
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    subject_need(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0, "pty: %m");
    int terminal = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct termios raw;
    subject_need(terminal >= 0 && tcgetattr(terminal, &raw) == 0, "pty: %m");
    cfmakeraw(&raw);
    tcsetattr(terminal, TCSANOW, &raw);
    told[TERMINAL].reading = terminal;
    told[TERMINAL].writing = master;
    ask_for(&told[PIPE]);
    ask_for(&told[TERMINAL]);
    ask_for(&told[GROUP]);
    struct waiting waiting = {.told = &told[SOCKET], .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;
    pthread_mutex_lock(&waiting.lock);
    subject_need(pthread_create(&thread, NULL, be_told, &waiting) == 0, "thread: %m");
    pthread_mutex_lock(&waiting.lock);
    int quiet[2];
    subject_need(pipe(quiet) == 0 && fcntl(quiet[0], F_SETOWN, getpid()) == 0, "pipe: %m");

    subject_ready();
    subject_wait_go();

    pthread_join(thread, NULL);
    check_told(&told[PIPE]);
    check_told(&told[TERMINAL]);
    check_told(&told[GROUP]);
    subject_check(fcntl(quiet[0], F_GETOWN) == getpid() && fcntl(quiet[0], F_GETSIG) == 0 &&
                      !(fcntl(quiet[0], F_GETFL) & O_ASYNC),
                  "an owner that is not told anything differs");
    return subject_done();
}
