/* namespace.h: restoring into namespaces of one's own. */
#ifndef RECAP_KERNEL_LINUX_NAMESPACE_H
#define RECAP_KERNEL_LINUX_NAMESPACE_H

#include "kernel/linux/linux.h"

/* From now on the processes that we make live in a PID namespace of their own, in which any id is
 * free; without privilege in a user namespace, too, where ids of users stand for themselves. */
int linux_namespace_enter(struct linux_kernel *kernel, struct recap_error *error);
/* The namespace outlives us from now on, for as long as the process `id` (in it) or what it leaves
 * behind lives. Without this it ends with us. Does nothing outside of such a namespace. */
int linux_namespace_keep(struct linux_kernel *kernel, pid_t id, struct recap_error *error);
/* Puts the namespace's own /proc into the place of the outer one, where there is one: /proc/PID is
 * then by the inner numbers, for us too. Does nothing the second time. */
int linux_namespace_show_proc(struct linux_kernel *kernel, struct recap_error *error);
/* Ends a namespace that nobody has to keep. */
void linux_namespace_leave(struct linux_kernel *kernel);
/* For one that has just entered a user namespace of its own: user and group stand for themselves in
 * it. Whatever is not mapped, we could not become anyway. */
int linux_namespace_map_ids(uid_t user, gid_t group);

#endif
