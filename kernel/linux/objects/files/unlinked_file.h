/* unlinked_file.h: files that are open or mapped and have no name any more. Their content travels
 * with the image, and they are made again without a name. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_UNLINKED_FILE_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_UNLINKED_FILE_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* Writes into a state where what had the name `path` and the status `status` is to be made again.
 * -EOPNOTSUPP: no directory is left in whose file system that could be. */
int linux_unlinked_place(struct recap_arena *arena, struct recap_value *state, const char *path,
                         const struct stat *status, struct recap_error *error);
/* Writes what the file is to be like into a state. `path` is the name that it had,
 * `live` a link of /proc that leads to it, or NULL. -EOPNOTSUPP: no
 * directory is left in whose file system it could be made again. */
int linux_unlinked_describe(struct recap_arena *arena, struct recap_value *state, const char *path,
                            const struct stat *status, const char *live, struct recap_error *error);
/* Adds the flags of its inode (chattr(1)) that are kept. */
void linux_unlinked_describe_flags(struct recap_arena *arena, struct recap_value *state, int fd);
bool linux_unlinked_is(const struct recap_object *object);
/* Makes it, with its content, open for reading and writing. */
int linux_unlinked_create(const struct recap_creation *creation, const struct recap_object *object,
                          int *fd, struct recap_error *error);

/* The inner object (kind mapped-file) of a file without a name that a descriptor refers to. */
int linux_unlinked_held(struct linux_kernel *kernel, const struct linux_description *description,
                        recap_badge *badge, struct recap_error *error);
/* The description that it was made with: of one that never had a name, the one that made it. */
int linux_unlinked_take(struct linux_kernel *kernel, const struct recap_creation *creation,
                        const struct recap_object *object, off_t offset, recap_badge *badge,
                        struct recap_error *error);
/* Another description of it, once it has been made. */
int linux_unlinked_open(struct linux_kernel *kernel, const struct recap_creation *creation,
                        const struct recap_object *object, int flags, int *fd,
                        struct recap_error *error);

#endif
