/* process/examine.c: what of a process is refused before anything is stopped. */
#include "kernel/linux/backend.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/linux.h"
#include "kernel/linux/process/process.h"

#include <dirent.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct recap_kernel *kernel;

static int enter(void **state)
{
    (void)state;
    return recap_linux_open(&kernel, NULL);
}

static int leave(void **state)
{
    (void)state;
    kernel->ops->close(kernel);
    return 0;
}

/* A child that is as `become` makes it. */
static pid_t start(void (*become)(void))
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        become();
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        close(ready[1]);
        for (;;)
            pause();
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

/* What is said against it; and that it goes on running. */
static void examine(pid_t pid, struct recap_refusals *refusals)
{
    struct recap_pd *pd;
    struct recap_error error = {0};
    if (linux_pd_open(kernel, (uint64_t)pid, &pd, &error) < 0)
        fail_msg("%s", error.what);
    if (linux_examine(pd, refusals, &error) < 0)
        fail_msg("%s", error.what);
    linux_pd_close(pd);
    assert_int_equal(kill(pid, 0), 0);
}

static void expect(void (*become)(void), const char *reason)
{
    struct recap_refusals refusals = {0};
    pid_t pid = start(become);
    examine(pid, &refusals);
    bool found = !reason && !refusals.count;
    for (size_t i = 0; i < refusals.count; i++)
        found |= reason && strstr(refusals.items[i].what, reason);
    if (!found)
        fail_msg("\"%s\" was not said, but: %s", reason ? reason : "",
                 refusals.count ? refusals.items[0].what : "nothing");
    recap_refusals_clear(&refusals);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void be_plain(void)
{
}

static void have_child(void)
{
    pid_t parent = getpid();
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            pause();
        _exit(0);
    }
}

static void have_zombie(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

static void filter(void)
{
    struct {
        unsigned short code;
        unsigned char jt, jf;
        unsigned k;
    } allow = {0x06, 0, 0, SECCOMP_RET_ALLOW};
    struct {
        unsigned short length;
        void *filter;
    } program = {1, &allow};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static pthread_barrier_t barrier;

_Noreturn static void *unshare_files(void *argument)
{
    (void)argument;
    unshare(CLONE_FILES);
    pthread_barrier_wait(&barrier);
    for (;;)
        pause();
}

static void have_thread_apart(void)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, unshare_files, NULL);
    pthread_barrier_wait(&barrier);
}

static void be_elsewhere(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) < 0)
        _exit(1);
}

/* Every process that ever had two threads has a list of what to undo. */
static void have_threads(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, (void *(*)(void *))(void (*)(void))pause, NULL);
}

static int semaphores;

static void have_something_undone(void)
{
    struct sembuf up = {.sem_op = 1, .sem_flg = SEM_UNDO};
    if (semop(semaphores, &up, 1) < 0)
        _exit(1);
}

static void test_semaphores(void **state)
{
    (void)state;
    semaphores = semget(IPC_PRIVATE, 3, 0600);
    assert_true(semaphores >= 0);
    expect(have_threads, NULL);
    expect(have_something_undone, "SEM_UNDO");
    assert_int_equal(semctl(semaphores, 0, IPC_RMID), 0);
}

static void test_refusals(void **state)
{
    (void)state;
    expect(be_plain, NULL);
    expect(have_child, "has a child: process ");
    expect(have_zombie, "has not waited for");
    expect(filter, "seccomp");
    expect(have_thread_apart, "a descriptor table of its own");
    expect(be_elsewhere, "another host name namespace");
    expect(be_elsewhere, "another user namespace");
}

/* What is said against `pid` while one of its threads is traced. */
static void expect_traced(pid_t pid, pid_t thread)
{
    struct recap_refusals refusals = {0};
    struct recap_error error = {0};
    struct recap_pd *pd;
    char tracer[64];
    snprintf(tracer, sizeof tracer, "traced by process %d", getpid());
    assert_int_equal(ptrace(PTRACE_SEIZE, thread, 0, 0), 0);
    assert_int_equal(linux_pd_open(kernel, (uint64_t)pid, &pd, &error), 0);
    assert_int_equal(linux_examine(pd, &refusals, &error), 0);
    assert_int_equal(refusals.count, 1);
    assert_int_equal(refusals.items[0].cls, RECAP_UNSUPPORTED);
    assert_non_null(strstr(refusals.items[0].what, tracer));
    linux_pd_close(pd);
    recap_refusals_clear(&refusals);
    kill(pid, SIGKILL);
    if (thread != pid)
        waitpid(thread, NULL, __WALL);
    waitpid(pid, NULL, __WALL);
}

static pid_t second_thread(pid_t pid)
{
    char path[32];
    pid_t found = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    assert_non_null(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));)
        if (atoi(entry->d_name) > 0 && atoi(entry->d_name) != pid)
            found = atoi(entry->d_name);
    closedir(tasks);
    return found;
}

static void test_a_tracer_is_named(void **state)
{
    (void)state;
    pid_t pid = start(be_plain);
    expect_traced(pid, pid);
    pid = start(have_threads);
    expect_traced(pid, second_thread(pid));
}

static pid_t to_be_traced;

static void trace_another(void)
{
    ptrace(PTRACE_SEIZE, to_be_traced, 0, 0);
}

/* One that waits for what it traces is refused at once, another when it has been stopped. */
static void test_a_process_that_traces_is_refused(void **state)
{
    (void)state;
    struct recap_error error = {0};
    struct recap_pd *pd;
    struct recap_graph *graph = recap_graph_new();
    struct recap_pd_image *image = recap_graph_add_pd(graph);
    char traced[64];
    to_be_traced = start(be_plain);
    pid_t pid = start(trace_another);
    snprintf(traced, sizeof traced, "process %d traces process %d", pid, to_be_traced);
    assert_int_equal(linux_pd_open(kernel, (uint64_t)pid, &pd, &error), 0);
    assert_int_equal(linux_suspend(pd, &error), 0);
    assert_int_equal(linux_attributes(pd, graph, image, &error), -EOPNOTSUPP);
    assert_int_equal(error.cls, RECAP_UNSUPPORTED);
    assert_non_null(strstr(error.what, traced));
    linux_pd_close(pd);
    recap_graph_free(graph);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    kill(to_be_traced, SIGKILL);
    waitpid(to_be_traced, NULL, 0);
}

static void test_one_that_has_ended(void **state)
{
    (void)state;
    struct recap_refusals refusals = {0};
    struct recap_error error = {0};
    struct recap_pd *pd;
    pid_t pid = start(be_plain);
    kill(pid, SIGKILL);
    siginfo_t end;
    assert_int_equal(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT), 0);
    assert_int_equal(linux_pd_open(kernel, (uint64_t)pid, &pd, &error), 0);
    assert_int_equal(linux_examine(pd, &refusals, &error), -ESRCH);
    assert_int_equal(refusals.count, 0);
    assert_non_null(strstr(error.what, "has ended"));
    assert_int_equal(linux_suspend(pd, &error), -ESRCH);
    assert_non_null(strstr(error.what, "has ended"));
    linux_pd_close(pd);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_semaphores),
        cmocka_unit_test(test_a_tracer_is_named),
        cmocka_unit_test(test_a_process_that_traces_is_refused),
        cmocka_unit_test(test_one_that_has_ended),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
