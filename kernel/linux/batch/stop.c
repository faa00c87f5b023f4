/* stop.c: letting threads go, and running a stub from one stop call to the next. */
#include "kernel/linux/batch/foothold.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A thread that was killed while it was ours stays a zombie until we have seen its end. */
static void reap(const struct linux_pd *pd, const struct linux_thread *thread, int64_t deadline)
{
    bool first = thread->tid == pd->pid;
    /* The end of a child of ours is its parent's to see: whoever started it waits for that. So is
     * that of a first thread that others outlive. */
    if (first && (pd->own_parent || !linux_stop_all_ended(pd)))
        return;
    while (linux_stop_or_end(pd, thread->tid, deadline))
        ptrace(PTRACE_DETACH, thread->tid, 0, 0);
}

void linux_stop_detach(struct linux_pd *pd)
{
    for (size_t i = 0; i < pd->thread_count; i++) {
        struct linux_thread *thread = &pd->threads[i];
        if (thread->seized && ptrace(PTRACE_DETACH, thread->tid, 0, thread->home->signal) == 0)
            thread->seized = false;
    }
    int64_t deadline = linux_stop_deadline();
    /* The first thread is seen to end only when no other is left. */
    for (size_t i = pd->thread_count; i-- > 0;) {
        if (pd->threads[i].seized)
            reap(pd, &pd->threads[i], deadline);
        free(pd->threads[i].home);
    }
    free(pd->threads);
    pd->threads = NULL;
    pd->thread_count = 0;
    pd->suspended = false;
    pd->kernel->moment++;
}

/* Whether the thread has just made the stub's stop call: 1, 0, or a negative errno. */
static int at_stop_call(const struct linux_pd *pd, const struct linux_thread *thread, int signal)
{
    struct user_regs_struct *r = &thread->home->there;
    if (ptrace(PTRACE_GETREGS, thread->tid, 0, r) != 0)
        return -errno;
    return r->orig_rax == SYS_tgkill && r->rax == 0 && (pid_t)r->rdi == pd->vpid &&
           (pid_t)r->rsi == thread->vtid && (int)r->rdx == signal;
}

/* The thread is no more, or about to end. What stands at its end is let go there: nobody else can
 * end before. It stays ours until linux_stop_detach has seen the end itself. */
static int gone(struct linux_pd *pd, struct linux_thread *thread, struct recap_error *error)
{
    ptrace(PTRACE_CONT, thread->tid, 0, 0);
    thread->stopped = false;
    pd->foothold->adrift = true;
    return recap_fail(error, -ESRCH, "thread %d of process %d ended", thread->vtid, pd->pid);
}

/* The thread stands or runs somewhere in its stub, and we cannot tell where. */
static int lost(struct linux_pd *pd, struct linux_thread *thread, int code,
                struct recap_error *error)
{
    if (code == -ESRCH)
        return gone(pd, thread, error);
    pd->foothold->adrift = true;
    return recap_fail(error, code, "acting inside process %d", pd->pid);
}

/* A signal of the number that ends batches came from elsewhere. It has to wait in its queue like
 * all others: the kernel puts a signal back that is blocked when it would be delivered. From then
 * on the number cannot be used. */
static void give_up_signal(struct linux_pd *pd, struct linux_thread *thread, int signal)
{
    uint64_t all = UINT64_MAX;
    ptrace(PTRACE_SETSIGMASK, thread->tid, sizeof all, &all);
    pd->foothold->signal = 0;
    thread->home->signal = signal;
}

bool linux_stop_stepping(const struct linux_pd *pd, const struct linux_registers *home)
{
    return home->ending == 0 || home->ending != pd->foothold->signal;
}

int linux_stop_go(struct linux_pd *pd, size_t index, struct recap_error *error)
{
    struct linux_thread *thread = &pd->threads[index];
    struct linux_registers *home = thread->home;
    if (ptrace(linux_stop_stepping(pd, home) ? PTRACE_SYSCALL : PTRACE_CONT, thread->tid, 0,
               home->signal) != 0)
        return lost(pd, thread, -errno, error);
    home->signal = 0;
    thread->stopped = false;
    return 0;
}

int linux_stop_run(struct linux_pd *pd, size_t index, struct recap_error *error)
{
    int code = linux_stop_go(pd, index, error);
    return code ? code : linux_stop_arrive(pd, index, error);
}

int linux_stop_arrive(struct linux_pd *pd, size_t index, struct recap_error *error)
{
    struct linux_thread *thread = &pd->threads[index];
    struct linux_registers *home = thread->home;
    int ending = home->ending, code = 0;
    for (; code == 0; code = linux_stop_go(pd, index, error)) {
        struct linux_stopped stopped;
        int arrived;
        linux_stop_wait(pd, thread->tid, 0, &stopped);
        thread->stopped = linux_stop_is_one(&stopped);
        switch (stopped.stop) {
        case LINUX_STOP_TRAP:
            break;
        case LINUX_STOP_LATE:
        case LINUX_STOP_UNWANTED:
            pd->foothold->adrift = true;
            return linux_stop_say(pd, thread->tid, &stopped, error);
        case LINUX_STOP_CALL:
            arrived = at_stop_call(pd, thread, ending);
            if (arrived)
                return arrived < 0 ? lost(pd, thread, arrived, error) : 0;
            break;
        case LINUX_STOP_SIGNAL:
            if (stopped.signal == ending) {
                arrived = at_stop_call(pd, thread, ending);
                if (arrived)
                    return arrived < 0 ? lost(pd, thread, arrived, error) : 0;
                give_up_signal(pd, thread, ending);
            } else if (stopped.signal == SIGSTOP) {
                home->signal = SIGSTOP;
            } else {
                return recap_fail(error, -EFAULT, "signal %d while acting inside process %d",
                                  stopped.signal, pd->pid);
            }
            break;
        case LINUX_STOP_CLONE:
            if (pd->foothold->child_count < pd->foothold->child_room)
                pd->foothold->children[pd->foothold->child_count++] = stopped.child;
            break;
        case LINUX_STOP_EXIT:
        case LINUX_STOP_GONE:
            return gone(pd, thread, error);
        }
    }
    return code;
}

/* A mask of signals from a status text. */
static uint64_t status_mask(const char *text, const char *name)
{
    const char *field = strstr(text, name);
    return field ? strtoull(field + strlen(name), NULL, 16) : 0;
}

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

/* Finds a signal that the process ignores: to a tracer it is a stop, without one it is nothing. */
int linux_stop_choose(struct linux_pd *pd, struct recap_error *error)
{
    char status[4096];
    int fd = openat(pd->proc, "status", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, status, sizeof status - 1);
    int code = -errno;
    if (fd >= 0)
        close(fd);
    if (length < 0)
        return recap_fail(error, code, "reading the status of process %d", pd->pid);
    status[length] = 0;
    const char *seccomp = strstr(status, "\nSeccomp:\t");
    if (!pd->created && seccomp && seccomp[strlen("\nSeccomp:\t")] != '0') {
        recap_refuse(
            error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
            "process %d filters its system calls (seccomp), and one that Recap makes inside "
            "it may be its end",
            pd->pid);
        return -EOPNOTSUPP;
    }
    uint64_t pending = status_mask(status, "\nSigPnd:\t") | status_mask(status, "\nShdPnd:\t");
    uint64_t caught = status_mask(status, "\nSigCgt:\t");
    uint64_t ignored = status_mask(status, "\nSigIgn:\t");
    uint64_t quiet = (ignored & ~caught) | ((BIT(SIGURG) | BIT(SIGWINCH) | BIT(SIGCHLD)) & ~caught);
    /* SIGCONT and the stop signals drop each other from the queues; faults are forced. */
    quiet &=
        ~(BIT(SIGKILL) | BIT(SIGSTOP) | BIT(SIGCONT) | BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU) |
          BIT(SIGTRAP) | BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGILL) | BIT(SIGFPE) | BIT(SIGSYS));
    quiet &= ~pending;
    /* One that a thread blocks may be waited for by other means. */
    uint64_t blocked = 0;
    for (size_t i = 0; i < pd->thread_count; i++)
        blocked |= pd->threads[i].home->mask;
    if (quiet & ~blocked)
        quiet &= ~blocked;
    pd->foothold->signal = 0;
    static const int liked[] = {SIGURG, SIGWINCH, SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof liked / sizeof *liked && !pd->foothold->signal; i++)
        if (quiet & BIT(liked[i]))
            pd->foothold->signal = liked[i];
    for (int signal = 64; signal > 0 && !pd->foothold->signal; signal--)
        if (quiet & BIT(signal))
            pd->foothold->signal = signal;
    return 0;
}
