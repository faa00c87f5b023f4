/* interrupted.c: what a thread was about when it was stopped, and how it goes on.
 *
 * Stopping a thread interrupts the system call that it waits in. The kernel makes most of them
 * again by itself; the rest are made to look like those (waits.c).
 */
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/* Puts a restartable sequence that the thread was inside to its abort handler, as the kernel does
 * with every thread that was preempted. */
static void abort_sequence(struct linux_thread *thread)
{
    struct __ptrace_rseq_configuration rseq;
    struct user_regs_struct *r = &thread->home->stopped;
    if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, thread->tid, sizeof rseq, &rseq) < 0 ||
        rseq.rseq_abi_pointer == 0)
        return;
    uint64_t section = 0;
    struct {
        uint32_t version, flags;
        uint64_t start, length, abort;
    } sequence;
    struct iovec local = {&section, sizeof section};
    struct iovec remote = {(void *)(rseq.rseq_abi_pointer + 8), sizeof section};
    if (process_vm_readv(thread->tid, &local, 1, &remote, 1, 0) != sizeof section || section == 0)
        return;
    local = (struct iovec){&sequence, sizeof sequence};
    remote = (struct iovec){(void *)section, sizeof sequence};
    if (process_vm_readv(thread->tid, &local, 1, &remote, 1, 0) != sizeof sequence)
        return;
    if (sequence.version == 0 && r->rip - sequence.start < sequence.length)
        r->rip = sequence.abort;
}

/* How the thread would go on by itself: what the kernel does before it returns to the program. */
static void find_way_home(struct linux_registers *home)
{
    struct user_regs_struct *r = &home->home;
    *r = home->stopped;
    if ((int64_t)r->orig_rax < 0)
        return;
    switch (-(int64_t)r->rax) {
    case LINUX_RESTART_SYS:
    case LINUX_RESTART_NO_INTERRUPT:
    case LINUX_RESTART_NO_HANDLER:
        r->rax = r->orig_rax;
        r->rip -= 2;
        break;
    case LINUX_RESTART_BLOCK:
        r->rax = (uint64_t)linux_restart_number(home->way);
        r->rip -= 2;
        break;
    }
}

int linux_stop_read(struct linux_pd *pd, struct linux_thread *thread, struct recap_error *error)
{
    struct linux_registers *home = thread->home;
    struct user_regs_struct *r = &home->stopped;
    if (ptrace(PTRACE_GETREGS, thread->tid, 0, r) != 0 ||
        ptrace(PTRACE_GETSIGMASK, thread->tid, sizeof home->mask, &home->mask) != 0)
        return recap_fail(error, -errno, "reading the registers of thread %d", thread->tid);
    if (r->cs != 0x33)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "thread %d runs 32-bit code, and only 64-bit is supported",
                            thread->tid);
    int code = linux_wait_stopped(pd, thread, error);
    if (code != 0)
        return code;
    if ((int64_t)r->orig_rax < 0)
        abort_sequence(thread);
    find_way_home(home);
    return 0;
}
