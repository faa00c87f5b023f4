/* tcp.c: TCP sockets that are not connected keep address, backlog and options. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int number(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    getsockopt(fd, level, option, &value, &size);
    return value;
}

static void set(int fd, int level, int option, int value)
{
    subject_need(setsockopt(fd, level, option, &value, sizeof value) == 0, "setsockopt: %m");
}

static struct sockaddr_in6 name_of(int fd)
{
    struct sockaddr_in6 address = {0};
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    return address;
}

int main(void)
{
    int four = socket(AF_INET, SOCK_STREAM, 0), six = socket(AF_INET6, SOCK_STREAM, 0),
        bound = socket(AF_INET, SOCK_STREAM, 0),
        fresh = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    subject_need(bind(four, (struct sockaddr *)&local, sizeof local) == 0, "bind: %m");
    subject_need(bind(bound, (struct sockaddr *)&local, sizeof local) == 0, "bind: %m");
    set(six, SOL_IPV6, IPV6_V6ONLY, 1);
    subject_need(bind(six, (struct sockaddr *)&any, sizeof any) == 0, "bind: %m");
    set(four, SOL_SOCKET, SO_REUSEADDR, 1);
    set(four, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(four, SOL_SOCKET, SO_RCVBUF, 30000);
    set(four, IPPROTO_TCP, TCP_KEEPIDLE, 99);
    set(four, IPPROTO_TCP, TCP_FASTOPEN, 6);
    set(six, SOL_SOCKET, SO_REUSEPORT, 1);
    set(fresh, IPPROTO_TCP, TCP_NODELAY, 1);
    struct linger linger = {1, 4}, kept = {0};
    setsockopt(fresh, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    subject_need(listen(four, 13) == 0 && listen(six, 5) == 0, "listen: %m");
    struct sockaddr_in6 names[3] = {name_of(four), name_of(six), name_of(bound)};
    int buffer = number(four, SOL_SOCKET, SO_RCVBUF);

    subject_ready();
    subject_wait_go();

    const int fds[3] = {four, six, bound};
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in6 now = name_of(fds[i]);
        subject_check(memcmp(&now, &names[i], sizeof now) == 0, "address %d is another one", i);
    }
    subject_check(number(four, SOL_SOCKET, SO_REUSEADDR) == 1 &&
                      number(bound, SOL_SOCKET, SO_REUSEADDR) == 0 &&
                      number(four, SOL_SOCKET, SO_KEEPALIVE) == 1 &&
                      number(four, SOL_SOCKET, SO_RCVBUF) == buffer &&
                      number(four, IPPROTO_TCP, TCP_KEEPIDLE) == 99 &&
                      number(four, IPPROTO_TCP, TCP_FASTOPEN) == 6 &&
                      number(six, SOL_IPV6, IPV6_V6ONLY) == 1 &&
                      number(six, SOL_SOCKET, SO_REUSEPORT) == 1 &&
                      number(fresh, IPPROTO_TCP, TCP_NODELAY) == 1,
                  "an option is lost");
    socklen_t size = sizeof kept;
    subject_check(getsockopt(fresh, SOL_SOCKET, SO_LINGER, &kept, &size) == 0 && kept.l_linger == 4,
                  "SO_LINGER is lost");
    struct tcp_info info = {0};
    size = sizeof info;
    getsockopt(four, IPPROTO_TCP, TCP_INFO, &info, &size);
    subject_check(info.tcpi_state == TCP_LISTEN && info.tcpi_sacked == 13, "the backlog is %u",
                  info.tcpi_sacked);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    memcpy(&local, &names[0], sizeof local);
    subject_check(connect(client, (struct sockaddr *)&local, sizeof local) == 0, "connect: %m");
    int server = accept(four, NULL, NULL);
    char byte;
    subject_check(write(client, "x", 1) == 1 && read(server, &byte, 1) == 1, "no connection");
    subject_check(recv(fresh, &byte, 1, 0) < 0 && errno == ENOTCONN, "the fresh socket is not");
    return subject_done();
}
