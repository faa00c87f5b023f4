/* inet_sockets.c: TCP and UDP sockets come back with their addresses, options and datagrams; what
 * is connected by TCP is refused by name. */
#include "remake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_listeners),
        cmocka_unit_test(test_connections_are_refused),
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_udp_six),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
