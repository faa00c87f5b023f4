/* unix_waiting.c: connections that wait to be accepted at a Unix socket: as many as there are, and
 * refused at both ends where they cannot be made again. */
#include "kernel/linux/objects/sockets/unix/diag.h"
#include "remake.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 3000 };

static uint32_t inode_of(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    return (uint32_t)status.st_ino;
}

/* A listening socket without a file, and its address. */
static int listen_at(struct sockaddr_un *address, socklen_t *length, int backlog)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof address->sun_family), 0);
    *length = sizeof *address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, length), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static int connect_to(const struct sockaddr_un *address, socklen_t length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return connect(fd, (const struct sockaddr *)address, length) < 0 ? (close(fd), -errno) : fd;
}

struct met {
    uint32_t inodes[2];
    size_t pending[2];
};

static int meet(void *context, const struct linux_unix_diag *diag)
{
    struct met *met = context;
    for (int i = 0; i < 2; i++)
        if (diag->inode == met->inodes[i])
            met->pending[i] = diag->pending_count;
    return 0;
}

/* However many wait, all are told, in their order, and a list of sockets goes on behind them. */
static void test_thousands(void **state)
{
    (void)state;
    struct rlimit before, limit;
    struct sockaddr_un address, others;
    socklen_t length, size;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int crowded = listen_at(&address, &length, MANY), quiet = listen_at(&others, &size, 1);
    static int clients[MANY];
    int count = 0;
    while (count < MANY && (clients[count] = connect_to(&address, length)) >= 0)
        count++;
    assert_true(count > 16384 / 4 / 8); /* fewer if the machine lets fewer wait */
    if (count < MANY)
        print_message("only %d connections can wait here\n", count);
    struct linux_unix_diag *diag = NULL;
    assert_int_equal(linux_unix_diag(inode_of(crowded), &diag), 0);
    assert_int_equal(diag->state, TCP_LISTEN);
    assert_int_equal(diag->pending_count, count);
    for (int i = 0; i < count; i++)
        assert_int_equal(diag->pending[i], inode_of(clients[i]));
    linux_unix_diag_free(diag);
    struct met met = {.inodes = {inode_of(crowded), inode_of(quiet)}, .pending = {0, MANY}};
    assert_int_equal(linux_unix_diag_all(1u << TCP_LISTEN, meet, &met), 0);
    assert_int_equal(met.pending[0], count);
    assert_int_equal(met.pending[1], 0);
    for (int i = 0; i < count; i++)
        close(clients[i]);
    close(crowded);
    close(quiet);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static const struct recap_error *refusal_of(const struct remake *remake, int fd)
{
    for (size_t i = 0; i < remake->refusals.count; i++)
        if (remake->refusals.items[i].has_selector &&
            remake->refusals.items[i].selector == (recap_selector)fd)
            return &remake->refusals.items[i];
    return NULL;
}

/* Where one has sent already, none of those that wait there would come back as it was: not the
 * listening socket, and no other connection either. */
static void test_data_that_waits_to_be_accepted(void **state)
{
    (void)state;
    struct sockaddr_un address;
    struct remake remake;
    socklen_t length;
    enum { LISTENER, SILENT, SPEAKS, COUNT };
    int fds[COUNT] = {listen_at(&address, &length, 4)};
    fds[SILENT] = connect_to(&address, length);
    fds[SPEAKS] = connect_to(&address, length);
    remake_describe(&remake, fds, COUNT, false);
    assert_int_equal(remake.refusals.count, 0);
    remake_free(&remake);
    assert_int_equal(send(fds[SPEAKS], "x", 1, 0), 1);
    remake_describe(&remake, fds, COUNT, false);
    assert_int_equal(remake.refusals.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        const struct recap_error *refusal = refusal_of(&remake, fds[i]);
        assert_non_null(refusal);
        assert_non_null(strstr(refusal->remedy, i == LISTENER ? "=fd:N" : "=hangup"));
    }
    remake_free(&remake);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}

/* More wait than may: the program has lowered how many since they came. */
static void test_more_than_may_wait(void **state)
{
    (void)state;
    enum { WAIT = 150 };
    struct sockaddr_un address;
    struct remake remake;
    socklen_t length;
    int fds[1 + WAIT] = {listen_at(&address, &length, WAIT)};
    for (int i = 1; i <= WAIT; i++)
        assert_true((fds[i] = connect_to(&address, length)) >= 0);
    assert_int_equal(listen(fds[0], 1), 0);
    remake_all(&remake, fds, 1 + WAIT);
    struct linux_unix_diag *diag = NULL;
    assert_int_equal(linux_unix_diag(inode_of(fds[0]), &diag), 0);
    assert_int_equal(diag->backlog, 1);
    assert_int_equal(diag->pending_count, WAIT);
    for (int i = 0; i < WAIT; i++)
        assert_int_equal(diag->pending[i], inode_of(fds[1 + i]));
    assert_int_equal(connect_to(&address, length), -EAGAIN);
    linux_unix_diag_free(diag);
    for (int i = 0; i <= WAIT; i++)
        close(fds[i]);
    remake_free(&remake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thousands),
        cmocka_unit_test(test_more_than_may_wait),
        cmocka_unit_test(test_data_that_waits_to_be_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
