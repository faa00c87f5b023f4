/* backend.h: opening the kernel that the caller runs on, and what only this backend is asked. */
#ifndef RECAP_KERNEL_LINUX_BACKEND_H
#define RECAP_KERNEL_LINUX_BACKEND_H

#include "kernel/kernel.h"

int recap_linux_open(struct recap_kernel **kernel, struct recap_error *error);

/* The following accept any kernel: of another backend nothing of this holds, and it is refused. */

/* Has what is created from now on live in a PID namespace of its own, where every PID is free. Also
 * happens by itself where the caller may not choose PIDs otherwise. */
int recap_linux_enter_namespace(struct recap_kernel *kernel, struct recap_error *error);
bool recap_linux_in_namespace(const struct recap_kernel *kernel);
/* Whether /proc in that namespace speaks of the processes outside: the kernel permits no other
 * where parts of the outer /proc are hidden, as in many containers. */
bool recap_linux_proc_is_outside(const struct recap_kernel *kernel);
/* By how many nanoseconds the clock of what was created had to be moved, in a time namespace of its
 * own, to go on from an image's; 0: not at all. */
int64_t recap_linux_clocks_moved(const struct recap_kernel *kernel);

#endif
