/* tcp.h: what the files of the TCP socket kind share. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_TCP_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_TCP_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"
#include <sys/socket.h>

/* States, as the kernel numbers them: <netinet/tcp.h> cannot be included beside <linux/tcp.h>. */
enum {
    LINUX_TCP_CLOSE = 7,
    LINUX_TCP_LISTEN = 10,
    LINUX_TCP_BOUND = 13, /* for sock_diag alone: bound, and neither listening nor connected */
};

/* tcp_connected.c: refuses a socket that is in one of the states of a connection. */
int linux_tcp_refuse_connected(struct linux_kernel *kernel, int fd, int tcp_state,
                               const struct sockaddr_storage *name,
                               const struct linux_description *description,
                               struct recap_arena *arena, struct recap_object *object,
                               struct recap_error *error);

/* tcp_ended.c: a new socket that is done with a connection, or with an attempt to connect. */
int linux_tcp_make_ended(const struct recap_object *object, int family, bool connection, int *fd,
                         struct recap_error *error);

/* tcp_keys.c: writes the member "keys" of a listening socket, if it has any; and sets them again.
 */
int linux_tcp_keys_describe(const struct sockaddr_storage *name, uint32_t inode,
                            struct recap_arena *arena, struct recap_value *state,
                            struct recap_error *error);
int linux_tcp_keys_set(int fd, const struct recap_object *object, struct recap_error *error);

#endif
