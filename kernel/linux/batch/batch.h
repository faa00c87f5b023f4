/* batch.h: acting inside a stopped process. */
#ifndef RECAP_KERNEL_LINUX_BATCH_BATCH_H
#define RECAP_KERNEL_LINUX_BATCH_BATCH_H

#include "kernel/linux/linux.h"

/* A batch of system calls that a stopped thread of a suspended PD makes for us at one stop.
 *
 *     struct linux_batch *b = linux_batch_new(pd, 0);
 *     uint64_t old = linux_batch_put(b, NULL, sizeof(stack_t));
 *     size_t call = linux_batch_call(b, SYS_sigaltstack, 0, old);
 *     error = linux_batch_run(b, error) ?: linux_batch_check(b, call, "sigaltstack", error);
 *     stack_t *stack = linux_batch_data(b, old);
 *     linux_batch_free(b);
 *
 * Any number of calls and bytes: a batch that outgrows the foothold's page has it grow. Out of
 * memory is sticky and reported by linux_batch_run. */
struct linux_batch;

/* `thread` is an index into pd->threads. */
struct linux_batch *linux_batch_new(struct linux_pd *pd, size_t thread);
void linux_batch_free(struct linux_batch *batch);
/* Room for `length` bytes in the target, 16-byte aligned, filled from `data` or with zeros.
 * Returns its address there. */
uint64_t linux_batch_put(struct linux_batch *batch, const void *data, size_t length);
/* Appends a call with up to six arguments. Returns its index. */
#define linux_batch_call(batch, ...) linux_batch_call_(batch, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define linux_batch_call_(batch, nr, a, b, c, d, e, f, ...)                                        \
    linux_batch_append(batch, (long)(nr),                                                          \
                       (const uint64_t[6]){(uint64_t)(a), (uint64_t)(b), (uint64_t)(c),            \
                                           (uint64_t)(d), (uint64_t)(e), (uint64_t)(f)})
size_t linux_batch_append(struct linux_batch *batch, long number, const uint64_t arguments[6]);
/* The result of call `from` becomes argument `argument` (0 to 5) of the later call `to`. */
void linux_batch_chain(struct linux_batch *batch, size_t from, size_t to, int argument);
/* Sends a descriptor of ours into the target: appends the receiving calls; the number under which
 * it arrives becomes argument `argument` of every call named by linux_batch_use. `token` numbers
 * the descriptor within the batch. The target's copies are closed at the end of the batch. */
size_t linux_batch_send_fd(struct linux_batch *batch, int fd);
void linux_batch_use_fd(struct linux_batch *batch, size_t token, size_t call, int argument);
/* Says that the calls change nothing, so that they may be made twice. Those of many threads then go
 * faster: most have the same results as those of the first thread, if that has the same batch. */
void linux_batch_only_asks(struct linux_batch *batch);
/* Runs all calls in order; a failing call does not stop the others. */
int linux_batch_run(struct linux_batch *batch, struct recap_error *error);
/* Runs batches of different threads of one PD at the same time: all are started, then all are
 * waited for, so that 64 threads cost little more than one. */
int linux_batch_run_all(struct linux_batch *const *batches, size_t count,
                        struct recap_error *error);
/* What the call returned: a value or a negative errno. */
int64_t linux_batch_result(const struct linux_batch *batch, size_t call);
/* The bytes at an address that linux_batch_put gave, as they are after the run. */
const void *linux_batch_data(const struct linux_batch *batch, uint64_t address);
/* 0, or the call's negative errno with `error` filled with `what` ("setting the alternate stack").
 */
int linux_batch_check(const struct linux_batch *batch, size_t call, const char *what,
                      struct recap_error *error);

/* --- batch/steps.c: batches whose calls all have to succeed --- */

struct linux_steps;

struct linux_steps *linux_steps_new(struct linux_pd *pd, size_t thread);
/* Accepts NULL. */
void linux_steps_free(struct linux_steps *steps);
/* The same for __attribute__((cleanup)). */
static inline void linux_steps_clear(struct linux_steps **steps)
{
    linux_steps_free(*steps);
}
/* For linux_batch_put and what else a batch can. */
struct linux_batch *linux_steps_batch(struct linux_steps *steps);
/* Appends a call that has to succeed; `what` is said when it does not ("setting the user ids") and
 * lives as long as the steps. Returns its index in the batch. */
#define linux_step(steps, what, ...) linux_step_(steps, what, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define linux_step_(steps, what, nr, a, b, c, d, e, f, ...)                                        \
    linux_steps_append(steps, what, (long)(nr),                                                    \
                       (const uint64_t[6]){(uint64_t)(a), (uint64_t)(b), (uint64_t)(c),            \
                                           (uint64_t)(d), (uint64_t)(e), (uint64_t)(f)})
size_t linux_steps_append(struct linux_steps *steps, const char *what, long number,
                          const uint64_t arguments[6]);
/* Makes `fd`, a descriptor of ours that it takes over, argument `argument` of call `call`. */
void linux_steps_send(struct linux_steps *steps, int fd, size_t call, int argument);
/* Runs the steps of different threads at the same time (without a stop for those that have none).
 * The first failing call fills `error`. */
int linux_steps_run(struct linux_steps *const *steps, size_t count, struct recap_error *error);

/* --- batch/foothold.c: stopping, and the way home --- */

int linux_suspend(struct recap_pd *pd, struct recap_error *error);
int linux_resume(struct recap_pd *pd, struct recap_error *error);
/* Accepts NULL. */
void linux_foothold_free(struct linux_foothold *foothold);

#endif
