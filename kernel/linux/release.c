/* release.c: letting a created process go: from the last step here on it lives without us.
 *
 * Until then the kernel ends it together with us, whenever that is.
 */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/namespace.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel restarts a system call only on the way through signal delivery: a thread that stands
 * at the exit of one is stopped once more, before it returns. */
static int stop_in_delivery(const struct linux_pd *pd, struct linux_thread *thread,
                            struct recap_error *error)
{
    struct linux_stopped stopped;
    if (ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0) != 0 ||
        ptrace(PTRACE_CONT, thread->tid, 0, 0) != 0)
        return recap_fail(error, -errno, "starting thread %d", thread->vtid);
    linux_stop_wait(pd, thread->tid, 0, &stopped);
    if (stopped.stop != LINUX_STOP_TRAP)
        return recap_fail(error, -ESRCH, "starting thread %d", thread->vtid);
    return 0;
}

static int set_registers(struct linux_thread *thread, struct recap_error *error)
{
    struct linux_registers *home = thread->home;
    if (ptrace(PTRACE_SETSIGMASK, thread->tid, sizeof home->mask, &home->mask) != 0 ||
        ptrace(PTRACE_SETREGS, thread->tid, 0, &home->stopped) != 0)
        return recap_fail(error, -errno, "setting the registers of thread %d", thread->vtid);
    return 0;
}

/* Untraced threads go on when we die, traced ones with this option end: the last one that loses it
 * is the moment from which on the component is on its own. */
static int spare(const struct linux_thread *thread, struct recap_error *error)
{
    if (thread->seized && ptrace(PTRACE_SETOPTIONS, thread->tid, 0, 0) != 0)
        return recap_fail(error, -errno, "letting go of thread %d", thread->vtid);
    return 0;
}

int linux_start(struct linux_pd *pd, struct recap_error *error)
{
    int code = linux_badges_let_go(pd->kernel);
    if (code < 0)
        return recap_fail(error, code, "letting go of what was made");
    code = linux_watches_set(pd->kernel, error);
    if (code < 0)
        return code;
    code = pd->foothold->moved ? linux_foothold_vanish(pd, error) : linux_foothold_leave(pd, error);
    if (code == 0 && pd->foothold->moved)
        code = pd->begins_stopped ? linux_group_stop_begin(pd, &pd->threads[0], error)
                                  : stop_in_delivery(pd, &pd->threads[0], error);
    for (size_t i = 0; code == 0 && i < pd->thread_count; i++)
        code = set_registers(&pd->threads[i], error);
    if (code == 0)
        code = linux_namespace_show_proc(pd->kernel, error);
    if (code == 0)
        code = linux_namespace_keep(pd->kernel, pd->vpid, error);
    /* Those that it lets go end with the others if we end now. */
    if (code == 0)
        linux_waits_resume(pd);
    for (size_t i = pd->thread_count; code == 0 && i-- > 0;)
        code = spare(&pd->threads[i], error);
    if (code != 0)
        return code;
    linux_stop_detach(pd);
    /* Who draws on a terminal draws again. */
    if (pd->new_terminal)
        syscall(SYS_pidfd_send_signal, pd->pidfd, SIGWINCH, NULL, 0);
    pd->created = false;
    return 0;
}
