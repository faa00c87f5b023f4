/* pipe.c: pipes: content, capacity, packets, ends of their own, an end that has gone. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BIG = 200000 };

static char big[BIG], back[BIG];

static void check_full(const int *ends, int second)
{
    subject_check(fcntl(ends[1], F_GETPIPE_SZ) == 256 * 1024, "the capacity differs");
    subject_check(fcntl(ends[0], F_GETFL) == O_RDONLY, "the flags of the reading end differ");
    subject_check(fcntl(ends[1], F_GETFL) == (O_WRONLY | O_NONBLOCK),
                  "the flags of the writing end differ");
    subject_check((fcntl(second, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == (O_RDONLY | O_NONBLOCK),
                  "the flags of the second reading end differ");
    size_t have = 0;
    ssize_t count;
    while (have < BIG && (count = read(second, back + have, BIG - have)) > 0)
        have += (size_t)count;
    subject_check(have == BIG && memcmp(back, big, BIG) == 0, "the content differs");
    subject_check(read(second, back, 1) < 0 && errno == EAGAIN, "there is more than was written");
    subject_check(write(ends[1], "more", 4) == 4 && read(ends[0], back, BIG) == 4 &&
                      memcmp(back, "more", 4) == 0,
                  "the ends do not belong together");
    close(ends[1]);
    subject_check(read(ends[0], back, 1) == 0, "somebody else still holds the writing end");
}

static void check_packets(const int *ends)
{
    subject_check(read(ends[0], back, 2) == 2 && memcmp(back, "fi", 2) == 0,
                  "the first packet is lost");
    subject_check(read(ends[0], back, BIG) == 6 && memcmp(back, "second", 6) == 0,
                  "the second packet is not one by itself");
    subject_check(fcntl(ends[1], F_GETFL) & O_DIRECT, "the packet mode is lost");
}

int main(void)
{
    char path[32];
    int full[2], packets[2], left[2], nobody[2], empty[2];
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 251);
    subject_need(pipe(full) == 0 && fcntl(full[1], F_SETFL, O_NONBLOCK) == 0, "pipe: %m");
    subject_need(fcntl(full[1], F_SETPIPE_SZ, 256 * 1024) == 256 * 1024, "F_SETPIPE_SZ: %m");
    subject_need(write(full[1], big, BIG) == BIG, "write: %m");
    snprintf(path, sizeof path, "/proc/self/fd/%d", full[0]);
    int second = open(path, O_RDONLY | O_NONBLOCK);
    subject_need(second >= 0, "open: %m");
    subject_need(pipe2(packets, O_DIRECT) == 0 && write(packets[1], "first", 5) == 5 &&
                     write(packets[1], "second", 6) == 6,
                 "packets: %m");
    subject_need(pipe(left) == 0 && write(left[1], "left", 4) == 4 && close(left[1]) == 0,
                 "pipe: %m");
    subject_need(pipe(nobody) == 0 && close(nobody[0]) == 0, "pipe: %m");
    subject_need(pipe2(empty, O_CLOEXEC) == 0, "pipe: %m");

    subject_ready();
    subject_wait_go();

    check_full(full, second);
    check_packets(packets);
    subject_check(read(left[0], back, BIG) == 4 && memcmp(back, "left", 4) == 0,
                  "what a writer that has gone left behind is lost");
    subject_check(read(left[0], back, BIG) == 0, "the pipe does not end where it ended");
    struct pollfd ask = {.fd = nobody[1]};
    subject_check(poll(&ask, 1, 0) == 1 && ask.revents == POLLERR,
                  "a pipe that nobody read from has a reader");
    int waiting = 1;
    subject_check(ioctl(empty[0], FIONREAD, &waiting) == 0 && waiting == 0,
                  "an empty pipe is not empty");
    subject_check(fcntl(empty[0], F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
    return subject_done();
}
