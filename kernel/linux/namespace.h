/* namespace.h: PID namespaces of our own, for those who may not choose PIDs elsewhere. */
#ifndef RECAP_KERNEL_LINUX_NAMESPACE_H
#define RECAP_KERNEL_LINUX_NAMESPACE_H

#include "kernel/linux/linux.h"

/* Moves the caller into a new PID namespace (and, where it lacks the privilege for that, a new user
 * namespace in which its ids stay what they are), so that its further children live there under any
 * PID. A small process becomes the namespace's init: it reaps, and ends when the last component in
 * it did and the caller is gone. Sets kernel->own_namespace; does nothing when it is set. The
 * caller has to be single-threaded where a user namespace is needed. */
int linux_namespace_enter(struct linux_kernel *kernel, struct recap_error *error);
/* Tells the init that it may end when nothing is left. */
void linux_namespace_leave(struct linux_kernel *kernel);

#endif
