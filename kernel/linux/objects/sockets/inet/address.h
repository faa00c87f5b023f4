/* address.h: internet addresses, in and out of the state of a socket. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_ADDRESS_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_ADDRESS_H

#include "graph/state.h"
#include <sys/socket.h>

/* Writes a record of address, port and, where it matters, scope; nothing for one that is neither
 * bound to an address nor to a port. */
void linux_inet_put(struct recap_arena *arena, struct recap_value *into, const char *name,
                    const struct sockaddr_storage *address);
/* Reads the member `name` (NULL: `record` itself): the length of the address, 0 when there is none,
 * or -EINVAL. `family` is what the socket is of. */
int linux_inet_get(const struct recap_value *record, const char *name, int family,
                   struct sockaddr_storage *address);
/* "10.0.0.5:5432", "[::1]:80", for an unspecified address "*:80". */
const char *linux_inet_text(struct recap_arena *arena, const struct sockaddr_storage *address);
bool linux_inet_is_any(const struct sockaddr_storage *address);
void linux_inet_set_port(struct sockaddr_storage *address, uint16_t port);
uint16_t linux_inet_port(const struct sockaddr_storage *address);
socklen_t linux_inet_length(const struct sockaddr_storage *address);

/* The family that the member "version" of a socket's state names, or -1. */
int linux_inet_family(const struct recap_value *state);

#endif
