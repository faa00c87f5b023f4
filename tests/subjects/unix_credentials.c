/* unix_credentials.c: a socket that asks for credentials gets those of who sent what waits in it.
 */
#include "subject.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void check(int fd, const char *text, const char *what)
{
    _Alignas(struct cmsghdr) char control[256];
    char buffer[64];
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT);
    subject_check(got == (ssize_t)strlen(text) && memcmp(buffer, text, strlen(text)) == 0,
                  "%s lost its message", what);
    struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&header);
    struct ucred sender = {0};
    if (c && c->cmsg_type == SCM_CREDENTIALS)
        memcpy(&sender, CMSG_DATA(c), sizeof sender);
    subject_check(sender.pid == getpid() && sender.uid == geteuid() && sender.gid == getegid(),
                  "%s was sent by process %d of user %u", what, sender.pid, sender.uid);
}

int main(void)
{
    int stream[2], datagram[2], named = socket(AF_UNIX, SOCK_DGRAM, 0),
                                sender = socket(AF_UNIX, SOCK_DGRAM, 0), on = 1;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "named.sock"};
    socklen_t size = sizeof address;
    subject_need(socketpair(AF_UNIX, SOCK_STREAM, 0, stream) == 0 &&
                     socketpair(AF_UNIX, SOCK_DGRAM, 0, datagram) == 0 &&
                     bind(named, (struct sockaddr *)&address, size) == 0,
                 "socketpair: %m");
    const int receivers[] = {stream[1], datagram[1], named};
    for (int i = 0; i < 3; i++)
        subject_need(setsockopt(receivers[i], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0,
                     "SO_PASSCRED: %m");
    subject_need(write(stream[0], "stream", 6) == 6 && write(datagram[0], "datagram", 8) == 8 &&
                     sendto(sender, "named", 5, 0, (struct sockaddr *)&address, size) == 5,
                 "write: %m");

    subject_ready();
    subject_wait_go();

    check(stream[1], "stream", "the stream");
    check(datagram[1], "datagram", "the datagram socket");
    check(named, "named", "the named socket");
    struct sockaddr_un name;
    size = sizeof name;
    subject_check(getsockname(sender, (struct sockaddr *)&name, &size) == 0 &&
                      size == offsetof(struct sockaddr_un, sun_path),
                  "the sender has got a name");
    return subject_done();
}
