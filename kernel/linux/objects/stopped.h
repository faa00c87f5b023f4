/* stopped.h: whether those who hold a description are stopped. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_STOPPED_H
#define RECAP_KERNEL_LINUX_OBJECTS_STOPPED_H

#include "kernel/linux/badges/badges.h"
#include "kernel/linux/linux.h"

/* Whether the process is in a tracing stop (or is our own): 1 or 0, or a negative errno. What a
 * running program could notice, such as a peek offset, is done to its objects only then. */
int linux_home_is_stopped(struct linux_home home, struct recap_error *error);

#endif
