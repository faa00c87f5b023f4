/* socket_refusals.c: what of a socket could not be made again is refused before anything is
 * stopped, and what each message says to do about it works. */
#include "remake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { NOBODY = 65534 };

static void expect_refusal(int fd, const char *what, const char *remedy)
{
    struct remake remake;
    remake_describe(&remake, &fd, 1, false);
    assert_int_equal(remake.refusals.count, 1);
    const struct recap_error *refusal = &remake.refusals.items[0];
    assert_int_equal(refusal->cls, RECAP_UNSUPPORTED);
    if (!strstr(refusal->what, what))
        fail_msg("it is called: %s", refusal->what);
    if (!strstr(refusal->remedy, remedy))
        fail_msg("its remedy is: %s", refusal->remedy);
    remake_free(&remake);
}

/* Refused to an ordinary user; root, as the message says, can have it back. The socket is closed.
 */
static void expect_for_root_alone(int fd, const char *what)
{
    struct remake remake;
    assert_int_equal(setresuid(NOBODY, NOBODY, 0), 0);
    expect_refusal(fd, what, "as root");
    assert_int_equal(setresuid(0, 0, 0), 0);
    remake_all(&remake, &fd, 1);
    close(fd);
    remake_free(&remake);
}

static void expect_none(int fd)
{
    struct remake remake;
    remake_describe(&remake, &fd, 1, false);
    if (remake.refusals.count)
        fail_msg("refused: %s", remake.refusals.items[0].what);
    remake_free(&remake);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int at_loopback(int type, struct sockaddr_in *at)
{
    int fd = socket(AF_INET, type, 0);
    socklen_t size = sizeof *at;
    *at = loopback(0);
    assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof *at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)at, &size), 0);
    return fd;
}

static void test_what_only_root_may(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), size = 64 << 20, priority = 7;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size), 0);
    expect_for_root_alone(fd, "SO_SNDBUF");
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority), 0);
    expect_for_root_alone(fd, "SO_PRIORITY");
    static const unsigned char padding[8] = {0, 0, 1, 4};
    fd = socket(AF_INET6, SOCK_DGRAM, 0);
    assert_int_equal(setsockopt(fd, SOL_IPV6, IPV6_DSTOPTS, padding, sizeof padding), 0);
    expect_for_root_alone(fd, "IPV6_DSTOPTS");
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (size_t i = 0; i < 2; i++) {
        fd = socket(AF_INET, types[i], 0);
        struct sockaddr_in at = loopback(900);
        while (bind(fd, (struct sockaddr *)&at, sizeof at) < 0 && errno == EADDRINUSE)
            at.sin_port = htons((uint16_t)(ntohs(at.sin_port) - 1));
        expect_for_root_alone(fd, "which you may not bind");
    }
}

static void test_what_waits_in_an_ended_connection(void **state)
{
    (void)state;
    struct sockaddr_in at;
    char text[8];
    int listener = at_loopback(SOCK_STREAM, &at), fd = socket(AF_INET, SOCK_STREAM, 0);
    listen(listener, 5);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    expect_refusal(listener, "waits to be accepted", "try again");
    int server = accept(listener, NULL, NULL);
    expect_none(listener); /* the remedy */
    assert_int_equal(send(server, "left", 4, 0), 4);
    shutdown(fd, SHUT_WR);
    shutdown(server, SHUT_WR);
    struct tcp_info info = {0};
    for (int i = 0; i < 5000 && info.tcpi_state != TCP_CLOSE; i++, usleep(1000)) {
        socklen_t size = sizeof info;
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
    }
    expect_refusal(fd, "data of a connection that has ended", "try again");
    assert_int_equal(recv(fd, text, sizeof text, 0), 4);
    expect_none(fd);
    close(fd);
    close(server);
    close(listener);
}

/* Nobody answers where the backlog is full; when the listener is gone, somebody says so. */
static void test_an_attempt_to_connect(void **state)
{
    (void)state;
    enum { CALLERS = 4 };
    struct sockaddr_in at;
    int listener = at_loopback(SOCK_STREAM, &at), callers[CALLERS], waiting = -1, code = 0;
    socklen_t size = sizeof code;
    listen(listener, 0);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(callers[i], (struct sockaddr *)&at, sizeof at);
        struct pollfd poll_one = {.fd = callers[i], .events = POLLOUT};
        if (poll(&poll_one, 1, 200) == 0)
            waiting = callers[i];
    }
    assert_true(waiting >= 0);
    expect_refusal(waiting, "connecting", "try again once it is connected or not");
    close(listener);
    struct pollfd poll_one = {.fd = waiting};
    assert_int_equal(poll(&poll_one, 1, 20000), 1);
    expect_refusal(waiting, "the error of a connection", "try again");
    assert_int_equal(getsockopt(waiting, SOL_SOCKET, SO_ERROR, &code, &size), 0);
    assert_int_equal(code, ECONNREFUSED);
    expect_none(waiting);
    for (int i = 0; i < CALLERS; i++)
        close(callers[i]);
}

/* Somebody has the address at the restore: it fails, and once that one has ended it does not. */
static void expect_again(int fd, int occupant_of_type, int domain, const void *at, socklen_t size,
                         const char *what)
{
    struct remake remake;
    remake_describe(&remake, &fd, 1, true);
    assert_int_equal(remake.refusals.count, 0);
    int occupant = socket(domain, occupant_of_type, domain == AF_NETLINK ? NETLINK_USERSOCK : 0);
    assert_int_equal(bind(occupant, at, size), 0);
    assert_int_equal(remake_create(&remake, &fd), -EADDRINUSE);
    assert_non_null(strstr(remake.error.what, what));
    assert_non_null(strstr(remake.error.remedy, "end who"));
    close(occupant);
    free(remake.badges);
    assert_int_equal(remake_create(&remake, &fd), 0);
    close(fd);
    remake_free(&remake);
}

static void test_an_address_that_is_in_use_by_then(void **state)
{
    (void)state;
    struct sockaddr_in at;
    int fd = at_loopback(SOCK_DGRAM, &at);
    expect_again(fd, SOCK_DGRAM, AF_INET, &at, sizeof at, "in use");
    fd = at_loopback(SOCK_STREAM, &at);
    expect_again(fd, SOCK_STREAM, AF_INET, &at, sizeof at, "in use");
    const struct sockaddr_nl port = {.nl_family = AF_NETLINK, .nl_pid = 4712};
    fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);
    assert_int_equal(bind(fd, (const struct sockaddr *)&port, sizeof port), 0);
    expect_again(fd, SOCK_RAW, AF_NETLINK, &port, sizeof port, "port 4712");
}

/* A network of our own, with an address in it, that is gone when the descriptor is closed. -1: not
 * here. */
static int open_network(const char *name, const char *address)
{
    struct ifreq device = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    struct sockaddr_in *at = (struct sockaddr_in *)&device.ifr_addr;
    int tunnel = open("/dev/net/tun", O_RDWR | O_CLOEXEC), fd = socket(AF_INET, SOCK_DGRAM, 0);
    strcpy(device.ifr_name, name);
    if (tunnel < 0 || ioctl(tunnel, TUNSETIFF, &device) < 0) {
        close(fd);
        return -1;
    }
    *at = (struct sockaddr_in){.sin_family = AF_INET};
    inet_pton(AF_INET, address, &at->sin_addr);
    assert_int_equal(ioctl(fd, SIOCSIFADDR, &device), 0);
    inet_pton(AF_INET, "255.255.255.0", &at->sin_addr);
    assert_int_equal(ioctl(fd, SIOCSIFNETMASK, &device), 0);
    device.ifr_flags = IFF_UP;
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &device), 0);
    close(fd);
    return tunnel;
}

/* A peer that can be reached no more, an address and a device that are there no more. */
static void test_a_network_that_has_gone(void **state)
{
    (void)state;
    struct remake remake;
    int outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (unshare(CLONE_NEWNET) < 0) {
        close(outside);
        skip(); /* takes a privilege */
    }
    int network = open_network("recap-gone", "192.0.2.1");
    if (network < 0) {
        assert_int_equal(setns(outside, CLONE_NEWNET), 0);
        close(outside);
        skip(); /* a kernel without such devices */
    }
    enum { CONNECTED, BOUND, TIED, COUNT };
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(9)};
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
    inet_pton(AF_INET, "192.0.2.2", &at.sin_addr);
    assert_int_equal(connect(fds[CONNECTED], (struct sockaddr *)&at, sizeof at), 0);
    inet_pton(AF_INET, "192.0.2.1", &at.sin_addr);
    assert_int_equal(bind(fds[BOUND], (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(setsockopt(fds[TIED], SOL_SOCKET, SO_BINDTODEVICE, "recap-gone", 11), 0);
    remake_all(&remake, fds, COUNT);
    remake_free(&remake);
    close(network);
    expect_refusal(fds[CONNECTED], "connected to 192.0.2.2:9", "--external");
    expect_refusal(fds[TIED], "SO_BINDTODEVICE", "--external");
    remake_all(&remake, &fds[BOUND], 1);
    struct sockaddr_in now = {0};
    socklen_t size = sizeof now;
    assert_int_equal(getsockname(fds[BOUND], (struct sockaddr *)&now, &size), 0);
    assert_memory_equal(&now, &at, sizeof now);
    remake_free(&remake);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    assert_int_equal(setns(outside, CLONE_NEWNET), 0);
    close(outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_only_root_may),
        cmocka_unit_test(test_what_waits_in_an_ended_connection),
        cmocka_unit_test(test_an_attempt_to_connect),
        cmocka_unit_test(test_an_address_that_is_in_use_by_then),
        cmocka_unit_test(test_a_network_that_has_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
