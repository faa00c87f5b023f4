/* pipe_in_flight.c: one end of a pipe is held, the other is on its way in a socket of the
 * component's own. */
#include "subject.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Sends the descriptor from one end of a socket pair to the other, and closes it. */
static void send_away(const int pair[2], int fd)
{
    char room[CMSG_SPACE(sizeof fd)] = "", byte = 'd';
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    subject_need(sendmsg(pair[0], &message, 0) == 1 && close(fd) == 0, "sendmsg: %m");
}

static int receive(const int pair[2])
{
    char room[CMSG_SPACE(sizeof(int))] = "", byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    int fd = -1;
    subject_check(recvmsg(pair[1], &message, 0) == 1, "recvmsg: %m");
    if (CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    subject_check(fd >= 0, "nothing came with the message");
    return fd;
}

static bool carries(int writer, int reader, const char *waiting)
{
    char text[8] = "";
    size_t length = strlen(waiting);
    return read(reader, text, length) == (ssize_t)length && memcmp(text, waiting, length) == 0 &&
           write(writer, "on", 2) == 2 && read(reader, text, 2) == 2 && memcmp(text, "on", 2) == 0;
}

int main(void)
{
    int first[2], second[2], pair[2], other[2];
    subject_need(pipe(first) == 0 && pipe(second) == 0 &&
                     socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 &&
                     socketpair(AF_UNIX, SOCK_DGRAM, 0, other) == 0,
                 "making: %m");
    subject_need(write(first[1], "one", 3) == 3 && write(second[1], "two", 3) == 3, "write: %m");
    send_away(pair, first[1]);
    send_away(other, second[0]);

    subject_ready();
    subject_wait_go();

    subject_check(carries(receive(pair), first[0], "one"), "the writing end is another pipe's");
    subject_check(carries(second[1], receive(other), "two"), "the reading end is another pipe's");
    return subject_done();
}
