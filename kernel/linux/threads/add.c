/* add.c: further threads of a created process, with ids of our choice. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#define FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

/* Makes room for `count` more, with registers each. */
static int prepare(struct linux_pd *pd, size_t count, struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    pid_t *children = reallocarray(foothold->children, count, sizeof *children);
    if (children) {
        foothold->children = children;
        foothold->child_room = count;
        foothold->child_count = 0;
    }
    struct linux_thread *threads =
        reallocarray(pd->threads, pd->thread_count + count, sizeof *threads);
    if (threads)
        pd->threads = threads;
    if (!children || !threads)
        return recap_fail(error, -ENOMEM, "making threads of process %d", pd->pid);
    return 0;
}

/* Takes over a thread that the kernel has attached to us and stopped before its first instruction.
 */
static int take_over(struct linux_pd *pd, pid_t tid, pid_t vtid, struct recap_error *error)
{
    /* What the kernel did not tell us of is ended with the process. */
    struct linux_registers *home = tid > 0 ? calloc(1, sizeof *home) : NULL;
    if (!home)
        return recap_fail(error, tid > 0 ? -ENOMEM : -EIO, "making thread %d", vtid);
    struct linux_thread *thread = &pd->threads[pd->thread_count++];
    *thread = (struct linux_thread){.tid = tid, .vtid = vtid, .seized = true, .home = home};
    struct linux_stopped stopped;
    linux_stop_wait(pd, tid, 0, &stopped);
    if (stopped.stop != LINUX_STOP_TRAP || ptrace(PTRACE_GETREGS, tid, 0, &home->stopped) != 0)
        return recap_fail(error, -ESRCH, "making thread %d", vtid);
    thread->stopped = true;
    home->home = home->stopped;
    home->mask = pd->threads[0].home->mask;
    home->blocked_ns = home->left_ns = -1;
    home->ending = pd->threads[0].home->ending;
    return 0;
}

int linux_pd_add_threads(struct linux_pd *pd, const pid_t *vtids, size_t count,
                         struct recap_error *error)
{
    if (count == 0)
        return 0;
    struct linux_batch *batch = linux_batch_new(pd, 0);
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        struct clone_args arguments = {.flags = FLAGS, .set_tid_size = 1};
        arguments.set_tid = linux_batch_put(batch, &vtids[i], sizeof vtids[i]);
        uint64_t place = linux_batch_put(batch, &arguments, sizeof arguments);
        size_t call = linux_batch_call(batch, SYS_clone3, place, sizeof arguments);
        if (i == 0)
            first = call;
    }
    int code = prepare(pd, count, error);
    if (code == 0)
        code = linux_batch_run(batch, error);
    size_t made = 0;
    for (size_t i = 0; i < count && (code == 0 || made < pd->foothold->child_count); i++) {
        int64_t id = linux_batch_result(batch, first + i);
        if (id > 0) {
            /* In the order of the calls. A thread has to be taken over also when another failed. */
            int taken = take_over(pd, pd->foothold->children[made++], vtids[i], error);
            code = code ? code : taken;
        } else if (code == 0 && id == -EEXIST) {
            code = recap_refuse(error, RECAP_FAILED, -EEXIST, "thread id %d is in use", vtids[i]);
            recap_error_remedy(error, "end what has it, or restore into a PID namespace of its own "
                                      "with --namespace");
        } else if (code == 0) {
            code = recap_fail(error, id < 0 ? (int)id : -EIO, "making thread %d", vtids[i]);
        }
    }
    linux_batch_free(batch);
    return code;
}
