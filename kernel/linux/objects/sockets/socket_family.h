/* socket_family.h: which protocol a socket is of. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_FAMILY_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_FAMILY_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* Whether the description is a socket of the protocol that the kernel calls so ("TCP", "UDPv6"). */
bool linux_socket_is(const struct linux_description *description, const char *protocol);
/* Whether a socket belongs to the caller's own network namespace. */
bool linux_socket_is_here(int fd);
/* An option of SOL_SOCKET that is a number; -1 when it cannot be read. */
int linux_socket_number(int fd, int option);

#endif
