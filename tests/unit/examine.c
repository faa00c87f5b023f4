/* process/examine.c: what of a process is refused before anything is stopped. */
#include "kernel/linux/linux.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
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

static void test_a_tracer_is_named(void **state)
{
    (void)state;
    struct recap_refusals refusals = {0};
    struct recap_error error = {0};
    struct recap_pd *pd;
    pid_t pid = start(be_plain);
    assert_int_equal(ptrace(PTRACE_SEIZE, pid, 0, 0), 0);
    assert_int_equal(linux_pd_open(kernel, (uint64_t)pid, &pd, &error), 0);
    assert_int_equal(linux_examine(pd, &refusals, &error), -EBUSY);
    assert_int_equal(refusals.count, 0);
    assert_int_equal(error.cls, RECAP_FAILED);
    assert_non_null(strstr(error.what, "being traced"));
    linux_pd_close(pd);
    recap_refusals_clear(&refusals);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_semaphores),
        cmocka_unit_test(test_a_tracer_is_named),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
