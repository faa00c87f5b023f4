/* unix_sockets.c: Unix sockets come back with their names, their peers and what waits in them. */
#include "remake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static ssize_t send_with(int fd, const char *text, int carried)
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
    return sendmsg(fd, &header, 0);
}

/* Receives into `text`; the descriptor that came with it, or -1. */
static int receive(int fd, char *text, size_t size)
{
    _Alignas(struct cmsghdr) char control[256];
    struct iovec part = {text, size - 1};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    ssize_t got = recvmsg(fd, &header, MSG_DONTWAIT);
    assert_true(got >= 0);
    text[got] = '\0';
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    int carried = -1;
    if (c && c->cmsg_type == SCM_RIGHTS)
        memcpy(&carried, CMSG_DATA(c), sizeof carried);
    return carried;
}

static void test_stream_pair(void **state)
{
    (void)state;
    struct remake remake;
    int fds[2], counter = eventfd(5, 0);
    char text[64];
    uint64_t value;
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    struct timeval timeout = {3, 500000};
    setsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    assert_int_equal(write(fds[0], "first", 5), 5);
    assert_int_equal(send_with(fds[0], "second", counter), 6);
    assert_int_equal(write(fds[0], "third", 5), 5);
    assert_int_equal(send_with(fds[0], "fourth", fds[1]), 6);
    assert_int_equal(write(fds[1], "back", 4), 4);
    shutdown(fds[0], SHUT_WR);
    close(counter);
    remake_all(&remake, fds, 2);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    socklen_t size = sizeof timeout;
    timeout.tv_sec = 0;
    getsockopt(fds[1], SOL_SOCKET, SO_RCVTIMEO, &timeout, &size);
    assert_int_equal(timeout.tv_sec, 3);
    assert_int_equal(receive(fds[1], text, 6), -1);
    assert_string_equal(text, "first");
    counter = receive(fds[1], text, sizeof text);
    assert_true(counter >= 0);
    assert_string_equal(text, "second");
    assert_int_equal(read(counter, &value, 8), 8);
    assert_int_equal(value, 5);
    int carried = receive(fds[1], text, sizeof text);
    assert_string_equal(text, "thirdfourth");
    struct stat a, b;
    fstat(fds[1], &a);
    fstat(carried, &b);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(read(fds[1], text, 10), 0);
    assert_int_equal(send(fds[0], "x", 1, MSG_NOSIGNAL), -1);
    assert_int_equal(read(fds[0], text, 10), 4);
    assert_int_equal(write(fds[1], "still", 5), 5);
    close(counter);
    close(carried);
    close_all(fds, 2);
    remake_free(&remake);
}

static void test_large_stream(void **state)
{
    (void)state;
    struct remake remake;
    enum { SIZE = 150000 };
    int fds[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    char *data = malloc(SIZE), *back = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 + i / 251);
    assert_int_equal(send(fds[0], data, SIZE, MSG_DONTWAIT), SIZE);
    remake_all(&remake, fds, 2);
    assert_int_equal(recv(fds[1], back, SIZE, MSG_WAITALL), SIZE);
    assert_memory_equal(data, back, SIZE);
    free(data);
    free(back);
    close_all(fds, 2);
    remake_free(&remake);
}

static void test_datagram_and_packet_pairs(void **state)
{
    (void)state;
    struct remake remake;
    int fds[4];
    char text[64];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, fds);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds + 2);
    for (int i = 0; i < 4; i += 2) {
        assert_int_equal(send(fds[i], "one", 3, 0), 3);
        assert_int_equal(send(fds[i], "", 0, 0), 0);
        assert_int_equal(send_with(fds[i], "three", fds[0]), 5);
    }
    shutdown(fds[2], SHUT_WR);
    remake_all(&remake, fds, 4);
    for (int i = 1; i < 4; i += 2) {
        assert_int_equal(receive(fds[i], text, sizeof text), -1);
        assert_string_equal(text, "one");
        assert_int_equal(receive(fds[i], text, sizeof text), -1);
        assert_string_equal(text, "");
        int carried = receive(fds[i], text, sizeof text);
        assert_string_equal(text, "three");
        assert_true(carried >= 0);
        close(carried);
    }
    assert_int_equal(recv(fds[3], text, 1, 0), 0);
    assert_int_equal(recv(fds[1], text, 1, MSG_DONTWAIT), -1);
    assert_int_equal(send(fds[1], "back", 4, 0), 4);
    assert_int_equal(receive(fds[0], text, sizeof text), -1);
    assert_string_equal(text, "back");
    close_all(fds, 4);
    remake_free(&remake);
}

static int bound(int type, const char *name, size_t length)
{
    int fd = socket(AF_UNIX, type, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, length);
    assert_int_equal(bind(fd, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
                     0);
    return fd;
}

static int connect_to(int fd, const char *name, size_t length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, length);
    return connect(fd, (struct sockaddr *)&address,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

static void check_name(int fd, const char *name, size_t length)
{
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    size -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
    if (size && address.sun_path[0])
        size = (socklen_t)strnlen(address.sun_path, size);
    assert_int_equal(size, length);
    assert_memory_equal(address.sun_path, name, length);
}

static void listener_with(const char *name, size_t length)
{
    struct remake remake;
    enum { LISTENER, CLIENT, SERVER, WAITING, SECOND, COUNT };
    int fds[COUNT];
    char text[64];
    fds[LISTENER] = bound(SOCK_STREAM, name, length);
    assert_int_equal(listen(fds[LISTENER], 3), 0);
    fds[CLIENT] = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect_to(fds[CLIENT], name, length), 0);
    fds[SERVER] = accept(fds[LISTENER], NULL, NULL);
    fds[WAITING] = socket(AF_UNIX, SOCK_STREAM, 0);
    fds[SECOND] = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect_to(fds[WAITING], name, length), 0);
    assert_int_equal(connect_to(fds[SECOND], name, length), 0);
    assert_int_equal(write(fds[CLIENT], "to server", 9), 9);
    remake_all(&remake, fds, COUNT);
    check_name(fds[LISTENER], name, length);
    check_name(fds[SERVER], name, length);
    check_name(fds[CLIENT], "", 0);
    assert_int_equal(receive(fds[SERVER], text, sizeof text), -1);
    assert_string_equal(text, "to server");
    fcntl(fds[LISTENER], F_SETFL, O_NONBLOCK);
    for (int i = WAITING; i <= SECOND; i++) {
        int taken = accept(fds[LISTENER], NULL, NULL);
        assert_true(taken >= 0);
        assert_int_equal(write(fds[i], "waited", 6), 6);
        assert_int_equal(receive(taken, text, sizeof text), -1);
        assert_string_equal(text, "waited");
        close(taken);
    }
    assert_int_equal(accept(fds[LISTENER], NULL, NULL), -1);
    close_all(fds, COUNT);
    remake_free(&remake);
}

static void test_abstract_listener(void **state)
{
    (void)state;
    char name[40] = "";
    int length = snprintf(name + 1, sizeof name - 1, "recap-test-%d", (int)getpid());
    listener_with(name, (size_t)length + 1);
}

static void test_listener_with_a_file(void **state)
{
    (void)state;
    struct stat status;
    unlink("listener.sock");
    mode_t old = umask(077);
    listener_with("listener.sock", 13);
    umask(old);
    assert_int_equal(stat("listener.sock", &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    unlink("listener.sock");
}

/* A path may be longer than the buffer of one address only by being relative; and its file may be
 * gone, then only the name is left. */
static void test_removed_file(void **state)
{
    (void)state;
    struct remake remake;
    char name[80];
    snprintf(name, sizeof name, "/tmp/recap-test-%d.sock", (int)getpid());
    int fd = bound(SOCK_STREAM, name, strlen(name));
    listen(fd, 1);
    unlink(name);
    remake_all(&remake, &fd, 1);
    check_name(fd, name, strlen(name));
    assert_int_equal(access(name, F_OK), -1);
    close(fd);
    remake_free(&remake);
}

static void test_datagrams_with_senders(void **state)
{
    (void)state;
    struct remake remake;
    enum { RECEIVER, SENDER, PLAIN, AUTOMATIC, COUNT };
    int fds[COUNT];
    char text[64];
    unlink("receiver.sock");
    unlink("sender.sock");
    fds[RECEIVER] = bound(SOCK_DGRAM, "receiver.sock", 13);
    fds[SENDER] = bound(SOCK_DGRAM, "./sender.sock", 13);
    fds[PLAIN] = socket(AF_UNIX, SOCK_DGRAM, 0);
    fds[AUTOMATIC] = bound(SOCK_DGRAM, "", 0);
    struct sockaddr_un given;
    socklen_t size = sizeof given;
    getsockname(fds[AUTOMATIC], (struct sockaddr *)&given, &size);
    for (int i = SENDER; i < COUNT; i++) {
        assert_int_equal(connect_to(fds[i], "receiver.sock", 13), 0);
        snprintf(text, sizeof text, "from %d", i);
        assert_int_equal(write(fds[i], text, 6), 6);
    }
    int gone = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(connect_to(gone, "receiver.sock", 13), 0);
    assert_int_equal(write(gone, "gone", 4), 4);
    close(gone);
    remake_all(&remake, fds, COUNT);
    const char *const names[] = {[SENDER] = "./sender.sock", [PLAIN] = "", [COUNT] = ""};
    for (int i = SENDER; i <= COUNT; i++) {
        struct sockaddr_un from = {0};
        size = sizeof from;
        ssize_t got = recvfrom(fds[RECEIVER], text, sizeof text, MSG_DONTWAIT,
                               (struct sockaddr *)&from, &size);
        assert_int_equal(got, i == COUNT ? 4 : 6);
        if (i != COUNT)
            assert_int_equal(text[5], '0' + i);
        if (i == AUTOMATIC)
            assert_memory_equal(from.sun_path, given.sun_path, 6);
        else
            assert_string_equal(from.sun_path, names[i]);
    }
    assert_int_equal(write(fds[PLAIN], "again", 5), 5);
    assert_int_equal(receive(fds[RECEIVER], text, sizeof text), -1);
    assert_string_equal(text, "again");
    close_all(fds, COUNT);
    unlink("receiver.sock");
    unlink("sender.sock");
    remake_free(&remake);
}

static void test_closed_peers(void **state)
{
    (void)state;
    struct remake remake;
    int fds[3], other;
    char text[64];
    for (int i = 0; i < 3; i++) {
        int pair[2];
        socketpair(AF_UNIX, i == 2 ? SOCK_DGRAM : SOCK_STREAM, 0, pair);
        fds[i] = pair[0];
        other = pair[1];
        assert_int_equal(write(other, "last words", 10), 10);
        if (i == 1)
            assert_int_equal(write(fds[i], "unread", 6), 6);
        close(other);
    }
    remake_all(&remake, fds, 3);
    assert_int_equal(receive(fds[0], text, sizeof text), -1);
    assert_string_equal(text, "last words");
    assert_int_equal(read(fds[0], text, 1), 0);
    int pending;
    socklen_t size = sizeof pending;
    getsockopt(fds[1], SOL_SOCKET, SO_ERROR, &pending, &size);
    assert_int_equal(pending, ECONNRESET);
    assert_int_equal(receive(fds[1], text, sizeof text), -1);
    assert_string_equal(text, "last words");
    assert_int_equal(receive(fds[2], text, sizeof text), -1);
    assert_string_equal(text, "last words");
    assert_int_equal(send(fds[2], "x", 1, MSG_NOSIGNAL), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close_all(fds, 3);
    remake_free(&remake);
}

static void test_peer_outside(void **state)
{
    (void)state;
    struct remake remake;
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    remake_describe(&remake, pair, 1, false);
    assert_int_equal(remake.refusals.count, 1);
    assert_true(remake.graph->objects[0].external);
    assert_non_null(strstr(remake.graph->objects[0].label, "Unix stream socket"));
    close_all(pair, 2);
    remake_free(&remake);
}

static void test_what_is_described_is_left_alone(void **state)
{
    (void)state;
    struct remake remake;
    int fds[2], offset = -2;
    char text[64];
    socklen_t size = sizeof offset;
    socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
    assert_int_equal(send_with(fds[0], "ab", fds[0]), 2);
    assert_int_equal(write(fds[0], "cd", 2), 2);
    remake_describe(&remake, fds, 2, false);
    assert_int_equal(remake.refusals.count, 0);
    getsockopt(fds[1], SOL_SOCKET, SO_PEEK_OFF, &offset, &size);
    assert_int_equal(offset, -1);
    int carried = receive(fds[1], text, sizeof text);
    assert_string_equal(text, "ab");
    assert_true(carried >= 0);
    assert_int_equal(receive(fds[1], text, sizeof text), -1);
    assert_string_equal(text, "cd");
    close(carried);
    close_all(fds, 2);
    remake_free(&remake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_pair),
        cmocka_unit_test(test_large_stream),
        cmocka_unit_test(test_datagram_and_packet_pairs),
        cmocka_unit_test(test_abstract_listener),
        cmocka_unit_test(test_listener_with_a_file),
        cmocka_unit_test(test_removed_file),
        cmocka_unit_test(test_datagrams_with_senders),
        cmocka_unit_test(test_closed_peers),
        cmocka_unit_test(test_peer_outside),
        cmocka_unit_test(test_what_is_described_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
