/* inet_sockets.c: TCP and UDP sockets come back with their addresses, options and datagrams; what
 * is connected by TCP is refused by name. */
#include "remake.h"

#include "kernel/linux/objects/inet_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static void bind_loopback(int fd, uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
}

static int number(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    getsockopt(fd, level, option, &value, &size);
    return value;
}

static void set(int fd, int level, int option, int value)
{
    assert_int_equal(setsockopt(fd, level, option, &value, sizeof value), 0);
}

static void test_tcp_listeners(void **state)
{
    (void)state;
    struct remake remake;
    enum { FOUR, SIX, BOUND, FRESH, ENDED, COUNT };
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = socket(i == SIX ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    bind_loopback(fds[FOUR], 0);
    set(fds[FOUR], SOL_SOCKET, SO_RCVBUF, 20000);
    set(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    set(fds[FOUR], IPPROTO_TCP, TCP_NODELAY, 1);
    set(fds[FOUR], SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fds[FOUR], IPPROTO_TCP, TCP_KEEPIDLE, 77);
    set(fds[FOUR], SOL_IP, IP_TTL, 9);
    struct linger linger = {1, 7};
    setsockopt(fds[FOUR], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    listen(fds[FOUR], 17);
    set(fds[SIX], SOL_IPV6, IPV6_V6ONLY, 1);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    assert_int_equal(bind(fds[SIX], (struct sockaddr *)&any, sizeof any), 0);
    listen(fds[SIX], 5);
    bind_loopback(fds[BOUND], 0);
    fcntl(fds[FRESH], F_SETFL, O_NONBLOCK);
    uint16_t four = port_of(fds[FOUR]), six = port_of(fds[SIX]), bound = port_of(fds[BOUND]);
    struct sockaddr_in to = loopback(four);
    set(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
    assert_int_equal(connect(fds[ENDED], (struct sockaddr *)&to, sizeof to), 0);
    int server = accept(fds[FOUR], NULL, NULL);
    set(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    int defer = number(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT);
    shutdown(fds[ENDED], SHUT_WR);
    shutdown(server, SHUT_WR);
    close(server); /* both sides ended: the client is in TIME_WAIT, the server in CLOSE */
    for (int i = 0; i < 100; i++) {
        struct tcp_info info;
        socklen_t size = sizeof info;
        getsockopt(fds[ENDED], IPPROTO_TCP, TCP_INFO, &info, &size);
        if (info.tcpi_state == TCP_CLOSE)
            break;
        usleep(1000);
    }
    int size = number(fds[FOUR], SOL_SOCKET, SO_RCVBUF);
    remake_all(&remake, fds, COUNT);
    assert_int_equal(port_of(fds[FOUR]), four);
    assert_int_equal(port_of(fds[SIX]), six);
    assert_int_equal(port_of(fds[BOUND]), bound);
    assert_int_equal(port_of(fds[FRESH]), 0);
    assert_true(fcntl(fds[FRESH], F_GETFL) & O_NONBLOCK);
    assert_int_equal(number(fds[FOUR], SOL_SOCKET, SO_RCVBUF), size);
    assert_int_equal(number(fds[FOUR], SOL_SOCKET, SO_REUSEADDR), 0);
    assert_int_equal(number(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT), defer);
    assert_int_equal(number(fds[FOUR], IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(number(fds[FOUR], IPPROTO_TCP, TCP_KEEPIDLE), 77);
    assert_int_equal(number(fds[FOUR], SOL_IP, IP_TTL), 9);
    assert_int_equal(number(fds[SIX], SOL_IPV6, IPV6_V6ONLY), 1);
    socklen_t length = sizeof linger;
    linger = (struct linger){0};
    getsockopt(fds[FOUR], SOL_SOCKET, SO_LINGER, &linger, &length);
    assert_int_equal(linger.l_linger, 7);
    struct tcp_info info;
    length = sizeof info;
    getsockopt(fds[FOUR], IPPROTO_TCP, TCP_INFO, &info, &length);
    assert_int_equal(info.tcpi_state, TCP_LISTEN);
    assert_int_equal(info.tcpi_sacked, 17);
    char byte;
    assert_int_equal(recv(fds[ENDED], &byte, 1, MSG_DONTWAIT), 0);
    assert_int_equal(recv(fds[FRESH], &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, ENOTCONN);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    remake_free(&remake);
}

static void test_connections_are_refused(void **state)
{
    (void)state;
    struct remake remake;
    int fds[2] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_STREAM, 0)};
    bind_loopback(fds[0], 0);
    listen(fds[0], 5);
    struct sockaddr_in to = loopback(port_of(fds[0]));
    assert_int_equal(connect(fds[1], (struct sockaddr *)&to, sizeof to), 0);
    remake_describe(&remake, fds, 2, false);
    assert_int_equal(remake.refusals.count, 2);
    assert_non_null(strstr(remake.refusals.items[0].what, "waits to be accepted at 127.0.0.1:"));
    assert_non_null(strstr(remake.refusals.items[1].what, "127.0.0.1:"));
    assert_non_null(strstr(remake.refusals.items[1].remedy, "=tcp:127.0.0.1:"));
    close(fds[0]);
    close(fds[1]);
    remake_free(&remake);
}

static void test_udp(void **state)
{
    (void)state;
    struct remake remake;
    enum { RECEIVER, SENDER, CONNECTED, GROUP, COUNT };
    int fds[COUNT];
    char text[64];
    for (int i = 0; i < COUNT; i++)
        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
    bind_loopback(fds[RECEIVER], 0);
    bind_loopback(fds[SENDER], 0);
    struct sockaddr_in to = loopback(port_of(fds[RECEIVER])), from;
    int gone = socket(AF_INET, SOCK_DGRAM, 0);
    bind_loopback(gone, 0);
    uint16_t ports[3] = {port_of(fds[SENDER]), port_of(gone), 0};
    sendto(fds[SENDER], "inside", 6, 0, (struct sockaddr *)&to, sizeof to);
    sendto(gone, "", 0, 0, (struct sockaddr *)&to, sizeof to);
    assert_int_equal(connect(fds[CONNECTED], (struct sockaddr *)&to, sizeof to), 0);
    ports[2] = port_of(fds[CONNECTED]);
    assert_int_equal(write(fds[CONNECTED], "connected", 9), 9);
    close(gone);
    set(fds[RECEIVER], SOL_IP, IP_PKTINFO, 1);
    struct ip_mreqn group = {.imr_multiaddr.s_addr = inet_addr("239.1.2.3"),
                             .imr_ifindex = (int)if_nametoindex("lo")};
    assert_int_equal(setsockopt(fds[GROUP], SOL_IP, IP_ADD_MEMBERSHIP, &group, sizeof group), 0);
    remake_all(&remake, fds, COUNT);
    static const char *const expected[] = {"inside", "", "connected"};
    for (int i = 0; i < 3; i++) {
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(fds[RECEIVER], text, sizeof text, MSG_DONTWAIT,
                               (struct sockaddr *)&from, &size);
        assert_int_equal(got, strlen(expected[i]));
        assert_memory_equal(text, expected[i], strlen(expected[i]));
        assert_int_equal(ntohs(from.sin_port), ports[i]);
    }
    assert_int_equal(recv(fds[RECEIVER], text, 1, MSG_DONTWAIT), -1);
    assert_int_equal(number(fds[RECEIVER], SOL_IP, IP_PKTINFO), 1);
    assert_int_equal(port_of(fds[CONNECTED]), ports[2]);
    assert_int_equal(write(fds[CONNECTED], "again", 5), 5);
    assert_int_equal(recv(fds[RECEIVER], text, sizeof text, 0), 5);
    assert_int_equal(setsockopt(fds[GROUP], SOL_IP, IP_ADD_MEMBERSHIP, &group, sizeof group), -1);
    assert_int_equal(errno, EADDRINUSE);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    remake_free(&remake);
}

static void test_udp_six(void **state)
{
    (void)state;
    struct remake remake;
    char text[16];
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    socklen_t size = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &size);
    struct ipv6_mreq group = {.ipv6mr_interface = if_nametoindex("lo")};
    inet_pton(AF_INET6, "ff01::77", &group.ipv6mr_multiaddr);
    assert_int_equal(setsockopt(fd, SOL_IPV6, IPV6_JOIN_GROUP, &group, sizeof group), 0);
    sendto(fd, "self", 4, 0, (struct sockaddr *)&address, sizeof address);
    remake_all(&remake, &fd, 1);
    assert_int_equal(recv(fd, text, sizeof text, MSG_DONTWAIT), 4);
    assert_int_equal(setsockopt(fd, SOL_IPV6, IPV6_JOIN_GROUP, &group, sizeof group), -1);
    close(fd);
    remake_free(&remake);
}

static struct sockaddr_storage local(int family, const char *address)
{
    struct sockaddr_storage made = {.ss_family = (sa_family_t)family};
    void *bytes = family == AF_INET ? (void *)&((struct sockaddr_in *)&made)->sin_addr
                                    : &((struct sockaddr_in6 *)&made)->sin6_addr;
    assert_int_equal(inet_pton(family, address, bytes), 1);
    return made;
}

static socklen_t length_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* The places where a datagram socket can be. */
static const struct {
    int family;
    const char *address;
} places[] = {
    {AF_INET, "127.0.0.1"},
    {AF_INET6, "::1"},
    {AF_INET6, "::ffff:127.0.0.1"},
};

/* What shutdown(2) does to a socket, as far as it can be seen. */
static int shut(int fd)
{
    struct pollfd poll_one = {.fd = fd, .events = POLLRDHUP};
    poll(&poll_one, 1, 0);
    bool sends = send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 || errno != EPIPE;
    return (poll_one.revents & POLLRDHUP ? 1 : 0) | (poll_one.revents & POLLHUP ? 2 : 0) |
           (sends ? 0 : 4);
}

static void test_udp_shut_down(void **state)
{
    (void)state;
    static const int protocols[] = {IPPROTO_UDP, IPPROTO_UDPLITE};
    for (size_t place = 0; place < sizeof places / sizeof *places; place++)
        for (size_t p = 0; p < 2; p++)
            for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
                struct remake remake;
                int fds[2];
                struct sockaddr_storage at = local(places[place].family, places[place].address);
                socklen_t size = sizeof at;
                for (int i = 0; i < 2; i++)
                    fds[i] = socket(places[place].family, SOCK_DGRAM, protocols[p]);
                if (fds[0] < 0)
                    continue; /* a kernel without UDP-Lite */
                int on = 1, sink = socket(places[place].family, SOCK_DGRAM, protocols[p]);
                struct sockaddr_storage to = at;
                assert_int_equal(bind(sink, (struct sockaddr *)&to, length_of(&to)), 0);
                assert_int_equal(getsockname(sink, (struct sockaddr *)&to, &size), 0);
                /* Sharing the port hides which of two is meant. */
                setsockopt(fds[0], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
                assert_int_equal(bind(fds[0], (struct sockaddr *)&at, length_of(&at)), 0);
                assert_int_equal(getsockname(fds[0], (struct sockaddr *)&at, &size), 0);
                setsockopt(fds[1], SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
                assert_int_equal(bind(fds[1], (struct sockaddr *)&at, length_of(&at)), 0);
                for (int i = 0; i < 2; i++)
                    assert_int_equal(connect(fds[i], (struct sockaddr *)&to, length_of(&to)), 0);
                assert_int_equal(shutdown(fds[1], how), 0);
                int before[2] = {shut(fds[0]), shut(fds[1])};
                assert_true(before[1] != 0);
                remake_all(&remake, fds, 2);
                for (int i = 0; i < 2; i++) {
                    assert_int_equal(shut(fds[i]), before[i]);
                    close(fds[i]);
                }
                close(sink);
                remake_free(&remake);
            }
}

static void test_udp_queues_of_a_shared_port(void **state)
{
    (void)state;
    enum { COUNT = 8, MESSAGES = 40 };
    struct remake remake;
    int fds[COUNT], waiting[COUNT] = {0};
    struct sockaddr_in at = loopback(0);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
        set(fds[i], SOL_SOCKET, SO_REUSEPORT, 1);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&at, sizeof at), 0);
        at = loopback(port_of(fds[0]));
    }
    for (int i = 0; i < MESSAGES; i++) {
        int sender = socket(AF_INET, SOCK_DGRAM, 0);
        assert_int_equal(sendto(sender, "x", 1, 0, (struct sockaddr *)&at, sizeof at), 1);
        close(sender);
    }
    char text[4];
    for (int i = 0; i < COUNT; i++) {
        int first = (int)recv(fds[i], text, sizeof text, MSG_PEEK | MSG_DONTWAIT);
        waiting[i] = first == 1;
    }
    remake_all(&remake, fds, COUNT);
    int all = 0;
    for (int i = 0; i < COUNT; i++) {
        struct sockaddr_in peer;
        socklen_t size = sizeof peer;
        int mine = 0;
        while (recv(fds[i], text, sizeof text, MSG_DONTWAIT) == 1)
            mine++;
        assert_int_equal(mine > 0, waiting[i]);
        all += mine;
        assert_int_equal(getpeername(fds[i], (struct sockaddr *)&peer, &size), -1);
        assert_int_equal(port_of(fds[i]), ntohs(at.sin_port));
        close(fds[i]);
    }
    assert_int_equal(all, MESSAGES);
    remake_free(&remake);
}

static void test_udp_shut_down_without_an_address(void **state)
{
    (void)state;
    for (int how = SHUT_RD; how <= SHUT_RDWR; how += SHUT_RDWR) {
        struct remake remake;
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        assert_int_equal(shutdown(fd, how), -1);
        int before = shut(fd);
        assert_true(before != 0);
        remake_all(&remake, &fd, 1);
        assert_int_equal(shut(fd), before);
        close(fd);
        remake_free(&remake);
    }
}

/* An address that no machine has: for documentation (RFC 5737, RFC 3849). */
static void test_an_address_that_is_not_here(void **state)
{
    (void)state;
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    static const struct {
        int family;
        const char *address;
    } absent[] = {{AF_INET, "192.0.2.77"}, {AF_INET6, "2001:db8::77"}};
    for (size_t a = 0; a < 2; a++)
        for (size_t t = 0; t < 2; t++)
            for (int still = 0; still < 2; still++) {
                struct remake remake;
                struct sockaddr_storage at = local(absent[a].family, absent[a].address), now;
                socklen_t size = sizeof at;
                int fd = socket(absent[a].family, types[t], 0);
                set(fd, SOL_IP, IP_FREEBIND, 1);
                assert_int_equal(bind(fd, (struct sockaddr *)&at, length_of(&at)), 0);
                set(fd, SOL_IP, IP_FREEBIND, still);
                assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
                remake_all(&remake, &fd, 1);
                memset(&now, 0, sizeof now);
                size = sizeof now;
                assert_int_equal(getsockname(fd, (struct sockaddr *)&now, &size), 0);
                assert_memory_equal(&now, &at, size);
                assert_int_equal(number(fd, SOL_IP, IP_FREEBIND), still);
                close(fd);
                remake_free(&remake);
            }
}

static void expect_refusal(int fd, const char *what, const char *remedy)
{
    struct remake remake;
    remake_describe(&remake, &fd, 1, false);
    assert_int_equal(remake.refusals.count, 1);
    if (!strstr(remake.refusals.items[0].what, what))
        fail_msg("it is called: %s", remake.refusals.items[0].what);
    assert_non_null(strstr(remake.refusals.items[0].remedy, remedy));
    remake_free(&remake);
}

static void expect_none(int fd)
{
    struct remake remake;
    remake_describe(&remake, &fd, 1, false);
    assert_int_equal(remake.refusals.count, 0);
    remake_free(&remake);
}

static void test_udp_with_something_under_way(void **state)
{
    (void)state;
    int receiver = socket(AF_INET, SOCK_DGRAM, 0), fd = socket(AF_INET, SOCK_DGRAM, 0);
    bind_loopback(receiver, 0);
    struct sockaddr_in to = loopback(port_of(receiver));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, "half", 4, MSG_MORE), 4);
    expect_refusal(fd, "being put together", "try again");
    assert_int_equal(send(fd, "done", 4, 0), 4);
    expect_none(fd); /* the remedy */
    close(receiver);
    /* Nobody is there any more: the answer to this is an error. */
    assert_int_equal(send(fd, "x", 1, 0), 1);
    struct pollfd poll_one = {.fd = fd};
    assert_int_equal(poll(&poll_one, 1, 5000), 1);
    expect_refusal(fd, "an error waits", "try again");
    assert_int_equal(number(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    expect_none(fd);
    close(fd);
}

/* --- TCP sockets that are done with a connection --- */

enum ending { BOTH_CLOSE, WE_CLOSE_FIRST, RESET, REFUSED, DISCONNECTED, ONLY_SHUT, ENDINGS };

static void wait_until_ended(int fd)
{
    struct tcp_info info = {0};
    for (int i = 0; i < 5000; i++) {
        socklen_t size = sizeof info;
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
        if (info.tcpi_state == TCP_CLOSE)
            return;
        usleep(1000);
    }
    fail_msg("the connection does not end");
}

/* A TCP socket that got there in that way; as the one that connected or the one that accepted. */
static int ended(int family, const char *address, enum ending how, bool accepted)
{
    struct sockaddr_storage at = local(family, address);
    socklen_t size = sizeof at;
    int listener = socket(family, SOCK_STREAM, 0), ends[2] = {socket(family, SOCK_STREAM, 0), -1};
    set(listener, SOL_SOCKET, SO_REUSEADDR, 1); /* as servers do; else their ports are blocked */
    assert_int_equal(bind(listener, (struct sockaddr *)&at, length_of(&at)), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    if (how == ONLY_SHUT) {
        close(listener);
        assert_int_equal(shutdown(ends[0], SHUT_RDWR), -1);
        return ends[0];
    }
    if (how == REFUSED) {
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        connect(ends[0], (struct sockaddr *)&at, size);
        wait_until_ended(ends[0]);
        assert_int_equal(number(ends[0], SOL_SOCKET, SO_ERROR), ECONNREFUSED);
        close(listener);
        return ends[0];
    }
    assert_int_equal(listen(listener, 5), 0);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&at, size), 0);
    ends[1] = accept(listener, NULL, NULL);
    int kept = ends[accepted], other = ends[!accepted];
    const struct linger reset = {1, 0};
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    if (how == BOTH_CLOSE || how == WE_CLOSE_FIRST) {
        shutdown(how == BOTH_CLOSE ? other : kept, SHUT_WR);
        shutdown(how == BOTH_CLOSE ? kept : other, SHUT_WR);
    } else if (how == RESET) {
        setsockopt(other, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    } else {
        assert_int_equal(connect(kept, &nobody, sizeof nobody), 0);
    }
    close(other);
    wait_until_ended(kept);
    number(kept, SOL_SOCKET, SO_ERROR); /* takes the error of a reset */
    close(listener);
    return kept;
}

/* All that a program can see of such a socket. */
struct seen {
    struct sockaddr_storage name;
    int name_of, peer_of, events, received, received_error, sent_error, error;
    int connected, connected_error, listens, listens_error;
};

/* But for the name, which two sockets cannot share. */
static bool same(const struct seen *a, const struct seen *b)
{
    return a->name_of == b->name_of && a->peer_of == b->peer_of && a->events == b->events &&
           a->received == b->received && a->received_error == b->received_error &&
           a->sent_error == b->sent_error && a->error == b->error && a->connected == b->connected &&
           a->connected_error == b->connected_error && a->listens == b->listens &&
           a->listens_error == b->listens_error;
}

static void see(int fd, struct seen *seen)
{
    struct sockaddr_storage peer, to;
    struct pollfd poll_one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    socklen_t size = sizeof seen->name;
    char byte;
    *seen = (struct seen){0};
    seen->name_of = getsockname(fd, (struct sockaddr *)&seen->name, &size);
    size = sizeof peer;
    seen->peer_of = getpeername(fd, (struct sockaddr *)&peer, &size);
    poll(&poll_one, 1, 0);
    seen->events = poll_one.revents;
    seen->received = (int)recv(fd, &byte, 1, MSG_DONTWAIT);
    seen->received_error = seen->received < 0 ? errno : 0;
    seen->sent_error = send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? errno : 0;
    seen->error = number(fd, SOL_SOCKET, SO_ERROR);
    /* And of what it still can do: connect to where somebody listens. */
    int listener = socket(seen->name.ss_family, SOCK_STREAM, 0);
    to = local(seen->name.ss_family, seen->name.ss_family == AF_INET ? "127.0.0.1" : "::1");
    assert_int_equal(bind(listener, (struct sockaddr *)&to, length_of(&to)), 0);
    assert_int_equal(listen(listener, 5), 0);
    size = sizeof to;
    assert_int_equal(getsockname(listener, (struct sockaddr *)&to, &size), 0);
    seen->listens = listen(fd, 1);
    seen->listens_error = seen->listens < 0 ? errno : 0;
    if (seen->listens < 0) {
        seen->connected = connect(fd, (struct sockaddr *)&to, size);
        seen->connected_error = seen->connected < 0 ? errno : 0;
    }
    close(listener);
}

static void test_tcp_connections_that_have_ended(void **state)
{
    (void)state;
    for (size_t place = 0; place < sizeof places / sizeof *places; place++)
        for (int how = 0; how < ENDINGS; how++)
            for (int accepted = 0; accepted < (how == REFUSED || how == ONLY_SHUT ? 1 : 2);
                 accepted++) {
                struct remake remake;
                struct seen before, after;
                const char *address = places[place].address;
                int twin = ended(places[place].family, address, (enum ending)how, accepted);
                int fd = ended(places[place].family, address, (enum ending)how, accepted);
                struct sockaddr_storage name = {0};
                socklen_t size = sizeof name;
                assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
                see(twin, &before);
                remake_all(&remake, &fd, 1);
                see(fd, &after);
                if (how == BOTH_CLOSE || how == WE_CLOSE_FIRST || how == RESET)
                    assert_memory_equal(&after.name, &name, size);
                if (!same(&before, &after))
                    fail_msg("%s, ending %d, %s: events %x %x, received %d %d (%d %d), sent %d %d, "
                             "error %d %d, connected %d %d, listens %d %d",
                             address, how, accepted ? "accepted" : "connected", before.events,
                             after.events, before.received, after.received, before.received_error,
                             after.received_error, before.sent_error, after.sent_error,
                             before.error, after.error, before.connected_error,
                             after.connected_error, before.listens_error, after.listens_error);
                close(twin);
                close(fd);
                remake_free(&remake);
            }
}

/* Two that were bound to one port before one of them listened, with the ended connections of it. */
static void test_tcp_sockets_that_share_a_port(void **state)
{
    (void)state;
    struct remake remake;
    enum { LISTENER, OTHER, SERVER, CLIENT, COUNT };
    int fds[COUNT];
    struct sockaddr_in at = loopback(0);
    for (int i = LISTENER; i <= OTHER; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        set(fds[i], SOL_SOCKET, SO_REUSEADDR, 1);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&at, sizeof at), 0);
        at = loopback(port_of(fds[0]));
    }
    assert_int_equal(listen(fds[LISTENER], 5), 0);
    fds[CLIENT] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fds[CLIENT], (struct sockaddr *)&at, sizeof at), 0);
    fds[SERVER] = accept(fds[LISTENER], NULL, NULL);
    shutdown(fds[CLIENT], SHUT_WR);
    shutdown(fds[SERVER], SHUT_WR);
    wait_until_ended(fds[CLIENT]);
    wait_until_ended(fds[SERVER]);
    remake_all(&remake, fds, COUNT);
    for (int i = 0; i < CLIENT; i++)
        assert_int_equal(port_of(fds[i]), ntohs(at.sin_port));
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    int server = accept(fds[LISTENER], NULL, NULL);
    assert_int_equal(write(client, "x", 1), 1);
    char byte;
    assert_int_equal(read(server, &byte, 1), 1);
    close(client);
    close(server);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    remake_free(&remake);
}

/* Keys of listening sockets for peers of either family. */
static void test_keys_of_listeners(void **state)
{
    (void)state;
    static const char *const peers[][2] = {
        {"127.0.0.2", NULL}, {"::2", "::ffff:127.0.0.3"}, {NULL, "::ffff:127.0.0.4"}};
    for (size_t place = 0; place < sizeof places / sizeof *places; place++) {
        struct remake remake;
        struct sockaddr_storage at = local(places[place].family, places[place].address);
        socklen_t size = sizeof at;
        int fd = socket(places[place].family, SOCK_STREAM, 0);
        struct stat status;
        void *before = NULL, *after = NULL;
        size_t length = 0, now = 0;
        assert_int_equal(bind(fd, (struct sockaddr *)&at, length_of(&at)), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
        for (size_t i = 0; i < 2; i++) {
            struct tcp_md5sig key = {.tcpm_keylen = 6, .tcpm_key = "secret"};
            if (!peers[place][i])
                continue;
            key.tcpm_addr = local(places[place].family, peers[place][i]);
            if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof key) < 0) {
                close(fd);
                skip(); /* a kernel without them */
            }
        }
        listen(fd, 5);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(linux_inet_diag_keys(&at, (uint32_t)status.st_ino, &before, &length), 0);
        remake_all(&remake, &fd, 1);
        assert_int_equal(fstat(fd, &status), 0);
        assert_int_equal(linux_inet_diag_keys(&at, (uint32_t)status.st_ino, &after, &now), 0);
        assert_int_equal(now, length);
        assert_true(length > 0 || geteuid() != 0);
        assert_memory_equal(before ? before : "", after ? after : "", length);
        free(before);
        free(after);
        close(fd);
        remake_free(&remake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_listeners),
        cmocka_unit_test(test_connections_are_refused),
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_udp_six),
        cmocka_unit_test(test_udp_shut_down),
        cmocka_unit_test(test_udp_queues_of_a_shared_port),
        cmocka_unit_test(test_udp_shut_down_without_an_address),
        cmocka_unit_test(test_an_address_that_is_not_here),
        cmocka_unit_test(test_udp_with_something_under_way),
        cmocka_unit_test(test_tcp_connections_that_have_ended),
        cmocka_unit_test(test_tcp_sockets_that_share_a_port),
        cmocka_unit_test(test_keys_of_listeners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
