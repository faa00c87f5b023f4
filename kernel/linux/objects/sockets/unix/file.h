/* file.h: the files that Unix sockets are found by. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_FILE_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_FILE_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/sockets/unix/diag.h"

/* Finds the file that the socket `fd` of process `pid` is bound to, by its inode: the kernel
 * remembers the name that it was bound to, and the file may have another one by now. Writes "file"
 * into `state`, or nothing when the file was removed. (unix/file_find.c) */
int linux_unix_file_describe(struct linux_kernel *kernel, const struct linux_unix_diag *diag,
                             int fd, pid_t pid, struct recap_arena *arena,
                             struct recap_value *state, struct recap_error *error);

/* Binds `fd` to `name` and makes the file of `object`'s state, in place of a dead socket if need
 * be. `place` gets an O_PATH descriptor of it. The file is removed when the kernel is closed and
 * nobody holds the socket. */
int linux_unix_file_bind(struct linux_kernel *kernel, const struct recap_object *object, int fd,
                         const void *name, size_t length, int *place, struct recap_error *error);

#endif
