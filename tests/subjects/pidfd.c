/* pidfd.c: a descriptor of the process itself, two of one child that has ended, and one of another.
 */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t heard;

static void hear(int number)
{
    heard = number;
}

static pid_t start(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    return child;
}

static ino_t inode(int fd)
{
    struct stat status = {0};
    fstat(fd, &status);
    return status.st_ino;
}

int main(void)
{
    pid_t child = start(), sibling = start();
    int gone = (int)syscall(SYS_pidfd_open, child, 0);
    int again = (int)syscall(SYS_pidfd_open, child, 0);
    int other = (int)syscall(SYS_pidfd_open, sibling, 0);
    int self = (int)syscall(SYS_pidfd_open, getpid(), O_NONBLOCK);
    subject_need(gone >= 0 && again >= 0 && other >= 0 && self >= 0, "pidfd_open: %m");
    subject_need(waitpid(child, NULL, 0) == child, "waitpid: %m");
    subject_need(waitpid(sibling, NULL, 0) == sibling, "waitpid: %m");
    bool told_apart = inode(gone) != inode(other);
    signal(SIGUSR1, hear);

    subject_ready();
    subject_wait_go();

    subject_check(syscall(SYS_pidfd_send_signal, self, SIGUSR1, NULL, 0) == 0,
                  "cannot signal the process itself: %m");
    subject_check(heard == SIGUSR1, "the signal reached another process");
    subject_check(fcntl(self, F_GETFL) & O_NONBLOCK, "the flags are lost");
    struct pollfd both[2] = {{.fd = self, .events = POLLIN}, {.fd = gone, .events = POLLIN}};
    subject_check(poll(both, 2, 0) == 1 && (both[1].revents & POLLIN), "the child has not ended");
    subject_check(syscall(SYS_pidfd_send_signal, gone, 0, NULL, 0) < 0 && errno == ESRCH,
                  "the child is there again");
    subject_check(inode(gone) == inode(again), "two descriptors of one process are of two");
    subject_check((inode(gone) != inode(other)) == told_apart, "two processes are one");
    return subject_done();
}
