/* pty_owner.h: who may open the terminal end of a pseudo-terminal. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_TERMINALS_PTY_OWNER_H
#define RECAP_KERNEL_LINUX_OBJECTS_TERMINALS_PTY_OWNER_H

#include "kernel/linux/linux.h"

/* Writes owner, group and mode of the terminal end's node of `master` (one of our descriptors) into
 * `ties`. */
int linux_pty_owner_describe(int master, struct recap_arena *arena, struct recap_value *ties,
                             struct recap_error *error);
/* Gives the node of a new one the same. */
int linux_pty_owner_set(int master, const struct recap_object *object,
                        const struct recap_value *ties, struct recap_error *error);

#endif
