/* calls.h: many remote system calls that all have to succeed, and what each was for. */
#ifndef RECAP_KERNEL_LINUX_BATCH_CALLS_H
#define RECAP_KERNEL_LINUX_BATCH_CALLS_H

#include "kernel/linux/linux.h"

struct linux_calls {
    struct linux_pd *pd;
    struct recap_error *error;
    struct linux_batch *batch;  /* NULL: none was started since the last run */
    struct linux_wanted *items; /* what was asked for since then */
    size_t count;
    size_t room;
    struct linux_sent *sent; /* descriptors that travel with the batch */
    size_t sent_count;
    size_t sent_room;
};

/* Makes sure that a batch is started and has room for a few more calls; may run what it has. */
int linux_calls_start(struct linux_calls *calls);
/* Appends a call for `what` (static text: "mapping") on `length` bytes at `address`, which has to
 * return `expected`. Returns its index in the batch. Out of memory is sticky in the batch. */
size_t linux_calls_add(struct linux_calls *calls, const char *what, uint64_t address,
                       uint64_t length, uint64_t expected, long number,
                       const uint64_t arguments[6]);
/* Sends a descriptor of ours, which it takes over, with the batch, once for each `key` and batch,
 * and makes it argument `argument` of call `call`. `fd` is not looked at when linux_calls_has_fd.
 */
int linux_calls_use_fd(struct linux_calls *calls, uint64_t key, int fd, size_t call, int argument);
/* Whether the descriptor with that key already travels with the batch. */
bool linux_calls_has_fd(const struct linux_calls *calls, uint64_t key);
/* Runs everything so far; the first call that did not return what it had to is the error. */
int linux_calls_run(struct linux_calls *calls);
/* Frees what was not run. */
void linux_calls_clear(struct linux_calls *calls);

#define LINUX_CALL(...) LINUX_CALL_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define LINUX_CALL_(nr, a, b, c, d, e, f, ...)                                                     \
    (long)(nr), (const uint64_t[6])                                                                \
    {                                                                                              \
        (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e), (uint64_t)(f)   \
    }

#endif
