/* epoll_polling.h: how an epoll set polls network devices itself instead of waiting for them. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_EVENTS_EPOLL_POLLING_H
#define RECAP_KERNEL_LINUX_OBJECTS_EVENTS_EPOLL_POLLING_H

#include "kernel/linux/linux.h"

/* Writes the member "polling", where it does. */
int linux_epoll_polling_describe(struct linux_kernel *kernel, recap_badge badge,
                                 struct recap_arena *arena, struct recap_value *state,
                                 struct recap_error *error);
/* Has the fresh set `fd` do so too. */
int linux_epoll_polling_set(int fd, const struct recap_object *object, struct recap_error *error);

#endif
