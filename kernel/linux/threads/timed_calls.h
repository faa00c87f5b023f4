/* timed_calls.h: the system calls that wait with a timeout, by the way in.
 *
 * A program of 64 bits may make system calls in two ways, `syscall` and `int 0x80`, each with
 * numbers, registers and layouts of its own. Which timeout a call has is read from its arguments.
 */
#ifndef RECAP_KERNEL_LINUX_THREADS_TIMED_CALLS_H
#define RECAP_KERNEL_LINUX_THREADS_TIMED_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/user.h>

enum linux_way_in {
    LINUX_WAY_SYSCALL,
    LINUX_WAY_INT_80,
};

/* Where what is left of the timeout is, once the call was interrupted. */
enum linux_timeout_keeper {
    LINUX_KEPT_BY_BLOCK,    /* in the kernel's restart block */
    LINUX_KEPT_BY_REGISTER, /* nowhere: the register has the whole of it */
    LINUX_KEPT_BY_MEMORY,   /* nowhere: so has the memory that an argument points to */
    LINUX_KEPT_BY_RECEIVER, /* nowhere: so has the socket, for all that wait to receive */
    LINUX_KEPT_BY_SENDER,   /* the same, for all that wait to send */
};

enum linux_timeout_form {
    LINUX_FORM_MS,         /* an int; negative: for ever */
    LINUX_FORM_TIMESPEC,   /* behind a pointer; a null pointer: for ever */
    LINUX_FORM_TIMEVAL,    /* likewise */
    LINUX_FORM_TIMESPEC32, /* with 32-bit members */
    LINUX_FORM_TIMEVAL32,
};

struct linux_timed_call {
    long number[2]; /* by the way in; -1: there is none */
    enum linux_timeout_form form[2];
    enum linux_timeout_keeper keeper;
    uint8_t argument[2]; /* of the timeout, or of the socket's descriptor */
    uint8_t left;        /* the argument that points to where a sleep says what is left; 0: none */
    bool written_back;   /* the kernel writes what is left over the timeout, where it may */
};

/* The call of that number with these arguments, if it may wait until a timeout. */
const struct linux_timed_call *linux_timed_call(enum linux_way_in way, long number,
                                                const uint64_t arguments[6]);
/* Whether it counts time from its beginning: neither for ever, nor until a point in time. Whether
 * one that a socket keeps does is for the socket to say. */
bool linux_timed_call_counts(const struct linux_timed_call *call, enum linux_way_in way,
                             const uint64_t arguments[6]);

/* A call's arguments, and where they are. */
void linux_call_arguments(const struct user_regs_struct *registers, enum linux_way_in way,
                          uint64_t arguments[6]);
void linux_call_set_argument(struct user_regs_struct *registers, enum linux_way_in way,
                             unsigned int index, uint64_t value);

/* The number under which the kernel shows a call that it goes on with by itself. */
long linux_restart_number(enum linux_way_in way);
/* Whether a call that returns -EINTR may be made again: all but those that have done what they were
 * to do all the same. */
bool linux_call_is_repeatable(enum linux_way_in way, long number);
/* Whether the call, interrupted with a part done, has its socket say so as an error. */
bool linux_call_leaves_error(enum linux_way_in way, long number);

/* Times behind a pointer: bytes, and the conversion from and to nanoseconds. */
enum { LINUX_TIME_SIZE = 16 };
size_t linux_time_size(enum linux_timeout_form form);
/* -1: no time that a timeout may be. */
int64_t linux_time_get(enum linux_timeout_form form, const void *bytes);
void linux_time_put(enum linux_timeout_form form, int64_t ns, void *bytes);

#endif
