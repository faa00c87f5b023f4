/* diag.h: what the kernel tells of TCP and UDP sockets by address (sock_diag). */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_DIAG_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_INET_DIAG_H

#include <linux/inet_diag.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct linux_inet_diag {
    uint32_t inode;
    uint8_t state;
    uint8_t shutdown; /* RCV_SHUTDOWN 1, SEND_SHUTDOWN 2 */
};

/* The socket of `protocol` with that own address and peer (of the same family; unspecified: none).
 * 0 or a negative errno, -ENOENT when there is none. */
int linux_inet_diag_at(int protocol, const struct sockaddr_storage *own,
                       const struct sockaddr_storage *peer, struct linux_inet_diag *found);
/* The socket with that inode, among all in the given states (1 << TCP_...): the same. */
int linux_inet_diag_inode(int family, int protocol, uint32_t states, uint32_t inode,
                          struct linux_inet_diag *found);

/* The keys with which the listening TCP socket at that address, with that inode, has segments
 * signed: an array of struct tcp_diag_md5sig of `length` bytes that the caller frees, NULL without
 * any. Only root is told. 0 or a negative errno. */
int linux_inet_diag_keys(const struct sockaddr_storage *own, uint32_t inode, void **keys,
                         size_t *length);

#endif
