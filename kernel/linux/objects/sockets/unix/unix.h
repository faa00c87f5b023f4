/* unix.h: what the files of the Unix socket kind share.
 *
 * The state of a Unix socket:
 *   type        "stream", "datagram" or "packet"
 *   name        what it is bound to, as in sun_path: optional
 *   file        of a name with a file that has to be there: path, mode, user, group, and the
 *               directory that the name leads there from, if it does
 *   backlog     of a listening socket
 *   accepted    the listening socket whose (abstract) name it carries, having been accepted there
 *   maker       of a connected pair one end makes both; the other one names it here
 *   made        this is that end
 *   peer-credentials  process, user and group at the other end, as the kernel noted them; of a
 *               listening socket its own
 *   dead        it was connected to a socket that is closed; "reset": with data unread
 *   ties        peer: the other end of a pair
 *               listener: where it waits to be accepted
 *               target: what a datagram socket sends to, or "target-name" when that is outside
 *               pending: connections of a listening socket that it has not accepted, oldest first
 *               queue: what waits in it, the bytes being its content
 *               shutdown: SHUT_RD + 1 | SHUT_WR + 1 as the kernel's RCV_SHUTDOWN | SEND_SHUTDOWN
 */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_UNIX_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_UNIX_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/sockets/socket_queue.h"
#include "kernel/linux/objects/sockets/unix/diag.h"

/* What is kept with the badge of a Unix socket. */
struct linux_unix_kept {
    struct linux_socket_queue queue; /* as it was found at `moment` (see linux.h), if `looked` */
    recap_badge *carried;            /* what its descriptors refer to */
    uint64_t moment;
    bool looked;
    int other; /* made by create: the other end of the pair, until its own create takes it; -1 */
    int place; /* an O_PATH descriptor of the file that it is bound to; -1 */
    bool filled;
};

/* Kept with the badge; NULL when there is none. */
struct linux_unix_kept *linux_unix_kept(struct linux_kernel *kernel, recap_badge badge);
/* The same, made when missing; NULL when out of memory. */
struct linux_unix_kept *linux_unix_keep(struct linux_kernel *kernel, recap_badge badge);

/* "stream" and SOCK_STREAM and so on; NULL and -1 for others. */
const char *linux_unix_type_name(int type);
int linux_unix_type_number(const char *name);

/* unix/flight.c: what waits in a socket whose holder is stopped. It is looked at once and kept: an
 * empty datagram shows itself only the first time. */
int linux_unix_look(struct linux_kernel *kernel, recap_badge badge, int fd, int type,
                    const struct linux_unix_kept **found, struct recap_error *error);
/* unix/queue.c: writes "queue" into `ties` and the length of its bytes into the object. */
int linux_unix_queue_describe(struct linux_kernel *kernel, recap_badge badge, int fd, int type,
                              struct recap_arena *arena, struct recap_object *object,
                              struct recap_value *ties, struct recap_error *error);
ssize_t linux_unix_queue_content(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                                 void *buffer, size_t size, struct recap_error *error);
/* unix/fill.c: refills the queue of a socket that create made. */
int linux_unix_queue_fill(struct linux_pd *pd, const struct recap_creation *creation,
                          const struct recap_object *object, struct recap_error *error);
/* Enters what is in flight in any Unix socket that is known, so that it counts as inside. 1 if
 * there is anything, but while the component runs it is not looked at; else 0, or a negative errno.
 */
int linux_unix_enter_in_flight(struct linux_kernel *kernel, struct recap_error *error);
/* The badge of a socket inside the checkpoint with that inode, or 0. */
recap_badge linux_unix_inside(struct linux_kernel *kernel, uint32_t inode);
/* unix/pending.c: the listening socket that a connection waits at; left alone if there is none. */
int linux_unix_pending_at(uint32_t client, struct linux_unix_diag **listener);
/* Enters what waits there into `ties`, or only finds (`ties` is NULL) whether it can be restored.
 * `selector` is that of whoever asks. */
int linux_unix_pending_describe(struct linux_kernel *kernel, const struct linux_unix_diag *listener,
                                int selector, struct recap_arena *arena, struct recap_value *ties,
                                struct recap_error *error);
/* Refuses one of the connections, because the listening socket cannot be restored with them. */
int linux_unix_pending_refuse(const struct linux_unix_diag *listener, int selector,
                              struct recap_arena *arena, struct recap_error *error);
/* The address by which a socket that create made is reached. */
socklen_t linux_unix_reach(struct linux_kernel *kernel, const struct recap_creation *creation,
                           const struct recap_object *object, struct sockaddr_storage *address);

/* unix/acting.c: a process as the component knows it, in its innermost PID namespace; and lists of
 * process, user and group. */
int64_t linux_unix_own_number(pid_t pid);
bool linux_unix_credentials_get(const struct recap_value *list, struct ucred *credentials);
void linux_unix_credentials_put(struct recap_arena *arena, struct recap_value *into,
                                const char *name, const struct ucred *credentials);

/* unix/make.c */
int linux_unix_create(struct linux_kernel *kernel, const struct recap_creation *creation,
                      const struct recap_object *object, recap_badge *badge,
                      struct recap_error *error);
int linux_unix_tie(struct linux_pd *pd, const struct recap_creation *creation,
                   const struct recap_object *object, struct recap_error *error);

#endif
