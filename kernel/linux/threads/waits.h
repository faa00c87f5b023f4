/* waits.h: system calls that a thread was waiting in with a timeout that only the kernel knows.
 *
 * Most interrupted calls are simply made again, with the registers and memory that they had: those
 * that wait without a timeout or until a point in time, and those whose remaining time the kernel
 * writes back (select, ppoll). nanosleep, poll and futex are different: what is left of their
 * timeouts is in the kernel's restart block, which neither leaves a process nor enters one. The
 * image keeps what is left; a restored thread makes the call once with that, is interrupted at
 * once, and so has a restart block of its own.
 */
#ifndef RECAP_KERNEL_LINUX_THREADS_WAITS_H
#define RECAP_KERNEL_LINUX_THREADS_WAITS_H

#include "kernel/linux/batch/foothold.h"

/* What the kernel shows of calls that are to be made again. */
enum {
    LINUX_RESTART_SYS = 512,
    LINUX_RESTART_NO_INTERRUPT = 513,
    LINUX_RESTART_NO_HANDLER = 514,
    LINUX_RESTART_BLOCK = 516,
};

/* Just before a thread is stopped: notes what it waits in, and since when. */
int linux_wait_look(struct linux_pd *pd, pid_t tid);
/* Forgets what was noted. */
void linux_waits_forget(struct linux_pd *pd);
/* Of a stopped thread, which shows registers `r`, that is still where it was seen: the call that it
 * waits in, restart_syscall told apart, or -1; and how long it had been waiting, or -1: it is not
 * known, or may have run in between. */
long linux_wait_call(const struct linux_pd *pd, pid_t tid, const struct user_regs_struct *r);
int64_t linux_wait_elapsed(const struct linux_pd *pd, pid_t tid, const struct user_regs_struct *r);

/* Records the wait of a stopped thread, if its timeout is in a restart block. A wait that cannot be
 * told is not recorded: its call returns -EINTR after restore, as it does after a signal handler.
 */
void linux_wait_record(struct linux_pd *pd, const struct linux_thread *thread,
                       struct recap_arena *arena, struct recap_value *state);
/* Makes the restart blocks of all threads of a created PD whose states have a wait: states[i] is
 * that of pd->threads[i], whose registers to go on with are set. The last thing before they start:
 * time counts from here. */
int linux_waits_arm(struct linux_pd *pd, const struct recap_value *const *states,
                    struct recap_error *error);

#endif
