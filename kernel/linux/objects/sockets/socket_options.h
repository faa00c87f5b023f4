/* socket_options.h: socket options, in and out of the state of a socket. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_OPTIONS_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_OPTIONS_H

#include "kernel/linux/linux.h"

/* Writes the member "options": those that differ from a fresh socket of the same domain, type and
 * protocol, by the name that socket(7) and its kin give them, and "user" and "group", who owns the
 * socket. Refuses what cannot be read back: an eBPF filter. */
int linux_socket_options_describe(int fd, struct recap_arena *arena, struct recap_value *state,
                                  struct recap_error *error);

enum linux_socket_phase {
    LINUX_SOCKET_NEW,      /* nothing bound yet: what has to be set before bind(2) */
    LINUX_SOCKET_COMPLETE, /* bound, connected, its queue filled: everything else */
};

/* Sets the options of `object` that belong to the phase. */
int linux_socket_options_set(int fd, const struct recap_object *object,
                             enum linux_socket_phase phase, struct recap_error *error);

#endif
