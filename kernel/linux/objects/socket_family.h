/* socket_family.h: which protocol a socket is of. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKET_FAMILY_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKET_FAMILY_H

#include "kernel/linux/linux.h"

/* Whether the description is a socket of the protocol that the kernel calls so ("TCP", "UDPv6"). */
bool linux_socket_is(const struct linux_description *description, const char *protocol);

#endif
