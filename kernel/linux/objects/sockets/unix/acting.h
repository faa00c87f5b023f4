/* acting.h: connecting Unix sockets as the component does.
 *
 * The kernel notes who connected or listened (SO_PEERCRED), and takes nobody's word for it. So the
 * process that is being restored does it itself, in batches, where it was the one that did; what
 * somebody else had done is done by us. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_ACTING_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_UNIX_ACTING_H

#include "kernel/linux/linux.h"
#include <sys/socket.h>

/* Writes who is at the other end of `fd` as "peer-credentials": process, user, group. */
void linux_unix_credentials_describe(int fd, struct recap_arena *arena, struct recap_value *state);

/* A pair, by the process that the state of `object` names. */
int linux_unix_acting_pair(const struct recap_creation *creation, const struct recap_object *object,
                           int type, int ends[2], struct recap_error *error);
/* connect(2) on `fd`, by the process that the state of `object` names. */
int linux_unix_acting_connect(const struct recap_creation *creation,
                              const struct recap_object *object, int fd,
                              const struct sockaddr *address, socklen_t length,
                              struct recap_error *error);
/* listen(2) on `fd`, by the process that the state of `object` names. */
int linux_unix_acting_listen(const struct recap_creation *creation,
                             const struct recap_object *object, int fd, int backlog,
                             struct recap_error *error);

#endif
