/* batch/foothold.c: processes in every kind of wait and run are stopped, acted in and let go, again
 * and again, and check for themselves that nothing happened to them. */
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/backend.h"
#include "kernel/linux/batch/batch.h"
#include "tests/unit/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define ROUNDS 40
#define SELECTOR 77

static struct recap_kernel *kernel;
static struct host_board *board;

static void nap(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* What of a process must be the same afterwards. */
static char *picture(pid_t pid)
{
    static const char command[] = "cat /proc/%d/maps; ls -l /proc/%d/fd | sed 's/.*:.. //'; "
                                  "grep -E 'Sig(Blk|Ign|Cgt)|State' /proc/%d/status";
    char line[256];
    size_t length = 0, capacity = 1 << 20;
    char *text = calloc(1, capacity);
    snprintf(line, sizeof line, command, pid, pid, pid);
    FILE *pipe = popen(line, "re");
    assert_non_null(text);
    assert_non_null(pipe);
    for (size_t got; (got = fread(text + length, 1, capacity - 1 - length, pipe)) > 0;)
        length += got;
    pclose(pipe);
    return text;
}

static pid_t start(void (*host)(struct host_board *))
{
    memset(board, 0, sizeof *board);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        host(board);
        _exit(board->wrong ? 1 : 0);
    }
    while (!board->ready)
        nap(1);
    nap(20);
    return pid;
}

static void finish(pid_t pid)
{
    int status;
    board->go = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (board->wrong)
        print_error("wrong: %s (%ld)\n", board->what, board->value);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void check(int code, const struct recap_error *error)
{
    if (code != 0)
        print_error("%s\n", error->what);
    assert_int_equal(code, 0);
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* One round: a batch in each thread, a capability in and out. */
static void visit(pid_t pid)
{
    struct recap_error error = {0};
    struct recap_pd *pd;
    struct recap_cap cap = {0};
    int fd = eventfd(7, EFD_CLOEXEC);
    assert_true(fd >= 0);
    check(kernel->ops->adopt(kernel, fd, &cap.badge, &error), &error);
    check(kernel->ops->pd_open(kernel, (uint64_t)pid, &pd, &error), &error);
    check(kernel->ops->suspend(pd, &error), &error);
    struct linux_pd *p = linux_pd(pd);
    for (size_t i = 0; i < p->thread_count; i++) {
        struct linux_batch *batch = linux_batch_new(p, i);
        size_t id = linux_batch_call(batch, SYS_gettid);
        size_t own = linux_batch_call(batch, SYS_getpid);
        check(linux_batch_run(batch, &error), &error);
        assert_int_equal(linux_batch_result(batch, id), p->threads[i].vtid);
        assert_int_equal(linux_batch_result(batch, own), p->vpid);
        linux_batch_free(batch);
    }
    check(kernel->ops->install(pd, SELECTOR, &cap, &error), &error);
    check(kernel->ops->remove(pd, SELECTOR, &error), &error);
    check(kernel->ops->resume(pd, &error), &error);
    kernel->ops->pd_close(pd);
}

static void visit_often(pid_t pid)
{
    for (int i = 0; i < ROUNDS; i++) {
        visit(pid);
        nap(2);
    }
}

/* Visits a host and has it say how it was. */
static void try_host(void (*host)(struct host_board *), bool same)
{
    pid_t pid = start(host);
    visit(pid); /* the page of code is the process's own from now on */
    char *before = picture(pid);
    visit_often(pid);
    char *after = picture(pid);
    if (same)
        assert_string_equal(before, after);
    free(before);
    free(after);
    finish(pid);
}

#define WAITING(name)                                                                              \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        try_host(host_##name, true);                                                               \
    }
#define RUNNING(name)                                                                              \
    static void test_##name(void **state)                                                          \
    {                                                                                              \
        (void)state;                                                                               \
        try_host(host_##name, false);                                                              \
    }

WAITING(read)
WAITING(poll)
WAITING(epoll)
WAITING(select)
WAITING(futex)
WAITING(sleep)
WAITING(receive)
WAITING(blocked)
WAITING(catching)
WAITING(small_stack)
WAITING(threads)
RUNNING(registers)
RUNNING(sequence)
RUNNING(timers)

/* A wait with a time limit takes no longer and no shorter for being looked at. Returns whether it
 * ended in time. */
static bool try_timed(int kind)
{
    memset(board, 0, sizeof *board);
    board->kind = kind;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        host_timed(board);
        _exit(board->wrong ? 1 : 0);
    }
    while (!board->ready)
        nap(1);
    /* On a busy machine few visits fit into half of its wait. */
    long begin = now_ms();
    do {
        nap(10);
        visit(pid);
    } while (now_ms() - begin < HOST_TIMED_MS / 2);
    finish(pid);
    return !board->late;
}

static void test_timed(void **state)
{
    (void)state;
    enum { TRIES = 6 };
    for (int kind = 0; kind < HOST_TIMED_KINDS; kind++) {
        /* On a busy machine any wait may end late. One that began anew is late every time. */
        int tries = 0;
        while (!try_timed(kind) && ++tries < TRIES)
            ;
        assert_true(tries < TRIES);
    }
}

/* Every queued signal arrives once, in order, whenever it is sent. */
static void test_queue(void **state)
{
    (void)state;
    pid_t pid = start(host_queue);
    pid_t sender = fork();
    if (sender == 0) {
        for (int i = 1; i <= HOST_QUEUE; i++) {
            while (sigqueue(pid, SIGRTMIN + 1, (union sigval){.sival_int = i}) != 0)
                nap(1);
            if (i % 8 == 0)
                nap(1);
        }
        _exit(0);
    }
    for (int i = 0; i < ROUNDS; i++)
        visit(pid);
    assert_int_equal(waitpid(sender, NULL, 0), sender);
    finish(pid);
}

/* A stopped process stays stopped, and its parent is told nothing new. */
static void test_stopped(void **state)
{
    (void)state;
    int status;
    pid_t pid = start(host_read);
    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    for (int i = 0; i < ROUNDS / 2; i++) {
        visit(pid);
        assert_int_equal(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    }
    char *text = picture(pid);
    assert_non_null(strstr(text, "State:\tT"));
    free(text);
    kill(pid, SIGCONT);
    finish(pid);
}

/* Killed at any time, a tracer leaves a process that goes on, with what it had and no more than the
 * one capability that was being installed. */
static void try_killed(void (*host)(struct host_board *))
{
    pid_t pid = start(host);
    visit(pid);
    char *before = picture(pid);
    for (int i = 0; i < 150; i++) {
        pid_t tracer = fork();
        if (tracer == 0) {
            for (;;)
                visit(pid);
        }
        struct timespec now, until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        long wait_ns = 500000 + (long)i * 9973 % 700000;
        do
            clock_gettime(CLOCK_MONOTONIC, &now);
        while ((now.tv_sec - until.tv_sec) * 1000000000L + now.tv_nsec - until.tv_nsec < wait_ns);
        kill(tracer, SIGKILL);
        waitpid(tracer, NULL, 0);
    }
    nap(20);
    struct recap_error error = {0};
    struct recap_pd *pd;
    check(kernel->ops->pd_open(kernel, (uint64_t)pid, &pd, &error), &error);
    kernel->ops->remove(pd, SELECTOR, NULL);
    kernel->ops->pd_close(pd);
    char *after = picture(pid);
    if (host != host_registers)
        assert_string_equal(before, after);
    free(before);
    free(after);
    finish(pid);
}

static void test_killed_waiting(void **state)
{
    (void)state;
    try_killed(host_read);
}

static void test_killed_running(void **state)
{
    (void)state;
    try_killed(host_registers);
}

static void test_killed_threads(void **state)
{
    (void)state;
    try_killed(host_threads);
}

static void test_killed_catching(void **state)
{
    (void)state;
    try_killed(host_catching);
}

/* A batch that outgrows the workshop. */
static void test_large(void **state)
{
    (void)state;
    struct recap_error error = {0};
    struct recap_pd *pd;
    pid_t pid = start(host_read);
    visit(pid);
    char *before = picture(pid);
    check(kernel->ops->pd_open(kernel, (uint64_t)pid, &pd, &error), &error);
    check(kernel->ops->suspend(pd, &error), &error);
    struct linux_batch *batch = linux_batch_new(linux_pd(pd), 0);
    size_t size = 3000000, first = 0;
    char *data = malloc(size);
    assert_non_null(data);
    memset(data, 'x', size);
    uint64_t from = linux_batch_put(batch, data, size);
    uint64_t to = linux_batch_put(batch, NULL, size);
    struct {
        uint64_t base, length;
    } pieces[2] = {{to, size}, {from, size}};
    uint64_t list = linux_batch_put(batch, pieces, sizeof pieces);
    size_t copy =
        linux_batch_call(batch, SYS_process_vm_readv, linux_pd(pd)->vpid, list, 1, list + 16, 1, 0);
    for (int i = 0; i < 20000; i++) {
        size_t call = linux_batch_call(batch, SYS_getpid);
        first = i == 0 ? call : first;
    }
    check(linux_batch_run(batch, &error), &error);
    assert_int_equal(linux_batch_result(batch, copy), size);
    assert_memory_equal(linux_batch_data(batch, to), data, size);
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(linux_batch_result(batch, first + i), linux_pd(pd)->vpid);
    linux_batch_free(batch);
    check(kernel->ops->resume(pd, &error), &error);
    kernel->ops->pd_close(pd);
    char *after = picture(pid);
    assert_string_equal(before, after);
    free(before);
    free(after);
    free(data);
    finish(pid);
}

/* Many at once, free and occupied, some of them where descriptors happen to arrive. */
static void test_many(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    struct recap_error error = {0};
    struct recap_pd *pd;
    static recap_selector selectors[COUNT];
    static struct recap_cap caps[COUNT];
    pid_t pid = start(host_read);
    check(kernel->ops->pd_open(kernel, (uint64_t)pid, &pd, &error), &error);
    for (size_t i = 0; i < COUNT; i++) {
        int fd = eventfd((unsigned int)i, EFD_CLOEXEC);
        assert_true(fd >= 0);
        selectors[i] = 20 + i + i / 3;
        caps[i].slot_flags = i % 2 ? RECAP_SLOT_CLOSE_ON_EXEC : 0;
        check(kernel->ops->adopt(kernel, fd, &caps[i].badge, &error), &error);
    }
    for (int round = 0; round < 2; round++)
        check(kernel->ops->install_many(pd, selectors, caps, COUNT, &error), &error);
    for (size_t i = 0; i < COUNT; i++) {
        char path[64], text[256] = "", line[64];
        snprintf(path, sizeof path, "/proc/%d/fdinfo/%lu", pid, selectors[i]);
        FILE *file = fopen(path, "re");
        assert_non_null(file);
        assert_true(fread(text, 1, sizeof text - 1, file) > 0);
        fclose(file);
        snprintf(line, sizeof line, "eventfd-count: %16zx", i);
        assert_non_null(strstr(text, line));
        assert_int_equal(strstr(text, "flags:\t02000002") != NULL, i % 2);
        check(kernel->ops->remove(pd, selectors[i], &error), &error);
    }
    kernel->ops->pd_close(pd);
    finish(pid);
}

static void test_refusals(void **state)
{
    (void)state;
    struct recap_error error = {0};
    struct recap_pd *pd, *other;
    pid_t pid = start(host_read);
    check(kernel->ops->pd_open(kernel, (uint64_t)pid, &pd, &error), &error);
    assert_int_equal(kernel->ops->remove(pd, 5000, &error), -EBADF);
    assert_true(error.has_selector);
    check(kernel->ops->suspend(pd, &error), &error);
    pid_t second = fork();
    if (second == 0) {
        int code = kernel->ops->pd_open(kernel, (uint64_t)pid, &other, &error);
        if (code == 0)
            code = kernel->ops->suspend(other, &error);
        _exit(code == -EBUSY && strstr(error.what, "traced by") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_int_equal(status, 0);
    check(kernel->ops->resume(pd, &error), &error);
    kernel->ops->pd_close(pd);
    finish(pid);
}

static int set_up(void **state)
{
    (void)state;
    struct recap_error error;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return board == MAP_FAILED ? -1 : recap_linux_open(&kernel, &error);
}

static int tear_down(void **state)
{
    (void)state;
    kernel->ops->close(kernel);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_poll),
        cmocka_unit_test(test_epoll),
        cmocka_unit_test(test_select),
        cmocka_unit_test(test_futex),
        cmocka_unit_test(test_sleep),
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_catching),
        cmocka_unit_test(test_small_stack),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_registers),
        cmocka_unit_test(test_sequence),
        cmocka_unit_test(test_timers),
        cmocka_unit_test(test_timed),
        cmocka_unit_test(test_queue),
        cmocka_unit_test(test_stopped),
        cmocka_unit_test(test_killed_waiting),
        cmocka_unit_test(test_killed_running),
        cmocka_unit_test(test_killed_threads),
        cmocka_unit_test(test_killed_catching),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
