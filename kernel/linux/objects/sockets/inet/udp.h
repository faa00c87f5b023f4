/* udp.h: what the files of the UDP socket kind share. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_UDP_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_UDP_H

#include "kernel/linux/linux.h"

/* udp_queue.c: writes "queue" into `ties`, datagrams with their senders; keeps the bytes. */
int linux_udp_queue_describe(struct linux_kernel *kernel, recap_badge badge, int fd,
                             struct recap_arena *arena, struct recap_object *object,
                             struct recap_value *ties, struct recap_error *error);
ssize_t linux_udp_queue_content(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                                void *buffer, size_t size, struct recap_error *error);
/* Sends them again to a socket that create made and bound. */
int linux_udp_queue_fill(struct linux_kernel *kernel, const struct recap_creation *creation,
                         const struct recap_object *object, int fd, int family,
                         struct recap_error *error);

/* multicast.c: writes "groups" into `state`, and joins them again. */
int linux_multicast_describe(int fd, int family, struct recap_arena *arena,
                             struct recap_value *state, struct recap_error *error);
int linux_multicast_join(int fd, int family, const struct recap_object *object,
                         struct recap_error *error);

#endif
