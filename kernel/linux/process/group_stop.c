/* group_stop.c: a process that a signal stopped (SIGSTOP, ^Z), and that is to stay so until
 * SIGCONT.
 *
 * Its threads run our stubs all the same while we trace them: the kernel has a thread stop again
 * when its tracer lets go. In a created process the stop is begun just before that. */
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/process/process.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>

void linux_group_stop_record(const struct linux_pd *pd, struct recap_arena *arena,
                             struct recap_value *state)
{
    int signal = 0;
    for (size_t i = 0; i < pd->thread_count && !signal; i++)
        signal = pd->threads[i].home->group_stop;
    if (signal)
        recap_put_number(arena, state, "stopped_by", signal);
}

int linux_group_stop_set(struct linux_pd *pd, const struct recap_value *want,
                         struct recap_error *error)
{
    int64_t signal = 0;
    if (!recap_member(want, "stopped_by"))
        return 0;
    if (recap_get_number(want, "stopped_by", &signal) < 0 || signal < 1 || signal > SIGRTMAX)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "there is no signal that stops");
    pd->begins_stopped = true;
    return 0;
}

/* Lets the thread go on with a signal, up to its next stop. */
static int go_on(const struct linux_pd *pd, struct linux_thread *thread, int signal,
                 struct linux_stopped *stopped, struct recap_error *error)
{
    if (ptrace(PTRACE_CONT, thread->tid, 0, signal) != 0)
        return recap_fail(error, -errno, "stopping process %d again", pd->pid);
    linux_stop_wait(pd, thread->tid, 0, stopped);
    return 0;
}

/* From the exit of a system call the signal is sent, and stops it when it is received: nothing but
 * a tracer has to permit that. */
int linux_group_stop_begin(struct linux_pd *pd, struct linux_thread *thread,
                           struct recap_error *error)
{
    struct linux_stopped stopped = {0};
    int code = go_on(pd, thread, SIGSTOP, &stopped, error);
    if (code == 0 && stopped.stop == LINUX_STOP_SIGNAL && stopped.signal == SIGSTOP)
        code = go_on(pd, thread, SIGSTOP, &stopped, error);
    if (code == 0 && (stopped.stop != LINUX_STOP_TRAP || stopped.signal != SIGSTOP))
        code = recap_fail(error, -EPROTO, "stopping process %d again", pd->pid);
    return code;
}
