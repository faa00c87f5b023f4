/* pipe.h: what the ends of a pipe or FIFO (pipe_end.c) ask of the pipe itself (pipe.c). */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_PIPES_PIPE_H
#define RECAP_KERNEL_LINUX_OBJECTS_PIPES_PIPE_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* The inner object of the pipe that a description is an end of. `end` is its badge. */
int linux_pipe_of(struct linux_kernel *kernel, recap_badge end,
                  const struct linux_description *description, recap_badge *pipe,
                  struct recap_error *error);
/* What its known ends may do, taken together. */
uint32_t linux_pipe_rights_inside(struct linux_kernel *kernel, uint64_t inode);
/* An end of a pipe that has been made, with O_* `flags`: each is a description of its own. */
int linux_pipe_open(struct linux_kernel *kernel, recap_badge pipe, int flags, int *fd,
                    struct recap_error *error);

#endif
