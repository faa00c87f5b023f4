/* waits.h: system calls that a thread was waiting in with a timeout.
 *
 * Most interrupted calls are simply made again, with the registers and memory that they had: those
 * that wait without a timeout or until a point in time, and those whose remaining time the kernel
 * writes back (select, ppoll). The others have a whole timeout to begin with:
 *
 * nanosleep, poll and futex have what is left of theirs in the kernel's restart block, which
 * neither leaves a process nor enters one. The image keeps what is left; a restored thread makes
 * the call once with that, is interrupted at once, and so has a restart block of its own.
 *
 * epoll_wait is made again with what is left in its register.
 *
 * Others point to their timeout (sigtimedwait, epoll_pwait2) or leave it to a socket (SO_RCVTIMEO).
 * What is left stands there only while the call is made again, so that the program finds its own
 * times as it put them: see waits_resume.c.
 */
#ifndef RECAP_KERNEL_LINUX_THREADS_WAITS_H
#define RECAP_KERNEL_LINUX_THREADS_WAITS_H

#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/threads/timed_calls.h"

/* What the kernel shows of calls that are to be made again. */
enum {
    LINUX_RESTART_SYS = 512,
    LINUX_RESTART_NO_INTERRUPT = 513,
    LINUX_RESTART_NO_HANDLER = 514,
    LINUX_RESTART_BLOCK = 516,
};

/* What a thread waited in just before it was stopped. */
struct linux_seen {
    pid_t tid;
    long call; /* restart_syscall told apart; -1: of something unknown */
    uint64_t arguments[6];
    uint64_t stack, instruction;
    int64_t since;                 /* on the monotonic clock; -1: unknown */
    int64_t sleeps;                /* how often it had gone to sleep by then */
    int64_t socket_ns;             /* the timeout that its socket has; 0: none */
    uint8_t left[LINUX_TIME_SIZE]; /* what lay where a sleep would say what is left */
    bool left_known;
};

/* Notes that of a thread that is about to be stopped. */
int linux_wait_look(struct linux_pd *pd, pid_t tid);
/* The call with a restart block that the program makes where `instruction` follows: the number that
 * the code just before loads into eax. -1: it does not show. */
long linux_wait_call_before(struct linux_pd *pd, enum linux_way_in way, uint64_t instruction);
/* Forgets what was noted. */
void linux_waits_forget(struct linux_pd *pd);
/* What was seen of a thread; NULL: nothing. `Still`: if it stopped where it was seen. */
const struct linux_seen *linux_wait_seen(struct linux_pd *pd, pid_t tid);
bool linux_wait_still(const struct linux_seen *seen, const struct user_regs_struct *registers,
                      const uint64_t arguments[6]);
/* How long it had been waiting, or -1: it is not known, or may have run in between. */
int64_t linux_wait_elapsed(const struct linux_pd *pd, const struct linux_seen *seen);

/* Of a thread that has just stopped: notes what is left of its timeout, and takes away what the
 * stop has left in the process that a program could tell. */
int linux_wait_stopped(struct linux_pd *pd, struct linux_thread *thread, struct recap_error *error);
/* Whether memory that its process may not write can be written all the same once nobody traces it.
 * Kernels can be told not to allow that. Asked of ourselves, once, while /proc shows us. */
bool linux_waits_may_force(void);
/* Lets go of stopped threads whose calls have a timeout that is elsewhere than in registers. */
void linux_waits_resume(struct linux_pd *pd);

/* Records the wait of a stopped thread, if its timeout is not in its registers. A call that cannot
 * be told is an error. */
int linux_wait_record(struct linux_pd *pd, const struct linux_thread *thread,
                      struct recap_arena *arena, struct recap_value *state,
                      struct recap_error *error);
/* Makes the restart blocks and timeouts of all threads of a created PD whose states have a wait:
 * states[i] is that of pd->threads[i], whose registers to go on with are set. The last thing before
 * they start: time counts from here. */
int linux_waits_arm(struct linux_pd *pd, const struct recap_value *const *states,
                    struct recap_error *error);

#endif
