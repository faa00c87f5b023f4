/* inode_state.h: what an inode that has to be made anew is like: mode, owner, times, attributes. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_INODE_STATE_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_INODE_STATE_H

#include "kernel/linux/linux.h"

/* Writes it into a state. `path` leads to the inode (a link of /proc), or is NULL where only
 * `status` is known. -EOPNOTSUPP: it has a flag with which it could not be filled again. */
int linux_inode_describe(struct recap_arena *arena, struct recap_value *state,
                         const struct stat *status, const char *path, struct recap_error *error);
/* Gives it to a new inode: `fd` may be a mere name (O_PATH). The last that is done to it. */
int linux_inode_set(const struct recap_object *object, int fd, struct recap_error *error);

#endif
