/* inet_sockets.c: TCP sockets come back with their addresses and options, as long as they are not
 * connected, and sockets of either protocol at addresses that are not there. */
#include "addresses.h"
#include "kernel/linux/objects/sockets/inet/diag.h"
#include "remake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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

static void test_tcp_listeners(void **state)
{
    (void)state;
    struct remake remake;
    enum { FOUR, SIX, BOUND, FRESH, ENDED, COUNT };
    int fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = socket(i == SIX ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    bind_loopback(fds[FOUR], 0);
    set_option(fds[FOUR], SOL_SOCKET, SO_RCVBUF, 20000);
    set_option(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    set_option(fds[FOUR], IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fds[FOUR], SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fds[FOUR], IPPROTO_TCP, TCP_KEEPIDLE, 77);
    set_option(fds[FOUR], SOL_IP, IP_TTL, 9);
    struct linger linger = {1, 7};
    setsockopt(fds[FOUR], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    listen(fds[FOUR], 17);
    set_option(fds[SIX], SOL_IPV6, IPV6_V6ONLY, 1);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6};
    assert_int_equal(bind(fds[SIX], (struct sockaddr *)&any, sizeof any), 0);
    listen(fds[SIX], 5);
    bind_loopback(fds[BOUND], 0);
    fcntl(fds[FRESH], F_SETFL, O_NONBLOCK);
    uint16_t four = port_of(fds[FOUR]), six = port_of(fds[SIX]), bound = port_of(fds[BOUND]);
    struct sockaddr_in to = loopback(four);
    set_option(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
    assert_int_equal(connect(fds[ENDED], (struct sockaddr *)&to, sizeof to), 0);
    int server = accept(fds[FOUR], NULL, NULL);
    set_option(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
    int defer = option_of(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT);
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
    int size = option_of(fds[FOUR], SOL_SOCKET, SO_RCVBUF);
    remake_all(&remake, fds, COUNT);
    assert_int_equal(port_of(fds[FOUR]), four);
    assert_int_equal(port_of(fds[SIX]), six);
    assert_int_equal(port_of(fds[BOUND]), bound);
    assert_int_equal(port_of(fds[FRESH]), 0);
    assert_true(fcntl(fds[FRESH], F_GETFL) & O_NONBLOCK);
    assert_int_equal(option_of(fds[FOUR], SOL_SOCKET, SO_RCVBUF), size);
    assert_int_equal(option_of(fds[FOUR], SOL_SOCKET, SO_REUSEADDR), 0);
    assert_int_equal(option_of(fds[FOUR], IPPROTO_TCP, TCP_DEFER_ACCEPT), defer);
    assert_int_equal(option_of(fds[FOUR], IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(fds[FOUR], IPPROTO_TCP, TCP_KEEPIDLE), 77);
    assert_int_equal(option_of(fds[FOUR], SOL_IP, IP_TTL), 9);
    assert_int_equal(option_of(fds[SIX], SOL_IPV6, IPV6_V6ONLY), 1);
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
                struct sockaddr_storage at = local_address(absent[a].family, absent[a].address),
                                        now;
                socklen_t size = sizeof at;
                int fd = socket(absent[a].family, types[t], 0);
                set_option(fd, SOL_IP, IP_FREEBIND, 1);
                assert_int_equal(bind(fd, (struct sockaddr *)&at, length_of(&at)), 0);
                set_option(fd, SOL_IP, IP_FREEBIND, still);
                assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
                remake_all(&remake, &fd, 1);
                memset(&now, 0, sizeof now);
                size = sizeof now;
                assert_int_equal(getsockname(fd, (struct sockaddr *)&now, &size), 0);
                assert_memory_equal(&now, &at, size);
                assert_int_equal(option_of(fd, SOL_IP, IP_FREEBIND), still);
                close(fd);
                remake_free(&remake);
            }
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
    struct sockaddr_storage at = local_address(family, address);
    socklen_t size = sizeof at;
    int listener = socket(family, SOCK_STREAM, 0), ends[2] = {socket(family, SOCK_STREAM, 0), -1};
    set_option(listener, SOL_SOCKET, SO_REUSEADDR,
               1); /* as servers do; else their ports are blocked */
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
        assert_int_equal(option_of(ends[0], SOL_SOCKET, SO_ERROR), ECONNREFUSED);
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
    option_of(kept, SOL_SOCKET, SO_ERROR); /* takes the error of a reset */
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
    seen->error = option_of(fd, SOL_SOCKET, SO_ERROR);
    /* And of what it still can do: connect to where somebody listens. */
    int listener = socket(seen->name.ss_family, SOCK_STREAM, 0);
    to = local_address(seen->name.ss_family, seen->name.ss_family == AF_INET ? "127.0.0.1" : "::1");
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
    for (size_t place = 0; place < PLACES; place++)
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
        set_option(fds[i], SOL_SOCKET, SO_REUSEADDR, 1);
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
    for (size_t place = 0; place < PLACES; place++) {
        struct remake remake;
        struct sockaddr_storage at = local_address(places[place].family, places[place].address);
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
            key.tcpm_addr = local_address(places[place].family, peers[place][i]);
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
        cmocka_unit_test(test_an_address_that_is_not_here),
        cmocka_unit_test(test_tcp_connections_that_have_ended),
        cmocka_unit_test(test_tcp_sockets_that_share_a_port),
        cmocka_unit_test(test_keys_of_listeners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
