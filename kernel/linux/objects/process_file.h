/* process_file.h: files and directories of /proc that speak of the component itself. Their path has
 * its PID, which is another one in another PID namespace. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_PROCESS_FILE_H
#define RECAP_KERNEL_LINUX_OBJECTS_PROCESS_FILE_H

#include "kernel/linux/linux.h"

/* Writes the path of a file that the kernel makes up into a state: of one about the component by
 * the number that it has for itself, of one that is about no process as it is. -EOPNOTSUPP for one
 * about another process, or about a single thread. */
int linux_process_file_identify(const struct linux_description *description, const char *path,
                                struct recap_arena *arena, struct recap_value *state,
                                struct recap_error *error);
/* Whether the state is of one about the component; then it is opened so. */
bool linux_process_file_is(const struct recap_object *object);
int linux_process_file_open(struct linux_kernel *kernel, const struct recap_object *object,
                            int flags, int *fd, struct recap_error *error);

#endif
