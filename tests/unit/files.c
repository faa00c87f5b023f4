/* files.c: descriptors on files, directories, paths, devices and pipes, built anew: where they
 * stand, what they share, what they refuse. */
#include "remake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char directory[] = "/var/tmp/recap-files-XXXXXX";

static int enter(void **state)
{
    (void)state;
    return !mkdtemp(directory) || chdir(directory) < 0;
}

static int leave(void **state)
{
    (void)state;
    return chdir("/") < 0 || rmdir(directory) < 0;
}

static void write_file(const char *name, const char *text)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void expect_read(int fd, const char *text)
{
    char buffer[128];
    ssize_t count = read(fd, buffer, sizeof buffer);
    assert_int_equal(count, strlen(text));
    assert_memory_equal(buffer, text, strlen(text));
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void test_regular_files(void **state)
{
    (void)state;
    struct remake remake;
    write_file("file", "0123456789");
    int fds[] = {open("file", O_RDONLY), open("file", O_RDWR | O_APPEND), open("file", O_WRONLY),
                 open("/proc/self/stat", O_RDONLY)};
    assert_int_equal(lseek(fds[0], 4, SEEK_SET), 4);
    assert_int_equal(rename("file", "renamed"), 0);
    remake_all(&remake, fds, 4);
    expect_read(fds[0], "456789");
    assert_int_equal(fcntl(fds[1], F_GETFL) & (O_ACCMODE | O_APPEND), O_RDWR | O_APPEND);
    assert_int_equal(fcntl(fds[2], F_GETFL) & (O_ACCMODE | O_APPEND), O_WRONLY);
    assert_int_equal(write(fds[1], "end", 3), 3);
    assert_int_equal(lseek(fds[1], 0, SEEK_CUR), 13);
    close_all(fds, 4);
    remake_free(&remake);
    unlink("renamed");
}

/* Describes "file", lets `change` happen to it, and expects the reason that is given for it. */
static void expect_stale(void (*change)(void), const char *reason)
{
    struct remake remake;
    write_file("file", "0123456789");
    int fd = open("file", O_RDONLY);
    remake_describe(&remake, &fd, 1, true);
    assert_int_equal(remake.refusals.count, 0);
    change();
    assert_int_equal(remake_create(&remake, &fd), -ESTALE);
    assert_non_null(strstr(remake.error.what, reason));
    assert_non_null(strstr(remake.error.what, "/file"));
    remake_free(&remake);
    unlink("file");
}

static void append(void)
{
    int fd = open("file", O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void overwrite(void)
{
    int fd = open("file", O_WRONLY);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
}

static void replace(void)
{
    write_file("other", "0123456789");
    assert_int_equal(rename("other", "file"), 0);
}

static void become_fifo(void)
{
    unlink("file");
    assert_int_equal(mkfifo("file", 0600), 0);
}

static void test_changed_files_are_refused(void **state)
{
    (void)state;
    expect_stale(append, "10 bytes and has 11");
    expect_stale(overwrite, "modified");
    expect_stale(replace, "replaced");
    expect_stale(become_fifo, "another type");
}

static void test_removed_files_keep_their_content(void **state)
{
    (void)state;
    struct remake remake;
    struct stat status;
    write_file("removed", "0123456789");
    int fds[] = {open("removed", O_RDWR), open("removed", O_RDONLY), open("removed", O_PATH)};
    assert_int_equal(pwrite(fds[0], "end", 3, 5 << 20), 3);
    assert_int_equal(lseek(fds[1], 8, SEEK_SET), 8);
    assert_int_equal(unlink("removed"), 0);
    assert_int_equal(fchmod(fds[0], 0440), 0);
    remake_all(&remake, fds, 3);
    assert_int_equal(fstat(fds[2], &status), 0);
    assert_int_equal(status.st_nlink, 0);
    assert_int_equal(status.st_mode, S_IFREG | 0440);
    assert_int_equal(status.st_size, (5 << 20) + 3);
    assert_true(status.st_blocks < 100); /* the hole is one again */
    char text[3];
    assert_int_equal(pread(fds[1], text, 3, 5 << 20), 3);
    assert_memory_equal(text, "end", 3);
    /* It is one file again, not one for each. */
    assert_int_equal(pwrite(fds[0], "XY", 2, 8), 2);
    assert_int_equal(read(fds[1], text, 2), 2);
    assert_memory_equal(text, "XY", 2);
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_ACCMODE, O_RDONLY);
    close_all(fds, 3);
    remake_free(&remake);
}

static void test_another_name_in_the_directory_is_found(void **state)
{
    (void)state;
    struct remake remake;
    write_file("temporary", "0123456789");
    int fd = open("temporary", O_RDONLY);
    assert_int_equal(link("temporary", "final"), 0);
    assert_int_equal(unlink("temporary"), 0);
    remake_all(&remake, &fd, 1);
    expect_read(fd, "0123456789");
    close(fd);
    remake_free(&remake);
    unlink("final");
}

static void test_a_name_that_cannot_be_found_is_refused(void **state)
{
    (void)state;
    struct remake remake;
    write_file("temporary", "0123456789");
    int fd = open("temporary", O_RDONLY);
    assert_int_equal(mkdir("elsewhere", 0700), 0);
    assert_int_equal(rename("temporary", "first"), 0);
    assert_int_equal(link("first", "elsewhere/second"), 0);
    assert_int_equal(unlink("first"), 0);
    remake_describe(&remake, &fd, 1, true);
    assert_int_equal(remake.refusals.count, 1);
    assert_non_null(strstr(remake.refusals.items[0].what, "first"));
    assert_int_equal(remake.refusals.items[0].selector, fd);
    remake_free(&remake);
    unlink("elsewhere/second");
    rmdir("elsewhere");
}

static void test_locks_of_descriptions(void **state)
{
    (void)state;
    struct remake remake;
    write_file("whole", "");
    write_file("part", "");
    int fds[] = {open("whole", O_RDONLY), open("part", O_RDWR), open(".", O_RDONLY)};
    struct flock part = {.l_type = F_WRLCK, .l_start = 3, .l_len = 4}, ask = {.l_type = F_RDLCK};
    assert_int_equal(flock(fds[0], LOCK_EX), 0);
    assert_int_equal(fcntl(fds[1], F_OFD_SETLK, &part), 0);
    assert_int_equal(flock(fds[2], LOCK_SH), 0);
    remake_all(&remake, fds, 3);
    int probes[] = {open("whole", O_RDONLY), open("part", O_RDWR), open(".", O_RDONLY)};
    assert_int_equal(flock(probes[0], LOCK_SH | LOCK_NB), -1);
    assert_int_equal(flock(probes[2], LOCK_EX | LOCK_NB), -1);
    assert_int_equal(fcntl(probes[1], F_OFD_GETLK, &ask), 0);
    assert_int_equal(ask.l_type, F_WRLCK);
    assert_true(ask.l_start == 3 && ask.l_len == 4);
    remake_free(&remake);
    /* Somebody else has it at restore. */
    remake_describe(&remake, fds, 1, true);
    assert_int_equal(flock(probes[0], LOCK_EX | LOCK_NB), 0);
    assert_int_equal(remake_create(&remake, fds), -EAGAIN);
    assert_non_null(strstr(remake.error.what, "another process"));
    remake_free(&remake);
    close_all(fds + 1, 2);
    close_all(probes, 3);
    unlink("whole");
    unlink("part");
}

static void test_leases_are_refused(void **state)
{
    (void)state;
    struct remake remake;
    write_file("file", "");
    int fd = open("file", O_RDONLY);
    assert_int_equal(fcntl(fd, F_SETLEASE, F_RDLCK), 0);
    remake_describe(&remake, &fd, 1, true);
    assert_int_equal(remake.refusals.count, 1);
    assert_non_null(strstr(remake.refusals.items[0].what, "lease"));
    remake_free(&remake);
    unlink("file");
}

static void test_directories_paths_and_devices(void **state)
{
    (void)state;
    struct remake remake;
    struct stat status;
    assert_int_equal(symlink("nowhere", "link"), 0);
    int fds[] = {open(".", O_RDONLY | O_DIRECTORY), open("link", O_PATH | O_NOFOLLOW),
                 open("/dev/null", O_RDWR), open("/dev/urandom", O_RDONLY | O_NONBLOCK)};
    remake_all(&remake, fds, 4);
    assert_int_equal(faccessat(fds[0], "link", F_OK, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(fstat(fds[1], &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_PATH, O_PATH);
    assert_int_equal(write(fds[2], "x", 1), 1);
    assert_int_equal(read(fds[2], &status, 1), 0);
    assert_int_equal(read(fds[3], &status, 1), 1);
    assert_int_equal(fcntl(fds[3], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_NONBLOCK);
    close_all(fds, 4);
    remake_free(&remake);
    unlink("link");
}

static void test_pipes(void **state)
{
    (void)state;
    struct remake remake;
    int fds[3], waiting;
    assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
    char again[32];
    snprintf(again, sizeof again, "/proc/self/fd/%d", fds[0]);
    fds[2] = open(again, O_RDONLY);
    assert_int_equal(fcntl(fds[1], F_SETPIPE_SZ, 128 * 1024), 128 * 1024);
    static char big[100000];
    memset(big, 'b', sizeof big);
    assert_int_equal(write(fds[1], big, sizeof big), sizeof big);
    assert_int_equal(write(fds[1], "end", 3), 3);
    remake_all(&remake, fds, 3);
    assert_int_equal(fcntl(fds[0], F_GETPIPE_SZ), 128 * 1024);
    assert_int_equal(ioctl(fds[0], FIONREAD, &waiting), 0);
    assert_int_equal(waiting, sizeof big + 3);
    static char back[sizeof big];
    assert_int_equal(read(fds[2], back, sizeof back), sizeof back);
    assert_memory_equal(back, big, sizeof back);
    expect_read(fds[0], "end");
    assert_int_equal(read(fds[0], back, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(fcntl(fds[1], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
    assert_int_equal(fcntl(fds[2], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
    /* No other end is left anywhere. */
    close(fds[1]);
    assert_int_equal(read(fds[0], back, 1), 0);
    close(fds[0]);
    close(fds[2]);
    remake_free(&remake);
}

static void test_packets_stay_apart(void **state)
{
    (void)state;
    struct remake remake;
    for (int count = 1; count <= 3; count++) {
        int fds[2];
        char byte[2];
        assert_int_equal(pipe2(fds, O_DIRECT | O_NONBLOCK), 0);
        for (int i = 0; i < count; i++)
            assert_int_equal(write(fds[1], "packet", 6), 6);
        remake_all(&remake, fds, 2);
        for (int i = 0; i < count; i++) {
            assert_int_equal(read(fds[0], byte, 2), 2); /* the rest of the packet is gone */
            assert_memory_equal(byte, "pa", 2);
        }
        assert_int_equal(read(fds[0], byte, 2), -1);
        assert_int_equal(fcntl(fds[1], F_GETFL) & O_DIRECT, O_DIRECT);
        close_all(fds, 2);
        remake_free(&remake);
    }
}

static void test_a_pipe_without_its_other_end(void **state)
{
    (void)state;
    struct remake remake;
    int fds[2];
    /* The writer has gone for good, and left something to read. */
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "last", 4), 4);
    close(fds[1]);
    remake_all(&remake, fds, 1);
    expect_read(fds[0], "last");
    assert_int_equal(read(fds[0], fds, 1), 0);
    close(fds[0]);
    remake_free(&remake);
    /* The writer is somewhere else. */
    assert_int_equal(pipe(fds), 0);
    remake_describe(&remake, fds, 1, true);
    assert_int_equal(remake.refusals.count, 1);
    assert_true(remake.graph->objects[0].external);
    close(fds[1]);
    remake_free(&remake);
}

static void test_fifos(void **state)
{
    (void)state;
    struct remake remake;
    assert_int_equal(mkfifo("fifo", 0600), 0);
    int fds[] = {open("fifo", O_RDONLY | O_NONBLOCK), open("fifo", O_WRONLY)};
    assert_int_equal(write(fds[1], "queued", 6), 6);
    remake_all(&remake, fds, 2);
    expect_read(fds[0], "queued");
    assert_int_equal(write(fds[1], "more", 4), 4);
    expect_read(fds[0], "more");
    close_all(fds, 2);
    remake_free(&remake);
    /* A reader that no writer has come to yet does not see one that has gone. */
    fds[0] = open("fifo", O_RDONLY | O_NONBLOCK);
    remake_all(&remake, fds, 1);
    struct pollfd ask = {.fd = fds[0], .events = POLLIN};
    assert_int_equal(poll(&ask, 1, 0), 0);
    close(fds[0]);
    remake_free(&remake);
    unlink("fifo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regular_files),
        cmocka_unit_test(test_changed_files_are_refused),
        cmocka_unit_test(test_removed_files_keep_their_content),
        cmocka_unit_test(test_another_name_in_the_directory_is_found),
        cmocka_unit_test(test_a_name_that_cannot_be_found_is_refused),
        cmocka_unit_test(test_locks_of_descriptions),
        cmocka_unit_test(test_leases_are_refused),
        cmocka_unit_test(test_directories_paths_and_devices),
        cmocka_unit_test(test_pipes),
        cmocka_unit_test(test_packets_stay_apart),
        cmocka_unit_test(test_a_pipe_without_its_other_end),
        cmocka_unit_test(test_fifos),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
