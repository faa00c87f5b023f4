/* udp_sockets.c: UDP sockets come back with their addresses, options and datagrams. */
#include "addresses.h"
#include "remake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

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
    set_option(fds[RECEIVER], SOL_IP, IP_PKTINFO, 1);
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
    assert_int_equal(option_of(fds[RECEIVER], SOL_IP, IP_PKTINFO), 1);
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
    for (size_t place = 0; place < PLACES; place++)
        for (size_t p = 0; p < 2; p++)
            for (int how = SHUT_RD; how <= SHUT_RDWR; how++) {
                struct remake remake;
                int fds[2];
                struct sockaddr_storage at =
                    local_address(places[place].family, places[place].address);
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
        set_option(fds[i], SOL_SOCKET, SO_REUSEPORT, 1);
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
    assert_int_equal(option_of(fd, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
    expect_none(fd);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp),
        cmocka_unit_test(test_udp_six),
        cmocka_unit_test(test_udp_shut_down),
        cmocka_unit_test(test_udp_queues_of_a_shared_port),
        cmocka_unit_test(test_udp_shut_down_without_an_address),
        cmocka_unit_test(test_udp_with_something_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
