/* epoll_tie.h: the entries of an epoll set that was made again. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_EVENTS_EPOLL_TIE_H
#define RECAP_KERNEL_LINUX_OBJECTS_EVENTS_EPOLL_TIE_H

#include "kernel/linux/linux.h"

/* Whether an entry with these events is a one-shot one that has been reported. */
bool linux_epoll_is_disabled(uint32_t events);
/* Adds the entries that the object's ties name to the set, as the kind's function. */
int linux_epoll_tie(struct linux_pd *pd, const struct recap_creation *creation,
                    const struct recap_object *object, struct recap_error *error);

#endif
