/* name.h: giving a Unix socket its name. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_NAME_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_NAME_H

#include "kernel/linux/linux.h"
#include <sys/socket.h>
#include <sys/un.h>

/* The address of a name; 0 for one that cannot be. */
socklen_t linux_unix_address(const void *name, size_t length, struct sockaddr_un *address);
/* Whether a socket can be bound to it as to a path. */
bool linux_unix_is_path(const void *name, size_t length);
/* For people: "/run/x.sock", "@x". */
const char *linux_unix_name_text(struct recap_arena *arena, const void *name, size_t length);

/* Binds `fd` to an abstract name, or to a path of which only the name is given: no file appears
 * where anybody else could find it. `place` (may be NULL) gets an O_PATH descriptor of the file
 * that the name stands for, -1 for an abstract name. */
int linux_unix_bind(struct linux_kernel *kernel, int fd, const void *name, size_t length,
                    int *place, struct recap_error *error);

#endif
