/* foothold.h: what a stopped thread was doing, and how Recap acts inside a process.
 *
 * A stub of machine code lies in the zero padding behind the vDSO's text. It makes the system calls
 * of a batch, and it ends in the *way home*: code that loads every register from constants and
 * jumps to where the thread was. Nothing is written to the target's stack or to memory of its own,
 * and a thread whose tracer dies at any instant runs its batch out and goes home by itself.
 */
#ifndef RECAP_KERNEL_LINUX_BATCH_FOOTHOLD_H
#define RECAP_KERNEL_LINUX_BATCH_FOOTHOLD_H

#include "kernel/linux/batch/batch.h"
#include "kernel/linux/linux.h"
#include "kernel/linux/threads/timed_calls.h"

#include <sys/user.h>
#include <time.h>

/* Each extent of the workshop is at least twice as large as the one before. */
#define LINUX_MOST_EXTENTS 24

/* How a thread was when it stopped. */
struct linux_registers {
    /* As the kernel shows them: of an interrupted system call, orig_rax is its number and rax what
     * it is about to return (-ERESTART* mostly). Calls that would show a mere stop to the program
     * as -EINTR stand here as -ERESTARTNOHAND instead. A thread that was inside a restartable
     * sequence stands at its abort handler. Setting them back lets the kernel restart the call
     * itself. */
    struct user_regs_struct stopped;
    /* The same as the program goes on by itself: the system call is about to be made (again). */
    struct user_regs_struct home;
    uint64_t mask;                 /* blocked signals */
    enum linux_way_in way;         /* of its system call, if it is in one that was interrupted */
    int64_t blocked_ns;            /* how long it had been waiting in the kernel; -1: unknown */
    int64_t left_ns;               /* of the timeout of its call as it stopped; -1: unknown, or the
                                    * call has it elsewhere */
    struct timespec stopped_at;    /* on the monotonic clock */
    int signal;                    /* that it is to receive as it goes on; 0: none */
    int group_stop;                /* SIGSTOP or the like: goes back to that; 0: none */
    bool away;                     /* its registers are the stub's: they have to be set back */
    struct user_regs_struct there; /* as they were at the last stop call of its stub */
    int ending;                    /* while away: the signal of its stub's stop calls; 0: none */
};

struct linux_foothold {
    int memory; /* /proc/PID/mem; noted: as it was when the process was examined */
    bool noted;
    uint64_t area; /* padding that takes the stubs */
    size_t area_size;
    size_t used;    /* bytes of it that hold the leader's stub */
    size_t dirtied; /* bytes of it that were written */
    int signal;     /* ends a batch: one that the target ignores; 0: none, step instead */
    bool standing;  /* the leader's stub and the workshop are there */
    bool adrift;    /* the leader got lost on the way: once let go, it finishes and goes home */
    uint64_t loop;  /* addresses in the leader's stub */
    uint64_t tail;
    struct user_regs_struct template; /* registers that run the leader's loop */
    uint64_t workshop;                /* memory in the target for calls and data */
    size_t workshop_size;
    uint64_t free; /* where the unused part of the workshop, or of its last extent, begins */
    uint64_t free_end;
    size_t extents; /* further mappings, each unmapped by an entry of the header */
    struct linux_foothold_extent {
        uint64_t start;
        uint64_t end;
    } extent[LINUX_MOST_EXTENTS];
    size_t batches;  /* alive: the memory is handed back when none is left */
    bool moved;      /* of a created PD: the stub lies in the workshop itself */
    pid_t *children; /* threads that a batch made */
    size_t child_room;
    size_t child_count;
};

/* --- stub.c: machine code --------------------------------------------------------------------- */

struct linux_stub {
    uint8_t bytes[2048];
    size_t length;
    size_t loop; /* offsets */
    size_t tail;
    size_t home;
};

/* The whole stub of the leader: a first system call, its stop, the loop over entries, the tail that
 * unmaps the workshop of `size` bytes and stops, and the way home. */
void linux_stub_leader(struct linux_stub *stub, const struct linux_thread *thread, pid_t vpid,
                       int signal, size_t size);

/* Calls of another thread, which never reads the workshop: constants only. At most
 * LINUX_STUB_CALLS, whose results are left in registers; those of the last are where arguments
 * were, so calls from LINUX_STUB_WIDE_CALLS on have no sixth argument. */
#define LINUX_STUB_CALLS 8
#define LINUX_STUB_WIDE_CALLS 7
struct linux_stub_call {
    long number;
    uint64_t arguments[6];
};
void linux_stub_other(struct linux_stub *stub, const struct linux_thread *thread, pid_t vpid,
                      int signal, const struct linux_stub_call *calls, size_t count);
/* The same for up to LINUX_STUB_ALIKE calls whose results are known beforehand, and fit: the one
 * result is 0 if they all came so. */
#define LINUX_STUB_ALIKE 16
void linux_stub_alike(struct linux_stub *stub, const struct linux_thread *thread, pid_t vpid,
                      int signal, const struct linux_stub_call *calls, const int32_t *expected,
                      size_t count);
/* Result `index` of such calls. */
uint64_t linux_stub_result(const struct user_regs_struct *registers, size_t index);

/* One entry of the loop. */
struct linux_entry {
    uint64_t number; /* and by default the result */
    uint64_t arguments[6];
    uint64_t result; /* address that takes the result */
    uint64_t next;   /* address of the next entry; 0: the last */
    uint64_t spare;  /* keeps entries 16-byte aligned */
};

/* --- await.c: waiting for ptrace stops, never without an end ---------------------------------- */

enum linux_stop {
    LINUX_STOP_GONE,     /* the thread is no more */
    LINUX_STOP_TRAP,     /* interrupted, or in a group stop (`signal` says which) */
    LINUX_STOP_SIGNAL,   /* about to receive `signal` */
    LINUX_STOP_CALL,     /* at a system call's entry or exit */
    LINUX_STOP_CLONE,    /* made a thread, `child` */
    LINUX_STOP_EXIT,     /* about to end */
    LINUX_STOP_LATE,     /* still not stopped at the deadline */
    LINUX_STOP_UNWANTED, /* the same when the caller did not want to wait any longer */
};

struct linux_stopped {
    enum linux_stop stop;
    int signal;
    pid_t child;
};

/* A point in time at which a thread that was asked to stop has to: one that waits in the kernel
 * uninterruptibly does not. */
int64_t linux_stop_deadline(void);
/* Waits until `tid` stops, up to the deadline; 0: for as long as it gets anywhere, which a thread
 * that runs system calls for us does. A first thread that has ended while others live is gone,
 * although the kernel reports that only when they are. */
void linux_stop_wait(const struct linux_pd *pd, pid_t tid, int64_t deadline,
                     struct linux_stopped *stopped);
/* Whether the caller still wants what is being done. */
bool linux_stop_wanted(const struct linux_pd *pd);
/* The state letter of a thread; 'X' when there is none, '?' when it cannot be read. */
char linux_stop_state(const struct linux_pd *pd, pid_t tid);
/* Whether the thread stands. */
bool linux_stop_is_one(const struct linux_stopped *stopped);
/* Fills `error` with why a thread did not stop, for LINUX_STOP_LATE and LINUX_STOP_UNWANTED. */
int linux_stop_say(const struct linux_pd *pd, pid_t tid, const struct linux_stopped *stopped,
                   struct recap_error *error);
/* Whether the process has ended, after a moment that a killed one takes for that. */
bool linux_stop_all_ended(const struct linux_pd *pd);
/* Waits for a stop, or for the end to be reported: true for a stop. */
bool linux_stop_or_end(const struct linux_pd *pd, pid_t tid, int64_t deadline);

/* --- suspend.c -------------------------------------------------------------------------------- */

/* Forgets a thread that has ended. */
void linux_stop_forget(struct linux_pd *pd, size_t thread);

/* --- stop.c: running stubs, and letting go ---------------------------------------------------- */

/* Lets go of all threads, which go on with what they were set to, and forgets them. */
void linux_stop_detach(struct linux_pd *pd);
/* Whether the thread's stop calls are found by watching every call, for want of a signal. */
bool linux_stop_stepping(const struct linux_pd *pd, const struct linux_registers *home);
/* Lets a stopped thread that runs a stub go on to its next stop call. */
int linux_stop_run(struct linux_pd *pd, size_t thread, struct recap_error *error);
/* The two halves of that: it goes on, and it has arrived. */
int linux_stop_go(struct linux_pd *pd, size_t thread, struct recap_error *error);
int linux_stop_arrive(struct linux_pd *pd, size_t thread, struct recap_error *error);

/* Finds the signal that ends batches. */
int linux_stop_choose(struct linux_pd *pd, struct recap_error *error);

/* --- threads/interrupted.c -------------------------------------------------------------------- */

/* Reads how a thread that has just stopped was, and how it goes on. */
int linux_stop_read(struct linux_pd *pd, struct linux_thread *thread, struct recap_error *error);

/* --- foothold.c ------------------------------------------------------------------------------- */

/* Notes which memory the process has, to find later that it has executed another program. */
void linux_foothold_note(struct linux_pd *pd);
/* Whether it has, with all threads stopped; what was noted is forgotten. */
bool linux_foothold_has_changed(struct linux_pd *pd);
/* Finds the padding. */
int linux_foothold_find(struct linux_pd *pd, struct recap_error *error);
/* Makes the leader stand in its stub, with a workshop. Cheap when it stands already. */
int linux_foothold_stand(struct linux_pd *pd, struct recap_error *error);
/* Sets all threads back to where they were and leaves no trace: the ordinary way home. */
int linux_foothold_leave(struct linux_pd *pd, struct recap_error *error);
/* Memory for a batch. */
int linux_foothold_take(struct linux_pd *pd, size_t size, uint64_t *address,
                        struct recap_error *error);
/* Has the leader (or any thread of a created process) run the entries from `first` on, up to the
 * next stop call. */
int linux_foothold_run(struct linux_pd *pd, size_t thread, uint64_t first,
                       struct recap_error *error);
/* The address of the entry that ends every batch of the leader. */
uint64_t linux_foothold_last(const struct linux_pd *pd);
/* Has another thread make a few calls, all constant, with its stub at `place` of the padding (see
 * linux_foothold_room), and does not wait for it. */
int linux_foothold_start(struct linux_pd *pd, size_t thread, size_t place,
                         const struct linux_stub *stub, struct recap_error *error);
/* Waits until it has made them: the results, and it is back where it was. */
int linux_foothold_finish(struct linux_pd *pd, size_t thread, size_t count, int64_t *results,
                          struct recap_error *error);
/* From which byte of the padding on stubs of other threads may lie. */
size_t linux_foothold_room(const struct linux_pd *pd);

/* Writes the header of a workshop that the foothold has just come to. */
int linux_foothold_settle(struct linux_pd *pd, struct recap_error *error);

/* --- release.c -------------------------------------------------------------------------------- */

/* Starts a created process: the other half of linux_resume. */
int linux_start(struct linux_pd *pd, struct recap_error *error);

/* --- threads/add.c ---------------------------------------------------------------------------- */

/* Makes threads with these ids (as the component itself knows them) in a created process. They are
 * appended to pd->threads in this order, stopped; batches may run in them. What they are resumed
 * with is what stands in their home->stopped and home->mask by then, and in the kernel for what
 * ptrace sets at once (extended registers). */
int linux_pd_add_threads(struct linux_pd *pd, const pid_t *vtids, size_t count,
                         struct recap_error *error);

/* --- foothold_move.c: of a created process ---------------------------------------------------- */

/* Moves everything that acts inside a created process (code, workshop) into [address, address +
 * size), which is free and stays free for it: from now on it takes memory only from there, so the
 * rest of the process can be unmapped and rebuilt, its vDSO too. */
int linux_foothold_move(struct linux_pd *pd, uint64_t address, uint64_t size,
                        struct recap_error *error);
/* The lowest stretch of memory that ends above `from` and is the foothold's, not the process's;
 * false: there is none. What a listing of the process's memory leaves out. */
bool linux_foothold_takes(const struct linux_pd *pd, uint64_t from, uint64_t *start, uint64_t *end);

/* Has the first of several threads exit with that code. What acts inside goes on in the second. */
int linux_foothold_end_first(struct linux_pd *pd, int code, struct recap_error *error);

/* Unmaps what the foothold has left in a created process, by its own code: the last step before its
 * threads are set to the registers that they start with. */
int linux_foothold_vanish(struct linux_pd *pd, struct recap_error *error);

/* --- batch.c: what only install needs --------------------------------------------------------- */

/* The received descriptor stays open under the number that it arrived at. */
void linux_batch_keep_fd(struct linux_batch *batch, size_t token);
/* The number under which it arrived; -1: it did not. */
int linux_batch_arrived(const struct linux_batch *batch, size_t token);

/* --- access.c: memory of a stopped process ---------------------------------------------------- */

int linux_access_read(struct linux_pd *pd, uint64_t address, void *bytes, size_t length,
                      struct recap_error *error);
int linux_access_write(struct linux_pd *pd, uint64_t address, const void *bytes, size_t length,
                       struct recap_error *error);
/* Writes also where the process may not write itself: into its code. */
int linux_access_poke(struct linux_pd *pd, uint64_t address, const void *bytes, size_t length,
                      struct recap_error *error);
/* Where stubs may lie: zero padding behind the vDSO's text. */
int linux_access_padding(struct linux_pd *pd, uint64_t *address, size_t *size,
                         struct recap_error *error);

#endif
