/* interrupted_sockets.c: of the system calls that the subject `interrupted` tries: sockets.
 */
#include "interrupted.h"
#include "subject.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void limit_time(struct attempt *attempt, int fd, int name)
{
    struct timeval time = {TIMEOUT / SECOND, TIMEOUT % SECOND / 1000};
    if (attempt->span == RELATIVE)
        subject_need(setsockopt(fd, SOL_SOCKET, name, &time, sizeof time) == 0, "setsockopt: %m");
}

static void check_limit(struct attempt *attempt)
{
    struct timeval time;
    socklen_t length = sizeof time;
    int64_t wanted = attempt->span == RELATIVE ? TIMEOUT : 0;
    for (int name = SO_RCVTIMEO; name <= SO_SNDTIMEO; name++) {
        if (getsockopt((int)attempt->arguments[0], SOL_SOCKET, name, &time, &length) != 0)
            continue;
        int64_t ns = time.tv_sec * SECOND + time.tv_usec * 1000;
        subject_check(ns == 0 || ns == wanted, "the timeout of a socket is %lld ms",
                      (long long)(ns / MS));
        wanted -= ns;
    }
    subject_check(wanted == 0, "%s lost the timeout of its socket", attempt->call->name);
}

static void build_receive(struct attempt *attempt)
{
    subject_need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, attempt->fds) == 0,
                 "socketpair: %m");
    limit_time(attempt, attempt->fds[0], SO_RCVTIMEO);
    transfer(attempt, attempt->fds[0]);
}

static void build_receive_datagram(struct attempt *attempt)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    attempt->fds[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    attempt->fds[1] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof address;
    subject_need(bind(attempt->fds[0], (struct sockaddr *)&address, length) == 0 &&
                     getsockname(attempt->fds[0], (struct sockaddr *)&address, &length) == 0 &&
                     connect(attempt->fds[1], (struct sockaddr *)&address, length) == 0,
                 "UDP: %m");
    limit_time(attempt, attempt->fds[0], SO_RCVTIMEO);
    transfer(attempt, attempt->fds[0]);
}

/* The timeout counts only once a message has come. */
static void build_recvmmsg(struct attempt *attempt)
{
    build_receive(attempt);
    attempt->arguments[4] = time_of(attempt, 0);
}

static void build_send(struct attempt *attempt)
{
    subject_need(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, attempt->fds) == 0,
                 "socketpair: %m");
    fill(attempt->fds[1]);
    limit_time(attempt, attempt->fds[1], SO_SNDTIMEO);
    transfer(attempt, attempt->fds[1]);
}

static void drain_all(struct attempt *attempt)
{
    char bytes[4096];
    while (recv(attempt->fds[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        ;
}

static void listen_at(struct attempt *attempt)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name_of(attempt, "listens"));
    attempt->memory[0] = low_memory(sizeof address);
    memcpy(attempt->memory[0], &address, sizeof address);
    attempt->fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    subject_need(bind(attempt->fds[0], attempt->memory[0], sizeof address) == 0 &&
                     listen(attempt->fds[0], 0) == 0,
                 "listening: %m");
}

static void build_accept(struct attempt *attempt)
{
    listen_at(attempt);
    limit_time(attempt, attempt->fds[0], SO_RCVTIMEO);
    set(attempt, attempt->fds[0], 0, 0, 0, 0, 0);
}

static void wake_accept(struct attempt *attempt)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    subject_check(connect(fd, attempt->memory[0], sizeof(struct sockaddr_un)) == 0, "connect: %m");
}

/* To a socket that listens and takes no more. */
static void build_connect(struct attempt *attempt)
{
    listen_at(attempt);
    for (int i = 1; i < 3; i++)
        attempt->fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    subject_need(connect(attempt->fds[1], attempt->memory[0], sizeof(struct sockaddr_un)) == 0,
                 "connect: %m");
    limit_time(attempt, attempt->fds[2], SO_SNDTIMEO);
    set(attempt, attempt->fds[2], (long)attempt->memory[0], sizeof(struct sockaddr_un), 0, 0, 0);
}

static void wake_connect(struct attempt *attempt)
{
    subject_check(accept(attempt->fds[0], NULL, NULL) >= 0, "accept: %m");
}

static void build_socketcall(struct attempt *attempt)
{
    enum { RECV = 10 };
    build_receive(attempt);
    const int32_t arguments[] = {attempt->fds[0], (int32_t)attempt->arguments[1], LENGTH, 0};
    set(attempt, RECV, low_copy(arguments, sizeof arguments), 0, 0, 0, 0);
}

/* --- with a part done ------------------------------------------------------------------------- */

static void build_receive_all(struct attempt *attempt)
{
    build_receive(attempt);
    put(attempt->fds[1], "abc");
    set(attempt, attempt->fds[0], (long)low_memory(16), 10, MSG_WAITALL, 0, 0);
}

static void wake_receive_all(struct attempt *attempt)
{
    char rest[16];
    put(attempt->fds[1], "defghij");
    while (!attempt->done)
        usleep(1000);
    ssize_t left = recv(attempt->fds[0], rest, sizeof rest, MSG_DONTWAIT);
    subject_check(attempt->result + (left > 0 ? left : 0) == 10, "%ld and %zd bytes of 10 came",
                  attempt->result, left);
    subject_check(memcmp((char *)attempt->arguments[1], "abcdefghij", (size_t)attempt->result) == 0,
                  "other bytes came");
}

/* Of several messages, one has come. */
static void build_receive_several(struct attempt *attempt)
{
    build_receive_datagram(attempt);
    put(attempt->fds[1], "one");
    set(attempt, attempt->fds[0], header_of(attempt, true, 3), 3, 0, 0, 0);
}

static void wake_receive_several(struct attempt *attempt)
{
    char rest[LENGTH];
    put(attempt->fds[1], "two");
    put(attempt->fds[1], "thr");
    while (!attempt->done)
        usleep(1000);
    for (long i = attempt->result; i < 3; i++) {
        ssize_t length = recv(attempt->fds[0], rest, sizeof rest, MSG_DONTWAIT);
        subject_check(length == 3, "message %ld: %zd (%s)", i, length, strerrorname_np(errno));
    }
}

static const struct call calls[] = {
    CALL("read", "socket", 0, 3, SPANS, build_receive, WOKEN_BY(wake_pipe, 1), EXPIRED(-EAGAIN),
         RESTARTS, .check = check_limit),
    CALL("readv", "socket", 19, 145, SPANS, build_receive, WOKEN_BY(wake_pipe, 1), EXPIRED(-EAGAIN),
         RESTARTS, .check = check_limit),
    CALL("recvfrom", "socket", 45, 371, SPANS, build_receive, WOKEN_BY(wake_pipe, 1),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("recvfrom", "UDP socket", 45, 371, SPANS, build_receive_datagram, WOKEN_BY(wake_pipe, 1),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("recvmsg", "socket", 47, 372, SPANS, build_receive, WOKEN_BY(wake_pipe, 1),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("recvmmsg", "socket", 299, 337, SPANS, build_receive, WOKEN_BY(wake_pipe, 1),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("recvmmsg", "messages for long", 299, 337, LONG, build_recvmmsg, NARROW),
    CALL("recvmmsg_time64", "messages for long", -1, 417, LONG, build_recvmmsg),
    CALL("socketcall", "socket", -1, 102, FOR_EVER, build_socketcall, WOKEN_BY(wake_pipe, 1),
         RESTARTS),
    CALL("write", "full socket", 1, 4, SPANS, build_send, WOKEN_BY(drain_all, 16), EXPIRED(-EAGAIN),
         RESTARTS, .check = check_limit),
    CALL("sendto", "full socket", 44, 369, SPANS, build_send, WOKEN_BY(drain_all, LENGTH),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("sendmsg", "full socket", 46, 370, SPANS, build_send, WOKEN_BY(drain_all, LENGTH),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("sendmmsg", "full socket", 307, 345, SPANS, build_send, WOKEN_BY(drain_all, 1),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("connect", "full queue", 42, 362, SPANS, build_connect, WOKEN_BY(wake_connect, 0),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("accept", "listening socket", 43, -1, SPANS, build_accept, WOKEN_BY(wake_accept, ANY),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("accept4", "listening socket", 288, 364, SPANS, build_accept, WOKEN_BY(wake_accept, ANY),
         EXPIRED(-EAGAIN), RESTARTS, .check = check_limit),
    CALL("recvfrom", "socket, a part done", 45, 371, FOR_EVER, build_receive_all,
         WOKEN_BY(wake_receive_all, ANY), .partial = true),
    CALL("recvmmsg", "socket, a part done", 299, 337, FOR_EVER, build_receive_several,
         WOKEN_BY(wake_receive_several, ANY), .partial = true),
};
const struct call_table interrupted_sockets = {calls, sizeof calls / sizeof calls[0]};
