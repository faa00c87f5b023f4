/* process_file.h: files and directories of /proc. The path of one that speaks of the component has
 * its PID, which is another one in another PID namespace; and such a namespace may have a /proc of
 * its own. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_PROCESS_FILE_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_PROCESS_FILE_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/kinds.h"

/* As linux_file_locate, also for a file of a /proc that is mounted only where its holder is. */
int linux_process_file_locate(struct linux_kernel *kernel,
                              const struct linux_description *description,
                              struct recap_arena *arena, enum linux_file_place *place,
                              const char **path, struct recap_error *error);
/* Writes the path of a file that the kernel makes up into a state: of one about the component by
 * the number that it has for itself, of one that is about no process as it is. -EOPNOTSUPP for one
 * about another process or a single thread, and for one that we may not open. */
int linux_process_file_identify(const struct linux_description *description, const char *path,
                                struct recap_arena *arena, struct recap_value *state,
                                struct recap_error *error);
/* Whether the state is of a file of /proc; then it is opened so. */
bool linux_process_file_is(const struct recap_object *object);
int linux_process_file_open(struct linux_kernel *kernel, const struct recap_object *object,
                            int flags, int *fd, struct recap_error *error);

#endif
