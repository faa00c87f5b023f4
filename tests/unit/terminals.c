/* terminals.c: pseudo-terminals come back with their number and settings; terminals whose master is
 * elsewhere are external. */
#include "remake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static int open_end(int master)
{
    return ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
}

static void test_both_ends(void **state)
{
    (void)state;
    struct remake remake;
    enum { MASTER, END, SECOND, LOCKED, LEFT, COUNT };
    int fds[COUNT] = {posix_openpt(O_RDWR | O_NOCTTY), 0, 0, posix_openpt(O_RDWR | O_NOCTTY),
                      posix_openpt(O_RDWR | O_NOCTTY)};
    char name[64], text[64];
    struct termios modes;
    struct winsize window = {33, 77, 0, 0}, found;
    unlockpt(fds[MASTER]);
    unlockpt(fds[LEFT]);
    close(open_end(fds[LEFT]));
    fds[END] = open_end(fds[MASTER]);
    fds[SECOND] = open_end(fds[MASTER]);
    fcntl(fds[SECOND], F_SETFL, O_NONBLOCK);
    tcgetattr(fds[END], &modes);
    modes.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
    modes.c_cc[VMIN] = 3;
    modes.c_cc[VINTR] = 1;
    tcsetattr(fds[END], TCSANOW, &modes);
    ioctl(fds[END], TIOCSWINSZ, &window);
    assert_int_equal(ptsname_r(fds[MASTER], name, sizeof name), 0);
    remake_all(&remake, fds, COUNT);
    assert_int_equal(ttyname_r(fds[END], text, sizeof text), 0);
    assert_string_equal(text, name);
    memset(&modes, 0, sizeof modes);
    tcgetattr(fds[SECOND], &modes);
    assert_false(modes.c_lflag & (ECHO | ICANON));
    assert_int_equal(modes.c_cc[VMIN], 3);
    assert_int_equal(modes.c_cc[VINTR], 1);
    assert_int_equal(ioctl(fds[MASTER], TIOCGWINSZ, &found), 0);
    assert_int_equal(found.ws_row, 33);
    assert_int_equal(found.ws_col, 77);
    assert_true(fcntl(fds[SECOND], F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(fds[END], F_GETFL) & O_NONBLOCK);
    assert_int_equal(write(fds[MASTER], "abc", 3), 3);
    assert_int_equal(read(fds[SECOND], text, sizeof text), 3);
    assert_int_equal(write(fds[END], "de", 2), 2);
    assert_int_equal(read(fds[MASTER], text, sizeof text), 2);
    assert_int_equal(open_end(fds[LOCKED]), -1);
    struct pollfd poll_one = {.fd = fds[LEFT]};
    assert_int_equal(poll(&poll_one, 1, 0), 1);
    assert_true(poll_one.revents & POLLHUP);
    poll_one.fd = fds[LOCKED];
    assert_int_equal(poll(&poll_one, 1, 0), 0);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    remake_free(&remake);
}

static void test_hung_up(void **state)
{
    (void)state;
    struct remake remake;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    char byte;
    unlockpt(master);
    int fd = open_end(master);
    close(master);
    remake_all(&remake, &fd, 1);
    assert_int_equal(read(fd, &byte, 1), 0);
    assert_int_equal(write(fd, &byte, 1), -1);
    assert_int_equal(errno, EIO);
    close(fd);
    remake_free(&remake);
}

static void test_master_outside(void **state)
{
    (void)state;
    struct remake remake;
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    unlockpt(master);
    int fd = open_end(master);
    remake_describe(&remake, &fd, 1, false);
    assert_int_equal(remake.refusals.count, 0);
    assert_true(remake.graph->objects[0].external);
    assert_string_equal(recap_text_or_null(remake.graph->objects[0].state, "binding"),
                        "path:/dev/tty");
    assert_non_null(strstr(remake.graph->objects[0].label, "terminal /dev/pts/"));
    remake_free(&remake);
    remake_describe(&remake, &master, 1, false);
    assert_int_equal(remake.refusals.count, 1);
    assert_non_null(strstr(remake.refusals.items[0].what, "process outside"));
    remake_free(&remake);
    assert_int_equal(write(fd, "unread", 6), 6);
    remake_describe(&remake, &master, 1, false);
    assert_int_equal(remake.refusals.count, 1);
    assert_non_null(strstr(remake.refusals.items[0].what, "6 bytes wait"));
    remake_free(&remake);
    close(fd);
    close(master);
}

/* A line that is not the controlling terminal of whoever holds it is a device, not the caller's
 * terminal: also through a node of another name, and when that node is gone. */
static void test_line(void **state)
{
    (void)state;
    static const char node[] = "/tmp/recap-line-node";
    struct remake remake;
    struct stat before, after;
    unlink(node);
    if (mknod(node, S_IFCHR | 0600, makedev(5, 1)) < 0)
        skip();
    int fd = open(node, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        unlink(node);
        skip(); /* the machine has no console */
    }
    assert_int_equal(fstat(fd, &before), 0);
    for (int gone = 0; gone < 2; gone++) {
        if (gone)
            unlink(node);
        remake_all(&remake, &fd, 1);
        assert_false(remake.graph->objects[remake.ids[0] - 1].external);
        assert_int_equal(fstat(fd, &after), 0);
        assert_true(after.st_rdev == before.st_rdev);
        assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
        remake_free(&remake);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ends),
        cmocka_unit_test(test_hung_up),
        cmocka_unit_test(test_master_outside),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
