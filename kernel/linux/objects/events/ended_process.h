/* ended_process.h: processes that have ended and that descriptors still refer to. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_EVENTS_ENDED_PROCESS_H
#define RECAP_KERNEL_LINUX_OBJECTS_EVENTS_ENDED_PROCESS_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* The badge of the process behind `badge`, a pidfd found as `description`: all pidfds of one
 * process get the same, where the kernel tells them apart. */
int linux_ended_process_of(struct linux_kernel *kernel, recap_badge badge,
                           const struct linux_description *description, recap_badge *process,
                           struct recap_error *error);

/* A new pidfd of the made process `process`. */
int linux_ended_process_open(struct linux_kernel *kernel, recap_badge process, int *fd,
                             struct recap_error *error);

#endif
