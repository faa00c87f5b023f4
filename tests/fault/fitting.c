/* fitting.c: how a system call fails in practice. */
#include "fitting.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

static const struct {
    int failure;
    long calls[24]; /* up to the first 0 that is not the first */
} fittings[] = {
    /* A command that saw these fail would be harmed by the test alone. */
    {0, {SYS_exit,
         SYS_exit_group,
         SYS_rt_sigreturn,
         SYS_getpid,
         SYS_gettid,
         SYS_getppid,
         SYS_getuid,
         SYS_geteuid,
         SYS_getgid,
         SYS_getegid,
         SYS_getpgrp,
         SYS_umask,
         SYS_set_tid_address,
         SYS_sched_yield,
         SYS_rt_sigprocmask,
         SYS_rt_sigaction,
         SYS_clock_gettime,
         SYS_getcpu,
         SYS_rseq,
         SYS_set_robust_list}},
    {ENOMEM,
     {SYS_brk, SYS_mmap, SYS_mremap, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_mlock, SYS_mincore,
      SYS_memfd_create, SYS_kcmp, SYS_process_vm_readv, SYS_process_vm_writev, SYS_epoll_ctl}},
    {EMFILE,
     {SYS_open, SYS_openat, SYS_openat2, SYS_dup, SYS_dup2, SYS_dup3, SYS_pipe, SYS_pipe2,
      SYS_socket, SYS_socketpair, SYS_eventfd2, SYS_timerfd_create, SYS_signalfd4,
      SYS_epoll_create1, SYS_inotify_init1, SYS_pidfd_open, SYS_pidfd_getfd, SYS_accept4}},
    {EINTR,
     {SYS_wait4, SYS_waitid, SYS_futex, SYS_futex_waitv, SYS_poll, SYS_ppoll, SYS_select,
      SYS_pselect6, SYS_epoll_wait, SYS_epoll_pwait, SYS_nanosleep, SYS_clock_nanosleep,
      SYS_rt_sigtimedwait, SYS_recvmsg, SYS_sendmsg, SYS_flock, SYS_pause}},
    {EAGAIN, {SYS_clone, SYS_clone3, SYS_fork, SYS_vfork}},
    {ENOSPC, {SYS_fallocate, SYS_mkdir, SYS_mkdirat, SYS_pwrite64, SYS_ftruncate}},
    {EPERM, {SYS_kill, SYS_tkill, SYS_tgkill, SYS_unshare, SYS_setns, SYS_mount}},
};

int fitting_errno(long number, uint64_t second)
{
    uint64_t operation = second & FUTEX_CMD_MASK;
    if (number == SYS_futex && operation != FUTEX_WAIT && operation != FUTEX_WAIT_BITSET)
        return 0;
    for (size_t i = 0; i < sizeof fittings / sizeof *fittings; i++)
        for (size_t k = 0; k < 24 && (k == 0 || fittings[i].calls[k]); k++)
            if (fittings[i].calls[k] == number)
                return fittings[i].failure;
    return EIO;
}
