/* signalfd.c: a signal descriptor keeps its mask, and hears of a signal that is pending. */
#include "subject.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

int main(void)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMIN + 3);
    subject_need(sigprocmask(SIG_BLOCK, &mask, NULL) == 0, "sigprocmask: %m");
    int fd = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    subject_need(fd >= 0, "signalfd: %m");
    subject_need(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 77}) == 0,
                 "sigqueue: %m");

    subject_ready();
    subject_wait_go();

    struct signalfd_siginfo info;
    memset(&info, 0, sizeof info);
    subject_check(read(fd, &info, sizeof info) == sizeof info &&
                      (int)info.ssi_signo == SIGRTMIN + 3 && info.ssi_int == 77,
                  "the pending signal is lost");
    subject_check(read(fd, &info, sizeof info) < 0 && errno == EAGAIN, "there is one more signal");
    kill(getpid(), SIGUSR1);
    subject_check(read(fd, &info, sizeof info) == sizeof info && info.ssi_signo == SIGUSR1,
                  "SIGUSR1 is not heard");
    return subject_done();
}
