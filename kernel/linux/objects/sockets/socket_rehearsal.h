/* socket_rehearsal.h: what a fresh socket says of its options, and whether it would take others. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_REHEARSAL_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_REHEARSAL_H

#include "kernel/linux/objects/sockets/socket_option_table.h"
#include <recap/error.h>

/* The options of a fresh socket of that shape, one value for each of the table; NULL: there is no
 * such socket for us. They are kept. */
const struct linux_socket_value *linux_socket_defaults(const struct linux_socket_shape *shape);

/* Sets on a fresh socket what `kept` says of `values`, as a restore would, and reads it again.
 * Options that the kernel changes along with others are added to `kept`. Refuses, by name, what
 * this kernel or user cannot set, so that it is known before anything is stopped. Sockets that are
 * alike cost one rehearsal. */
int linux_socket_rehearse(const struct linux_socket_shape *shape,
                          const struct linux_socket_value *values, bool *kept,
                          struct recap_error *error);

#endif
