/* interrupted.c: what a thread was about when it was stopped, and how it goes on.
 *
 * Stopping a thread interrupts the system call that it waits in. The kernel makes most of them
 * again by itself; the rest are made to look like those.
 */
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* What the kernel keeps to itself: results of system calls that are to be made again. */
#define ERESTARTSYS 512
#define ERESTARTNOINTR 513
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

/* Whether a call that returned -EINTR was merely waiting: nobody but its own signal handlers should
 * ever see that, and the kernel does not restart it by itself. */
static bool waited_in_vain(uint64_t number)
{
    switch (number) {
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
    case SYS_semop:
    case SYS_semtimedop:
    case SYS_rt_sigtimedwait:
    case SYS_io_getevents:
    case SYS_io_pgetevents:
    case SYS_io_uring_enter:
    case SYS_futex_waitv:
    case SYS_read:
    case SYS_readv:
    case SYS_write:
    case SYS_writev:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_accept:
    case SYS_accept4:
        return true;
    default:
        return false;
    }
}

/* Puts a restartable sequence that the thread was inside to its abort handler, as the kernel does
 * with every thread that was preempted. */
static void abort_sequence(struct linux_pd *pd, struct linux_thread *thread)
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
    if (process_vm_readv(pd->pid, &local, 1, &remote, 1, 0) != sizeof section || section == 0)
        return;
    local = (struct iovec){&sequence, sizeof sequence};
    remote = (struct iovec){(void *)section, sizeof sequence};
    if (process_vm_readv(pd->pid, &local, 1, &remote, 1, 0) != sizeof sequence)
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
    case ERESTARTSYS:
    case ERESTARTNOINTR:
    case ERESTARTNOHAND:
        r->rax = r->orig_rax;
        r->rip -= 2;
        break;
    case ERESTART_RESTARTBLOCK:
        r->rax = SYS_restart_syscall;
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
    if ((int64_t)r->orig_rax >= 0)
        home->blocked_ns = linux_wait_elapsed(pd, thread->tid, r);
    if ((int64_t)r->orig_rax >= 0 && (int64_t)r->rax == -EINTR && !home->group_stop &&
        waited_in_vain(r->orig_rax)) {
        /* The kernel then decides when the thread goes on: -EINTR if a handler runs, else again.
         * The time that passed is taken off where a register holds the timeout. */
        r->rax = (uint64_t)-ERESTARTNOHAND;
        int32_t timeout = (int32_t)r->r10;
        if ((r->orig_rax == SYS_epoll_wait || r->orig_rax == SYS_epoll_pwait) && timeout > 0 &&
            home->blocked_ns > 0) {
            int64_t left = timeout - home->blocked_ns / 1000000;
            r->r10 = (uint64_t)(left > 0 ? left : 0);
        }
        if (ptrace(PTRACE_SETREGS, thread->tid, 0, r) != 0)
            return recap_fail(error, -errno, "setting the registers of thread %d", thread->tid);
    }
    if ((int64_t)r->orig_rax < 0)
        abort_sequence(pd, thread);
    find_way_home(home);
    return 0;
}
