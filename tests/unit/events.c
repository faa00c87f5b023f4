/* events.c: event counters, timers, signal descriptors, memory files, epoll sets, inotify
 * instances and process descriptors come back as they were. */
#include "remake.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void test_event_counters(void **state)
{
    (void)state;
    struct remake remake;
    int fds[3] = {eventfd(7, EFD_NONBLOCK), eventfd(3, EFD_SEMAPHORE), eventfd(0, 0)};
    uint64_t large = UINT64_MAX - 1, value = 0;
    assert_int_equal(write(fds[2], &large, 8), 8);
    remake_all(&remake, fds, 3);
    assert_int_equal(read(fds[0], &value, 8), 8);
    assert_int_equal(value, 7);
    assert_int_equal(read(fds[0], &value, 8), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(read(fds[1], &value, 8), 8);
    assert_int_equal(value, 1);
    assert_false(fcntl(fds[1], F_GETFL) & O_NONBLOCK);
    assert_int_equal(read(fds[2], &value, 8), 8);
    assert_true(value == large);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    remake_free(&remake);
}

static void test_timers(void **state)
{
    (void)state;
    struct remake remake;
    int fds[4] = {timerfd_create(CLOCK_MONOTONIC, 0), timerfd_create(CLOCK_REALTIME, 0),
                  timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK), timerfd_create(CLOCK_MONOTONIC, 0)};
    struct itimerspec relative = {{5, 0}, {100, 0}}, absolute = {{0, 0}, {4000000000, 5}},
                      fast = {{0, 1000000}, {0, 1}}, now;
    timerfd_settime(fds[0], 0, &relative, NULL);
    timerfd_settime(fds[1], TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &absolute, NULL);
    timerfd_settime(fds[3], 0, &fast, NULL);
    usleep(20000);
    remake_all(&remake, fds, 4);
    timerfd_gettime(fds[0], &now);
    assert_int_equal(now.it_interval.tv_sec, 5);
    assert_int_equal(now.it_value.tv_sec, 99);
    struct timespec clock;
    clock_gettime(CLOCK_REALTIME, &clock);
    timerfd_gettime(fds[1], &now);
    int64_t expires =
        (clock.tv_sec + now.it_value.tv_sec) * 1000000000 + clock.tv_nsec + now.it_value.tv_nsec;
    assert_in_range(expires, 4000000000 * 1000000000 - 200000, 4000000000 * 1000000000 + 200000);
    timerfd_gettime(fds[2], &now);
    assert_int_equal(now.it_value.tv_sec, 0);
    assert_true(fcntl(fds[2], F_GETFL) & O_NONBLOCK);
    uint64_t ticks;
    assert_int_equal(read(fds[3], &ticks, 8), 8);
    assert_true(ticks >= 20);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    remake_free(&remake);
}

static void test_signal_descriptors(void **state)
{
    (void)state;
    struct remake remake;
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigaddset(&mask, SIGRTMAX);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    int fd = signalfd(-1, &mask, SFD_NONBLOCK);
    remake_all(&remake, &fd, 1);
    struct signalfd_siginfo info;
    assert_int_equal(read(fd, &info, sizeof info), -1);
    raise(SIGRTMAX);
    assert_int_equal(read(fd, &info, sizeof info), sizeof info);
    assert_int_equal(info.ssi_signo, SIGRTMAX);
    close(fd);
    remake_free(&remake);
}

static void test_memory_files(void **state)
{
    (void)state;
    struct remake remake;
    int fds[2] = {memfd_create("two words", MFD_ALLOW_SEALING)};
    assert_int_equal(ftruncate(fds[0], 1 << 20), 0);
    assert_int_equal(pwrite(fds[0], "late", 4, 900000), 4);
    assert_int_equal(lseek(fds[0], 17, SEEK_SET), 17);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fds[0]);
    fds[1] = open(path, O_RDONLY);
    assert_int_equal(fcntl(fds[0], F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE), 0);
    remake_all(&remake, fds, 2);
    char text[5] = "";
    assert_int_equal(lseek(fds[0], 0, SEEK_CUR), 17);
    assert_int_equal(lseek(fds[1], 0, SEEK_CUR), 0);
    assert_int_equal(pread(fds[1], text, 4, 900000), 4);
    assert_string_equal(text, "late");
    struct stat a, b;
    fstat(fds[0], &a);
    fstat(fds[1], &b);
    assert_int_equal(a.st_ino, b.st_ino);
    assert_int_equal(a.st_size, 1 << 20);
    assert_true(a.st_blocks < 64);
    assert_int_equal(fcntl(fds[1], F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(fcntl(fds[0], F_GET_SEALS), F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_WRITE);
    close(fds[0]);
    close(fds[1]);
    remake_free(&remake);
}

static uint64_t wait_one(int set, uint32_t *events)
{
    struct epoll_event event = {0};
    if (epoll_wait(set, &event, 1, 0) != 1)
        return 0;
    *events = event.events;
    return event.data.u64;
}

/* Of an epoll set: an entry in its place, one whose number was closed, one whose number was given
 * to another object, an inner set, a one-shot entry that was reported already. */
static void test_epoll_sets(void **state)
{
    (void)state;
    struct remake remake;
    enum { SET, PLAIN, CLOSED, REUSED, INNER, SHOT, OTHER, COUNT };
    int fds[COUNT] = {
        epoll_create1(0), eventfd(0, 0), eventfd(0, 0), eventfd(0, 0), epoll_create1(EPOLL_CLOEXEC),
        eventfd(1, 0),    eventfd(0, 0)};
    int gone = dup(fds[CLOSED]), reused = dup(fds[REUSED]);
    uint64_t value = 1;
    uint32_t events = 0;
    const struct {
        int fd;
        uint32_t events;
        uint64_t data;
    } entries[] = {{fds[PLAIN], EPOLLIN, 1},
                   {gone, EPOLLIN | EPOLLET, 2},
                   {reused, EPOLLIN, 3},
                   {fds[INNER], EPOLLIN, 4},
                   {fds[SHOT], EPOLLIN | EPOLLONESHOT, UINT64_MAX}};
    for (size_t i = 0; i < 5; i++) {
        struct epoll_event event = {.events = entries[i].events, .data.u64 = entries[i].data};
        assert_int_equal(epoll_ctl(fds[SET], EPOLL_CTL_ADD, entries[i].fd, &event), 0);
    }
    assert_true(wait_one(fds[SET], &events) == UINT64_MAX);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 5};
    assert_int_equal(epoll_ctl(fds[INNER], EPOLL_CTL_ADD, fds[OTHER], &event), 0);
    close(gone);
    dup2(fds[OTHER], reused);
    remake_all(&remake, fds, COUNT);
    assert_int_equal(wait_one(fds[SET], &events), 0);
    for (int i = PLAIN; i <= REUSED; i++) {
        assert_int_equal(write(fds[i], &value, 8), 8);
        assert_int_equal(wait_one(fds[SET], &events), i);
        assert_int_equal(read(fds[i], &value, 8), 8);
    }
    assert_int_equal(write(fds[OTHER], &value, 8), 8);
    assert_int_equal(wait_one(fds[SET], &events), 4);
    assert_int_equal(wait_one(fds[INNER], &events), 5);
    close(reused);
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    remake_free(&remake);
}

/* Of a watched directory and a watched file, with a number in between that is free again. */
static void test_inotify(void **state)
{
    (void)state;
    struct remake remake;
    char directory[] = "/tmp/recap-test-XXXXXX", path[64], buffer[512];
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/file", directory);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    int fd = inotify_init1(IN_NONBLOCK);
    assert_int_equal(inotify_add_watch(fd, directory, IN_CREATE | IN_EXCL_UNLINK), 1);
    assert_int_equal(inotify_add_watch(fd, "/", IN_CREATE), 2);
    assert_int_equal(inotify_add_watch(fd, path, IN_MODIFY), 3);
    inotify_rm_watch(fd, 2);
    struct inotify_event *event = (struct inotify_event *)buffer;
    assert_true(read(fd, buffer, sizeof buffer) > 0); /* that the second is ignored from now on */
    remake_all(&remake, &fd, 1);
    assert_int_equal(read(fd, buffer, sizeof buffer), -1);
    int file = open(path, O_WRONLY);
    assert_int_equal(write(file, "x", 1), 1);
    assert_int_equal(read(fd, buffer, sizeof buffer), sizeof *event);
    assert_int_equal(event->wd, 3);
    assert_int_equal(event->mask, IN_MODIFY);
    char other[64];
    snprintf(other, sizeof other, "%s/other", directory);
    close(open(other, O_CREAT | O_WRONLY, 0600));
    assert_true(read(fd, buffer, sizeof buffer) > 0);
    assert_int_equal(event->wd, 1);
    assert_string_equal(event->name, "other");
    assert_int_equal(inotify_add_watch(fd, "/", IN_CREATE), 4);
    close(file);
    close(fd);
    remake_free(&remake);
    fd = inotify_init1(0);
    assert_int_equal(inotify_add_watch(fd, directory, IN_DELETE), 1);
    unlink(other);
    remake_describe(&remake, &fd, 1, false);
    assert_int_equal(remake.refusals.count, 1);
    assert_non_null(strstr(remake.refusals.items[0].what, "events wait"));
    assert_true(read(fd, buffer, sizeof buffer) > 0);
    remake_free(&remake);
    close(fd);
    unlink(path);
    rmdir(directory);
}

static void test_process_descriptors(void **state)
{
    (void)state;
    struct remake remake;
    pid_t child = fork(), other = fork();
    if (!child || !other)
        _exit(child ? 0 : 3);
    int fds[2] = {(int)syscall(SYS_pidfd_open, getpid(), PIDFD_NONBLOCK),
                  (int)syscall(SYS_pidfd_open, child, 0)};
    assert_true(fds[0] >= 0 && fds[1] >= 0);
    waitpid(child, NULL, 0);
    remake_all(&remake, fds, 2);
    assert_int_equal(syscall(SYS_pidfd_send_signal, fds[0], 0, NULL, 0), 0);
    struct pollfd ready[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
    assert_int_equal(poll(ready, 2, 0), 1);
    assert_true(ready[1].revents & POLLIN);
    assert_true(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    assert_int_equal(syscall(SYS_pidfd_send_signal, fds[1], 0, NULL, 0), -1);
    assert_int_equal(errno, ESRCH);
    close(fds[0]);
    close(fds[1]);
    remake_free(&remake);
    int fd = (int)syscall(SYS_pidfd_open, other, 0);
    remake_describe(&remake, &fd, 1, false);
    assert_true(remake.graph->objects[0].external);
    remake_free(&remake);
    close(fd);
    waitpid(other, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_counters),      cmocka_unit_test(test_timers),
        cmocka_unit_test(test_signal_descriptors),  cmocka_unit_test(test_memory_files),
        cmocka_unit_test(test_epoll_sets),          cmocka_unit_test(test_inotify),
        cmocka_unit_test(test_process_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
