/* unix_pairs.c: connected Unix sockets keep what waits in them: bytes, messages with their
 * boundaries, capabilities in flight; also ends that were shut down or whose peer is closed. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static bool send_with(int fd, const char *text, int carried)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {(char *)text, strlen(text)};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &carried, sizeof carried);
    return sendmsg(fd, &header, 0) == (ssize_t)strlen(text);
}

/* Checks what is received next; the capability that came with it, or -1. */
static int expect(int fd, const char *text, size_t size)
{
    _Alignas(struct cmsghdr) char control[256];
    char buffer[256];
    struct iovec part = {buffer, size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT);
    subject_check(got == (ssize_t)strlen(text) && memcmp(buffer, text, strlen(text)) == 0,
                  "received %zd bytes and not \"%s\"", got, text);
    struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&header);
    int carried = -1;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&carried, CMSG_DATA(c), sizeof carried);
    return carried;
}

int main(void)
{
    int stream[2], datagram[2], packet[2], closed[2], reset[2], counter = eventfd(5, 0);
    subject_need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, stream) == 0 &&
                     socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram) == 0 &&
                     socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packet) == 0 &&
                     socketpair(AF_UNIX, SOCK_STREAM, 0, closed) == 0 &&
                     socketpair(AF_UNIX, SOCK_STREAM, 0, reset) == 0,
                 "socketpair: %m");
    int size = 60000;
    struct timeval timeout = {2, 0};
    setsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(stream[1], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    subject_need(write(stream[0], "plain", 5) == 5 && send_with(stream[0], "counter", counter) &&
                     write(stream[0], "more", 4) == 4 && send_with(stream[0], "self", stream[1]) &&
                     write(stream[1], "back", 4) == 4,
                 "write: %m");
    subject_need(shutdown(stream[0], SHUT_WR) == 0, "shutdown: %m");
    for (int i = 0; i < 2; i++) {
        int fd = i ? packet[0] : datagram[0];
        subject_need(send(fd, "one", 3, 0) == 3 && send(fd, "", 0, 0) == 0 &&
                         send_with(fd, "three", packet[1]),
                     "send: %m");
    }
    subject_need(write(closed[1], "last", 4) == 4 && write(reset[0], "unread", 6) == 6,
                 "write: %m");
    close(closed[1]);
    close(reset[1]);
    close(counter);
    int far[2], carrier[2];
    subject_need(socketpair(AF_UNIX, SOCK_STREAM, 0, far) == 0 &&
                     socketpair(AF_UNIX, SOCK_STREAM, 0, carrier) == 0 &&
                     write(far[0], "far", 3) == 3 && send_with(carrier[0], "end", far[1]),
                 "send: %m");
    close(far[1]); /* from here on that end is only in flight */
    struct ucred before, after = {0};
    socklen_t length = sizeof before;
    getsockopt(packet[0], SOL_SOCKET, SO_PEERCRED, &before, &length);

    subject_ready();
    subject_wait_go();

    uint64_t value = 0;
    subject_check(expect(stream[1], "plain", 5) < 0, "a capability came too early");
    int carried = expect(stream[1], "counter", 100);
    subject_check(carried >= 0 && read(carried, &value, sizeof value) == sizeof value && value == 5,
                  "the counter in flight is lost");
    int self = expect(stream[1], "moreself", 100);
    struct stat a, b;
    subject_check(self >= 0 && fstat(self, &a) == 0 && fstat(stream[1], &b) == 0 &&
                      a.st_ino == b.st_ino,
                  "the socket that was in flight in its own queue is lost");
    subject_check(expect(stream[1], "", 100) < 0, "the end of the stream is lost");
    expect(stream[0], "back", 100);
    int now = 0;
    length = sizeof now;
    subject_check(getsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &now, &length) == 0 &&
                      now == 2 * size,
                  "the size of the send buffer is %d", now);
    subject_check(send(stream[0], "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "SHUT_WR is lost");
    subject_check(fcntl(stream[0], F_GETFL) & O_NONBLOCK, "O_NONBLOCK is lost");
    for (int i = 0; i < 2; i++) {
        int fd = i ? packet[1] : datagram[1];
        expect(fd, "one", 100);
        expect(fd, "", 100);
        subject_check(expect(fd, "three", 100) >= 0, "the socket in flight is lost");
        subject_check(recv(fd, &now, 1, MSG_DONTWAIT) < 0, "something more waits");
        subject_check(send(fd, "to", 2, 0) == 2, "send: %m");
        expect(i ? packet[0] : datagram[0], "to", 100);
    }
    expect(closed[0], "last", 100);
    expect(closed[0], "", 100);
    length = sizeof now;
    subject_check(getsockopt(reset[0], SOL_SOCKET, SO_ERROR, &now, &length) == 0 &&
                      now == ECONNRESET,
                  "the reset is lost");
    int end = expect(carrier[1], "end", 100);
    expect(end, "far", 100);
    subject_check(write(end, "reply", 5) == 5, "write: %m");
    expect(far[0], "reply", 100);
    length = sizeof after;
    getsockopt(packet[0], SOL_SOCKET, SO_PEERCRED, &after, &length);
    subject_check(after.pid == before.pid && after.uid == before.uid && after.gid == before.gid,
                  "the peer is process %d of user %u", after.pid, after.uid);
    return subject_done();
}
