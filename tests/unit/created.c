/* created.c: fresh processes: with the ids of choice, acted in, started, and gone with their maker.
 */
#include "kernel/linux/backend.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { ID = 7000, THREADS = 20, CAPS = 300 };

/* Shared with the maker: where the processes are as the test sees them. */
static struct board {
    pid_t pid;
    bool started;
    char what[256];
} * board;

static void need(bool good, const char *what)
{
    if (good)
        return;
    snprintf(board->what, sizeof board->what, "%s", what);
    _exit(1);
}

static void done(int code, const struct recap_error *error)
{
    need(code == 0, error->what);
}

static void make(struct recap_kernel *kernel, struct recap_pd **pd)
{
    struct recap_error error = {0};
    struct recap_pd_image plan = {.id = ID};
    pid_t ids[THREADS];
    struct recap_graph *graph = recap_graph_new();
    need(graph != NULL, "making a graph");
    done(recap_linux_enter_namespace(kernel, &error), &error);
    done(kernel->ops->pd_create(kernel, graph, &plan, pd, &error), &error);
    recap_graph_free(graph);
    board->pid = linux_pd(*pd)->pid;
    for (int i = 0; i < THREADS; i++)
        ids[i] = 9000 + 2 * i;
    done(linux_pd_add_threads(linux_pd(*pd), ids, THREADS, &error), &error);
}

static void act_in_all(struct linux_pd *pd)
{
    struct recap_error error = {0};
    struct linux_batch *batches[THREADS + 1];
    size_t calls[THREADS + 1];
    for (size_t i = 0; i <= THREADS; i++) {
        batches[i] = linux_batch_new(pd, i);
        calls[i] = linux_batch_call(batches[i], SYS_gettid);
    }
    done(linux_batch_run_all(batches, THREADS + 1, &error), &error);
    for (size_t i = 0; i <= THREADS; i++) {
        int64_t want = i ? 9000 + 2 * ((int64_t)i - 1) : ID;
        need(linux_batch_result(batches[i], calls[i]) == want, "a thread is not the one asked for");
        linux_batch_free(batches[i]);
    }
}

/* Where the workshop is moved: an address that neither programs nor sanitizers use. */
#define WORKSHOP UINT64_C(0x200000000000)
#define WORKSHOP_IN_MAPS "200000000000"

/* A place to go on from: the start of a page that the process makes for it. */
static uint64_t write_program(struct linux_pd *pd)
{
    /* pause(2), again and again */
    static const uint8_t code[] = {0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7};
    struct recap_error error = {0};
    struct linux_batch *batch = linux_batch_new(pd, 0);
    size_t map = linux_batch_call(batch, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    done(linux_batch_run(batch, &error), &error);
    uint64_t address = (uint64_t)linux_batch_result(batch, map);
    linux_batch_free(batch);
    done(linux_access_poke(pd, address, code, sizeof code, &error), &error);
    return address;
}

static void start(struct recap_pd *base, uint64_t address)
{
    struct recap_error error = {0};
    struct linux_pd *pd = linux_pd(base);
    for (size_t i = 0; i < pd->thread_count; i++) {
        struct linux_registers *home = pd->threads[i].home;
        home->stopped.rip = address;
        home->stopped.orig_rax = UINT64_MAX;
        home->mask = UINT64_C(1) << (SIGUSR1 - 1);
    }
    done(base->kernel->ops->resume(base, &error), &error);
    board->started = true;
}

static void install_all(struct recap_kernel *kernel, struct recap_pd *pd)
{
    static recap_selector selectors[CAPS];
    static struct recap_cap caps[CAPS];
    struct recap_error error = {0};
    recap_badge badge;
    int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
    need(fd >= 0, "opening /dev/zero");
    done(kernel->ops->adopt(kernel, fd, &badge, &error), &error);
    for (size_t i = 0; i < CAPS; i++) {
        selectors[i] = 2 * i;
        caps[i].badge = badge;
    }
    done(kernel->ops->install_many(pd, selectors, caps, CAPS, &error), &error);
}

static void maker(bool to_the_end)
{
    struct recap_kernel *kernel;
    struct recap_error error = {0};
    struct recap_pd *pd;
    signal(SIGSEGV, SIG_DFL);
    done(recap_linux_open(&kernel, &error), &error);
    make(kernel, &pd);
    act_in_all(linux_pd(pd));
    done(linux_foothold_move(linux_pd(pd), WORKSHOP, 1 << 24, &error), &error);
    act_in_all(linux_pd(pd));
    install_all(kernel, pd);
    uint64_t address = write_program(linux_pd(pd));
    if (to_the_end)
        start(pd, address);
    for (;;)
        pause();
}

static void read_file(const char *name, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", board->pid, name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

static size_t count_entries(const char *name)
{
    char command[96], line[16] = "";
    snprintf(command, sizeof command, "ls /proc/%d/%s | wc -l", board->pid, name);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    pclose(pipe);
    return strtoul(line, NULL, 10);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static bool gone_soon(int pidfd)
{
    struct pollfd gone = {.fd = pidfd, .events = POLLIN};
    return poll(&gone, 1, 3000) == 1;
}

static void test_started(void **state)
{
    static char text[65536];
    (void)state;
    memset(board, 0, sizeof *board);
    pid_t pid = fork();
    if (pid == 0)
        maker(true);
    while (!board->started && waitpid(pid, NULL, WNOHANG) == 0)
        nap();
    assert_string_equal(board->what, "");
    assert_true(board->started);
    int pidfd = (int)syscall(SYS_pidfd_open, board->pid, 0);
    assert_true(pidfd >= 0);
    /* On its own: nothing of its maker matters any more. */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    nap();
    assert_int_equal(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0), 0);
    read_file("status", text, sizeof text);
    assert_non_null(strstr(text, "State:\tS"));
    assert_non_null(strstr(text, "\t7000\n"));
    assert_non_null(strstr(text, "TracerPid:\t0"));
    assert_non_null(strstr(text, "SigBlk:\t0000000000000200"));
    assert_int_equal(count_entries("task"), THREADS + 1);
    assert_int_equal(count_entries("fd"), CAPS);
    read_file("maps", text, sizeof text);
    assert_null(strstr(text, "\n" WORKSHOP_IN_MAPS "-"));
    kill(board->pid, SIGKILL);
    assert_true(gone_soon(pidfd));
    close(pidfd);
}

/* Whenever its maker is killed before that, a fresh process is gone. */
static void test_abandoned(void **state)
{
    (void)state;
    for (int i = 0; i < 25; i++) {
        memset(board, 0, sizeof *board);
        pid_t pid = fork();
        if (pid == 0)
            maker(false);
        while (!board->pid && waitpid(pid, NULL, WNOHANG) == 0)
            sched_yield();
        assert_string_equal(board->what, "");
        assert_true(board->pid > 0);
        int pidfd = (int)syscall(SYS_pidfd_open, board->pid, 0);
        nanosleep(&(struct timespec){.tv_nsec = i * 400000}, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        assert_true(pidfd < 0 || gone_soon(pidfd));
        close(pidfd);
    }
}

static int set_up(void **state)
{
    (void)state;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return board == MAP_FAILED ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_started),
        cmocka_unit_test(test_abandoned),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
