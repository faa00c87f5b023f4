/* binding.c: what people may name as an object, and what they may not. */
#include "kernel/linux/backend.h"
#include "kernel/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static struct recap_kernel *kernel;
static char directory[] = "/tmp/recap-binding-XXXXXX";

static int enter(void **state)
{
    (void)state;
    return !mkdtemp(directory) || chdir(directory) < 0 || recap_linux_open(&kernel, NULL) < 0;
}

static int leave(void **state)
{
    (void)state;
    kernel->ops->close(kernel);
    return chdir("/") < 0 || rmdir(directory) < 0;
}

/* A descriptor of what `spec` names. */
static int bound(const char *spec, uint32_t rights)
{
    recap_badge badge;
    int fd;
    struct recap_error error = {0};
    int result = linux_bind(kernel, spec, rights, &badge, &error);
    if (result < 0)
        fail_msg("%s: %s", spec, error.what);
    assert_int_equal(linux_local(kernel, badge, &fd, NULL), 0);
    return fd;
}

static void refused(const char *spec, uint32_t rights, int code, enum recap_class cls)
{
    recap_badge badge = 77;
    struct recap_error error = {0};
    assert_int_equal(linux_bind(kernel, spec, rights, &badge, &error), code);
    assert_int_equal(error.cls, cls);
    assert_true(error.what[0] != '\0');
    assert_true(badge == 77);
}

static int mode_of(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    close(fd);
    return flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_PATH);
}

static void test_paths(void **state)
{
    (void)state;
    const uint32_t both = RECAP_RIGHT_READ | RECAP_RIGHT_WRITE;
    refused("path:log", 0, -ENOENT, RECAP_FAILED);
    assert_int_equal(mode_of(bound("path:log,create,append", RECAP_RIGHT_WRITE)),
                     O_WRONLY | O_APPEND);
    assert_int_equal(mode_of(bound("path:log", 0)), O_RDWR);
    assert_int_equal(mode_of(bound("path:log", RECAP_RIGHT_READ)), O_RDONLY);
    assert_int_equal(mode_of(bound("path:log", both)), O_RDWR);
    assert_int_equal(mode_of(bound("path:log", RECAP_RIGHT_PATH)), O_PATH);
    assert_int_equal(mode_of(bound("path:log,rw,nonblock", RECAP_RIGHT_READ)), O_RDWR | O_NONBLOCK);
    assert_int_equal(mode_of(bound("path:.", 0)), O_RDONLY);
    refused("path:log,r", RECAP_RIGHT_WRITE, -EACCES, RECAP_FAILED);
    close(bound("path:odd,w,,create", RECAP_RIGHT_WRITE));
    assert_int_equal(unlink("odd,w"), 0);
    close(bound("path:odd,word,create", RECAP_RIGHT_WRITE));
    assert_int_equal(unlink("odd,word"), 0);
    assert_int_equal(unlink("log"), 0);
    refused("path:", 0, -EINVAL, RECAP_USAGE);
    refused("path:,rw", 0, -EINVAL, RECAP_USAGE);
}

static void test_a_fifo_does_not_make_us_wait(void **state)
{
    (void)state;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    refused("path:fifo", RECAP_RIGHT_WRITE, -ENXIO, RECAP_FAILED);
    assert_int_equal(mode_of(bound("path:fifo", RECAP_RIGHT_READ)), O_RDONLY);
    unlink("fifo");
}

static void test_descriptors(void **state)
{
    (void)state;
    int ends[2];
    char spec[64], byte = 0;
    assert_int_equal(pipe(ends), 0);
    snprintf(spec, sizeof spec, "fd:%d", ends[1]);
    int fd = bound(spec, RECAP_RIGHT_WRITE);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(fd);
    refused(spec, RECAP_RIGHT_READ, -EACCES, RECAP_FAILED);
    snprintf(spec, sizeof spec, "pid:%d:%d", (int)getpid(), ends[1]);
    recap_badge named, adopted;
    assert_int_equal(linux_bind(kernel, spec, 0, &named, NULL), 0);
    assert_int_equal(linux_adopt(kernel, ends[1], &adopted, NULL), 0);
    assert_true(named == adopted);
    assert_int_equal(linux_adopt(kernel, ends[0], &adopted, NULL), 0);
    assert_true(named != adopted);
    close(ends[0]);
    close(ends[1]);
    refused("fd:100000", 0, -EBADF, RECAP_FAILED);
    refused("fd:-1", 0, -EINVAL, RECAP_USAGE);
    refused("fd:1x", 0, -EINVAL, RECAP_USAGE);
    refused("fd:99999999999999999999", 0, -EINVAL, RECAP_USAGE);
    refused("pid:1", 0, -EINVAL, RECAP_USAGE);
    refused("pid:0:1", 0, -EINVAL, RECAP_USAGE);
    refused("pid:2147483647:1", 0, -ESRCH, RECAP_FAILED);
}

static void test_sockets(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    for (int i = 0; i < 3; i++) {
        int listener = socket(AF_UNIX, types[i], 0), type;
        socklen_t size = sizeof type;
        assert_int_equal(bind(listener, (void *)&address, sizeof address), 0);
        if (types[i] != SOCK_DGRAM)
            assert_int_equal(listen(listener, 1), 0);
        int fd = bound("unix:socket", RECAP_RIGHT_READ | RECAP_RIGHT_WRITE);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
        assert_int_equal(type, types[i]);
        assert_int_equal(mode_of(fd), O_RDWR);
        close(listener);
        refused("unix:socket", 0, -ECONNREFUSED, RECAP_FAILED);
        unlink("socket");
    }
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof any;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char spec[64];
    assert_int_equal(bind(listener, (void *)&any, sizeof any), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (void *)&any, &size), 0);
    snprintf(spec, sizeof spec, "tcp:127.0.0.1:%d", ntohs(any.sin_port));
    assert_int_equal(mode_of(bound(spec, 0)), O_RDWR);
    close(listener);
    refused(spec, 0, -ECONNREFUSED, RECAP_FAILED);
    refused("tcp:127.0.0.1", 0, -EINVAL, RECAP_USAGE);
    refused("tcp:::1:80", 0, -EINVAL, RECAP_USAGE);
    refused("tcp:[]:80", 0, -EINVAL, RECAP_USAGE);
    refused("tcp:[::1:80", 0, -EINVAL, RECAP_USAGE);
    refused("unix:", 0, -EINVAL, RECAP_USAGE);
}

static void test_null_and_nonsense(void **state)
{
    (void)state;
    assert_int_equal(mode_of(bound("null", 0)), O_RDWR);
    assert_int_equal(mode_of(bound("null", RECAP_RIGHT_READ)), O_RDONLY);
    refused("nullx", 0, -EINVAL, RECAP_USAGE);
    refused("", 0, -EINVAL, RECAP_USAGE);
    refused("file:/etc/passwd", 0, -EINVAL, RECAP_USAGE);
}

static void test_hangup(void **state)
{
    (void)state;
    const uint32_t rights[] = {0, RECAP_RIGHT_READ, RECAP_RIGHT_WRITE,
                               RECAP_RIGHT_READ | RECAP_RIGHT_WRITE};
    for (size_t i = 0; i < sizeof rights / sizeof *rights; i++) {
        int fd = bound("hangup", rights[i]);
        struct pollfd poll_one = {.fd = fd, .events = POLLIN | POLLOUT};
        char byte;
        assert_int_equal(poll(&poll_one, 1, 0), 1);
        assert_true(poll_one.revents & (POLLHUP | POLLERR));
        if (rights[i] != RECAP_RIGHT_WRITE)
            assert_int_equal(read(fd, &byte, 1), 0);
        if (rights[i] != RECAP_RIGHT_READ) {
            signal(SIGPIPE, SIG_IGN);
            assert_int_equal(write(fd, "x", 1), -1);
            assert_int_equal(errno, EPIPE);
        }
        close(fd);
    }
    refused("hangup", RECAP_RIGHT_PATH, -EACCES, RECAP_FAILED);
    refused("hangup:", 0, -EINVAL, RECAP_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_a_fifo_does_not_make_us_wait),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_null_and_nonsense),
        cmocka_unit_test(test_hangup),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
