/* bind.h: binding and connecting a socket of the internet where it was. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_BIND_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_BIND_H

#include "kernel/linux/linux.h"
#include <sys/socket.h>

/* Tries, with a fresh socket of the same kind that has the options in `state`, whether a restore
 * could bind it to `name` (NULL: it is bound to nothing) and connect it to `peer` (NULL: to
 * nobody), and writes the member "absent" when the address is none of this machine. The port itself
 * is in use: of that only the permission is tried. Refuses what could not be done. */
int linux_inet_rehearse(int fd, struct recap_arena *arena, struct recap_value *state,
                        const struct sockaddr_storage *name, const struct sockaddr_storage *peer,
                        struct recap_error *error);
/* Binds a new socket to the "name" in the state of `object`, if it has one. */
int linux_inet_bind(int fd, int family, const struct recap_object *object,
                    struct recap_error *error);

#endif
