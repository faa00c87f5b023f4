/* unix_name.h: giving a Unix socket its name. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_UNIX_NAME_H
#define RECAP_KERNEL_LINUX_OBJECTS_UNIX_NAME_H

#include "kernel/linux/linux.h"
#include <sys/socket.h>
#include <sys/un.h>

/* A socket file as it was. */
struct linux_unix_file {
    const char *directory; /* that the name is relative to */
    mode_t mode;
    uid_t user;
    gid_t group;
};

/* The address of a name; 0 for one that cannot be. */
socklen_t linux_unix_address(const void *name, size_t length, struct sockaddr_un *address);
/* Whether it is of the form that the kernel itself gives ("autobind"). */
bool linux_unix_is_automatic(const void *name, size_t length);
/* For people: "/run/x.sock", "@x". */
const char *linux_unix_name_text(struct recap_arena *arena, const void *name, size_t length);

/* Binds `fd` to an abstract name, or to a path of which only the name is given: no file appears
 * anywhere that lasts. `place` (may be NULL) gets an O_PATH descriptor of the file that the name
 * stands for, -1 for an abstract name. */
int linux_unix_bind(int fd, const void *name, size_t length, int *place, struct recap_error *error);
/* Binds `fd` to a path and makes its file, in place of a dead socket if need be. */
int linux_unix_bind_file(int fd, const void *name, size_t length,
                         const struct linux_unix_file *file, int *place, struct recap_error *error);
/* Whether a socket file is a dead one: no socket is bound to it any more. */
bool linux_unix_is_dead(const char *path);

#endif
