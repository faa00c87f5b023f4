/* unix_names.c: Unix sockets keep their names, their files, who waits to be accepted, and who sent
 * what waits in them. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static socklen_t fill(struct sockaddr_un *address, const char *name)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    size_t length = strlen(name);
    memcpy(address->sun_path, name, length);
    if (name[0] == '@')
        address->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int bound(int type, const char *name)
{
    struct sockaddr_un address;
    socklen_t length = fill(&address, name);
    int fd = socket(AF_UNIX, type, 0);
    subject_need(bind(fd, (struct sockaddr *)&address, length) == 0, "bind to %s: %m", name);
    return fd;
}

static int connected(int type, const char *name)
{
    struct sockaddr_un address;
    socklen_t length = fill(&address, name);
    int fd = socket(AF_UNIX, type, 0);
    subject_need(connect(fd, (struct sockaddr *)&address, length) == 0, "connect to %s: %m", name);
    return fd;
}

static void check_name(int fd, const char *name, const char *what)
{
    struct sockaddr_un address = {0}, wanted;
    socklen_t length = sizeof address, expected = fill(&wanted, name);
    getsockname(fd, (struct sockaddr *)&address, &length);
    if (name[0] != '@' && name[0])
        expected++; /* the kernel counts the zero behind a path */
    subject_check(length == expected &&
                      memcmp(address.sun_path, wanted.sun_path, strlen(name)) == 0,
                  "%s has another name", what);
}

static void talk(int from, int to, const char *what)
{
    char text[8];
    subject_check(write(from, "hello", 5) == 5 && recv(to, text, sizeof text, MSG_DONTWAIT) == 5,
                  "%s is not connected", what);
}

int main(void)
{
    char abstract[64], here[64], lost[80], text[64];
    snprintf(abstract, sizeof abstract, "@recap-subject-%d", (int)getpid());
    umask(027);
    int file = bound(SOCK_STREAM, "stream.sock"), name = bound(SOCK_SEQPACKET, abstract);
    subject_need(listen(file, 4) == 0 && listen(name, 4) == 0, "listen: %m");
    int client = connected(SOCK_STREAM, "stream.sock"), server = accept(file, NULL, NULL);
    int packets = connected(SOCK_SEQPACKET, abstract), accepted = accept(name, NULL, NULL);
    int waiting = connected(SOCK_STREAM, "stream.sock"),
        second = connected(SOCK_STREAM, "stream.sock");
    subject_need(getcwd(here, sizeof here), "getcwd: %m");
    snprintf(lost, sizeof lost, "%s/lost.sock", here);
    int removed = bound(SOCK_STREAM, lost);
    subject_need(listen(removed, 1) == 0 && unlink(lost) == 0, "unlink: %m");
    int receiver = bound(SOCK_DGRAM, "./receiver.sock"), sender = bound(SOCK_DGRAM, "sender.sock");
    struct sockaddr_un to;
    socklen_t length = fill(&to, "receiver.sock");
    int nameless = connected(SOCK_DGRAM, "receiver.sock");
    int automatic = bound(SOCK_DGRAM, "");
    struct sockaddr_un given;
    socklen_t given_length = sizeof given;
    getsockname(automatic, (struct sockaddr *)&given, &given_length);
    subject_need(sendto(sender, "named", 5, 0, (struct sockaddr *)&to, length) == 5 &&
                     write(nameless, "nameless", 8) == 8,
                 "send: %m");
    struct stat before, after;
    subject_need(stat("stream.sock", &before) == 0, "stat: %m");

    subject_ready();
    subject_wait_go();

    check_name(file, "stream.sock", "the listening socket");
    check_name(server, "stream.sock", "the accepted socket");
    check_name(name, abstract, "the abstract listening socket");
    check_name(accepted, abstract, "the abstract accepted socket");
    check_name(removed, lost, "the socket without a file");
    check_name(client, "", "the client");
    subject_check(access(lost, F_OK) < 0, "a removed file is there again");
    subject_check(stat("stream.sock", &after) == 0 && after.st_mode == before.st_mode &&
                      after.st_uid == before.st_uid,
                  "the socket file has changed");
    talk(client, server, "the client");
    talk(accepted, packets, "the packet client");
    fcntl(file, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 2; i++) {
        int end = accept(file, NULL, NULL);
        talk(i ? second : waiting, end, "one that waited to be accepted");
    }
    subject_check(accept(file, NULL, NULL) < 0 && errno == EAGAIN, "one more waits");
    int late = connected(SOCK_STREAM, "stream.sock");
    subject_check(accept(file, NULL, NULL) >= 0, "nobody can connect any more");
    close(late);
    struct sockaddr_un from = {0};
    socklen_t size = sizeof from;
    subject_check(
        recvfrom(receiver, text, sizeof text, MSG_DONTWAIT, (struct sockaddr *)&from, &size) == 5 &&
            strcmp(from.sun_path, "sender.sock") == 0,
        "the datagram of the named sender is wrong");
    size = sizeof from;
    subject_check(
        recvfrom(receiver, text, sizeof text, MSG_DONTWAIT, (struct sockaddr *)&from, &size) == 8 &&
            size <= offsetof(struct sockaddr_un, sun_path),
        "the datagram of the nameless sender is wrong");
    talk(nameless, receiver, "the datagram socket");
    struct sockaddr_un now = {0};
    size = sizeof now;
    subject_check(getsockname(automatic, (struct sockaddr *)&now, &size) == 0 &&
                      size == given_length && memcmp(&now, &given, size) == 0,
                  "the automatic name is another one");
    return subject_done();
}
