/* diag.h: what the kernel tells of Unix sockets by inode (sock_diag). */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_DIAG_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_DIAG_H

#include <recap/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

struct linux_unix_diag {
    uint32_t inode;
    uint8_t type;     /* SOCK_* */
    uint8_t state;    /* TCP_ESTABLISHED, TCP_LISTEN or TCP_CLOSE */
    uint8_t shutdown; /* 1: reading, 2: writing */
    bool has_peer;
    uint32_t peer; /* inode; 0: closed, or not accepted yet */
    bool has_file;
    uint32_t file_inode; /* of a bound path */
    uint64_t file_device;
    uint32_t queued;  /* bytes; of a listening socket: connections not accepted yet */
    uint32_t backlog; /* of a listening socket */
    char name[sizeof(struct sockaddr_un)];
    size_t name_length;
    uint32_t *pending; /* inodes of the other ends of connections not accepted yet, in order */
    size_t pending_count;
};

void linux_unix_diag_free(struct linux_unix_diag *diag);

/* Asks for one socket. -ENOENT: the caller's network namespace has none of that inode. */
int linux_unix_diag(uint32_t inode, struct linux_unix_diag **diag);
/* Calls `visit` for every socket of the caller's network namespace in one of `states` (a mask of
 * 1 << TCP_*); name, type and inode are filled. Stops at, and returns, the first non-zero result.
 */
int linux_unix_diag_all(uint32_t states,
                        int (*visit)(void *context, const struct linux_unix_diag *diag),
                        void *context);

#endif
