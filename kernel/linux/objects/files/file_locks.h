/* file_locks.h: the locks that a description, or its process, holds on the file. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_FILE_LOCKS_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_FILE_LOCKS_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* Writes the locks that fdinfo shows into the member "ties" of a state, if there are any.
 * -EOPNOTSUPP: a lease, or a lock that cannot be taken again. */
int linux_file_locks_describe(const struct linux_description *description,
                              struct recap_arena *arena, struct recap_value *state,
                              struct recap_error *error);
/* Takes them again; for tie. */
int linux_file_locks_tie(struct linux_pd *pd, const struct recap_creation *creation,
                         const struct recap_object *object, struct recap_error *error);

#endif
