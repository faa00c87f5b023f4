/* room.h: room for descriptors of our own. */
#ifndef RECAP_KERNEL_LINUX_ROOM_H
#define RECAP_KERNEL_LINUX_ROOM_H

#include "kernel/linux/linux.h"

/* Raises our limit on open files so that many objects fit, as far as we may. */
int linux_room_make(struct linux_kernel *kernel, size_t objects, struct recap_error *error);
/* Puts it back; for the end of the kernel. */
void linux_room_unmake(struct linux_kernel *kernel);

#endif
