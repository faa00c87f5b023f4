/* create.c: a fresh process that is to become a checkpointed one.
 *
 * A child of ours with exactly the wanted PID, which at once gives up everything that it inherited.
 * Until we trace it, it lives only as long as a line to us; from then on the kernel ends it with us
 * (PTRACE_O_EXITKILL). So however Recap ends, no half-restored process stays.
 */
#include "kernel/linux/abi.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/clocks.h"
#include "kernel/linux/namespace.h"
#include "kernel/linux/room.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_PID = 4 * 1024 * 1024 }; /* of any kernel, however high kernel.pid_max */

/* What the fresh process does until we stop it: nothing, and without a signal reaching it. */
static _Noreturn void wait_to_be_stopped(int lifeline)
{
    char byte = 0;
    /* Whoever makes us may be one that must not be traced: we are to be. */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || dup2(lifeline, 0) < 0 ||
        syscall(SYS_close_range, 1, ~0u, 0) < 0 || write(0, &byte, 1) != 1)
        _exit(1);
    while (read(0, &byte, 1) != 0)
        ;
    _exit(1);
}

/* clone3 with the PID of choice; the new PID as we see it, or a negative errno. */
static pid_t clone_as(pid_t wanted, int lifeline, int ours)
{
    pid_t set_tid[1] = {wanted};
    struct clone_args arguments = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)set_tid, .set_tid_size = 1};
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        close(ours);
        wait_to_be_stopped(lifeline);
    }
    pid_t result = pid < 0 ? -errno : (pid_t)pid;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return result;
}

static int say_taken(pid_t wanted, struct recap_error *error)
{
    char path[32], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", wanted);
    if (linux_procfs_read_into(AT_FDCWD, path, name, sizeof name) > 0)
        name[strcspn(name, "\n")] = '\0';
    recap_refuse(error, RECAP_FAILED, -EEXIST, "process id %d is taken%s%s%s", wanted,
                 name[0] ? " by \"" : "", name, name[0] ? "\"" : "");
    return recap_error_remedy(error, "end that process, or restore with --namespace, where every "
                                     "process id is free");
}

/* The fresh process, in the namespaces that it takes. */
static pid_t start(struct linux_kernel *kernel, pid_t wanted, int ends[2],
                   struct recap_error *error)
{
    pid_t pid = clone_as(wanted, ends[0], ends[1]);
    if (pid == -EPERM && !kernel->own_namespace) {
        int result = linux_namespace_enter(kernel, error);
        if (result < 0)
            return result;
        pid = clone_as(wanted, ends[0], ends[1]);
    }
    if (pid == -EEXIST) {
        say_taken(wanted, error);
        return -EEXIST;
    }
    if (pid == -EINVAL && wanted > MOST_PID)
        return recap_refuse(error, RECAP_DAMAGED, pid, "no process can have the id %d", wanted);
    if (pid == -EINVAL) {
        recap_refuse(error, RECAP_FAILED, -EINVAL, "this system has no process id as high as %d",
                     wanted);
        recap_error_remedy(error, "raise kernel.pid_max");
        return -EINVAL;
    }
    return pid < 0 ? recap_fail(error, pid, "making a process with id %d", wanted) : pid;
}

/* A registration that the fresh process inherited points into memory that is about to go. */
static int forget_rseq(struct linux_pd *pd, struct linux_batch *batch)
{
    struct __ptrace_rseq_configuration rseq = {0};
    if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, pd->pid, sizeof rseq, &rseq) < 0 ||
        !rseq.rseq_abi_pointer)
        return -1;
    return (int)linux_batch_call(batch, SYS_rseq, rseq.rseq_abi_pointer, rseq.rseq_abi_size, 1,
                                 rseq.signature);
}

/* Selectors of the image may lie beyond the limit that we give. The image's own is set with the
 * attributes. What the kernel does not allow shows when that selector is installed. */
static void raise_limit(pid_t pid, const struct recap_pd_image *plan)
{
    enum { OWN = 64 }; /* for what is received before it is at its selector */
    struct rlimit limit;
    recap_selector highest = plan->slot_count ? plan->slots[plan->slot_count - 1].selector : 0;
    if (prlimit(pid, RLIMIT_NOFILE, NULL, &limit) != 0 || limit.rlim_cur > highest + OWN)
        return;
    struct rlimit higher = {highest + OWN + 1, limit.rlim_max};
    if (higher.rlim_max < higher.rlim_cur)
        higher.rlim_max = higher.rlim_cur;
    if (prlimit(pid, RLIMIT_NOFILE, &higher, NULL) == 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    prlimit(pid, RLIMIT_NOFILE, &limit, NULL);
}

static int empty(struct linux_pd *pd, struct recap_error *error)
{
    struct linux_batch *batch = linux_batch_new(pd, 0);
    size_t closing = linux_batch_call(batch, SYS_close_range, 0, ~0u, 0);
    int rseq = forget_rseq(pd, batch);
    int result = linux_batch_run(batch, error);
    if (result == 0)
        result = linux_batch_check(batch, closing, "closing inherited descriptors", error);
    if (result == 0 && rseq >= 0)
        result = linux_batch_check(batch, (size_t)rseq, "leaving restartable sequences", error);
    linux_batch_free(batch);
    return result;
}

/* It may be stopped from now on, or has ended. */
static int await_ready(pid_t pid, int lifeline, struct recap_error *error)
{
    enum { MILLISECONDS = 10 * 1000 };
    struct pollfd ready = {.fd = lifeline, .events = POLLIN};
    int result;
    do
        result = poll(&ready, 1, MILLISECONDS);
    while (result < 0 && errno == EINTR);
    if (result > 0)
        return 0;
    return recap_fail(error, result ? -errno : -ETIMEDOUT, "waiting for process %d to begin", pid);
}

int linux_pd_create(struct recap_kernel *kernel, const struct recap_graph *graph,
                    const struct recap_pd_image *plan, struct recap_pd **pd,
                    struct recap_error *error)
{
    int ends[2];
    if (!plan->id || plan->id > INT32_MAX)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "%llu is not a process id",
                            (unsigned long long)plan->id);
    int result = linux_clocks_continue(linux_kernel(kernel), graph, error);
    if (result < 0)
        return result;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return recap_fail(error, -errno, "making a line to a process");
    pid_t pid = start(linux_kernel(kernel), (pid_t)plan->id, ends, error);
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return pid;
    }
    struct recap_pd *made;
    result = await_ready(pid, ends[1], error);
    if (result == 0)
        result = linux_pd_open(kernel, (uint64_t)pid, &made, error);
    if (result < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        close(ends[1]);
        return result;
    }
    linux_pd(made)->created = true;
    linux_pd(made)->own_parent = true;
    linux_pd(made)->next_born = linux_kernel(kernel)->born;
    linux_kernel(kernel)->born = linux_pd(made);
    result = linux_suspend(made, error);
    /* Traced from here on, or about to be killed: the line has served. */
    close(ends[1]);
    raise_limit(pid, plan);
    /* After the process was forked: it begins with the limit that we were given. */
    if (result == 0)
        result = linux_room_make(linux_kernel(kernel), graph->object_count, error);
    if (result == 0)
        result = empty(linux_pd(made), error);
    if (result < 0) {
        linux_pd_close(made);
        return result;
    }
    *pd = made;
    return 0;
}
