/* clocks.h: the clocks that count since a boot, and time namespaces, in which they count on. */
#ifndef RECAP_KERNEL_LINUX_CLOCKS_H
#define RECAP_KERNEL_LINUX_CLOCKS_H

#include "kernel/linux/linux.h"

#include <time.h>

/* By how many nanoseconds `clock` of the process whose /proc directory is `proc` stands ahead of
 * ours: not 0 only in a time namespace. */
int linux_clock_ahead(int proc, clockid_t clock, int64_t *ahead);
/* Writes the member "clocks": those of the process at this moment. */
int linux_clocks_record(const struct linux_pd *pd, struct recap_arena *arena,
                        struct recap_value *state, struct recap_error *error);
/* If our clocks stand behind those of an image (the machine has been started anew), moves us into a
 * time namespace in which they go on from there; then so do those of all processes that we make.
 * Without privilege that takes the namespaces of namespace.h. To be called by a process of one
 * thread, and before the first process is made. */
int linux_clocks_continue(struct linux_kernel *kernel, const struct recap_graph *graph,
                          struct recap_error *error);
/* Back to where our clocks were, as far as we may. */
void linux_clocks_leave(struct linux_kernel *kernel);

#endif
