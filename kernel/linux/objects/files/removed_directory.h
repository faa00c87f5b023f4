/* removed_directory.h: directories that descriptors refer to or processes stand in and that have no
 * name any more. They are made again, and removed again. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_REMOVED_DIRECTORY_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_REMOVED_DIRECTORY_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* The inner object of one. `path` is the name that it had, `live` a link of /proc that leads to it.
 */
int linux_removed_directory(struct linux_kernel *kernel, const struct stat *status,
                            const char *path, const char *live, recap_badge *badge,
                            struct recap_error *error);
/* The same of one that a descriptor refers to, named in the state of that as "directory". */
int linux_removed_directory_held(struct linux_kernel *kernel,
                                 const struct linux_description *description, const char *path,
                                 struct recap_arena *arena, struct recap_value *state,
                                 struct recap_error *error);
/* Another description of it for an object whose state names it as "directory", once it was made. */
int linux_removed_directory_open(struct linux_kernel *kernel, const struct recap_creation *creation,
                                 const struct recap_object *object, int flags, int *fd,
                                 struct recap_error *error);

#endif
