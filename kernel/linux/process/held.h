/* held.h: processes that somebody else holds, and those that we may not touch. */
#ifndef RECAP_KERNEL_LINUX_PROCESS_HELD_H
#define RECAP_KERNEL_LINUX_PROCESS_HELD_H

#include "kernel/linux/linux.h"

/* Fills the error with who traces the process or one of its threads; another recap lets go soon,
 * which is -EBUSY and no refusal. Returns its code. */
int linux_held_traced(const struct linux_pd *pd, pid_t tracer, struct recap_error *error);
/* Whether thread `tid` is frozen by its control group; then the error says so, if it is not NULL.
 */
bool linux_held_frozen(const struct linux_pd *pd, pid_t tid, struct recap_error *error);
/* Whether it is a thread of the kernel's own. */
bool linux_held_by_kernel(const struct linux_pd *pd);
/* Adds to an error that says that we were not let at the process what would help. */
void linux_held_denied(const struct linux_pd *pd, struct recap_error *error);

#endif
