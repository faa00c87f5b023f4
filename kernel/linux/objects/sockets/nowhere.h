/* nowhere.h: a file system that has no place in any other. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_NOWHERE_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_NOWHERE_H

#include "kernel/linux/linux.h"

/* Runs `work` as linux_apart(CLONE_FILES) does, with an empty file system of ours as root and
 * working directory: no name leads out of it, and nobody else finds what is made in it. The kernel
 * takes it away when we end, however we end, and what of it is open lives on. It is the same one
 * each time. */
int linux_apart_nowhere(struct linux_kernel *kernel, int (*work)(void *context), void *context);
/* The same for one directory of the real file systems, an open descriptor whose path `place` is:
 * the directory that the name `at` (which does not begin with "..") stands in is that one. Takes
 * the privilege to mount, or a user namespace of its own. */
int linux_apart_seen_as(int directory, const char *place, const char *at,
                        int (*work)(void *context), void *context);
/* Closes what the kernel keeps of it. */
void linux_nowhere_leave(struct linux_kernel *kernel);

/* For `work`: makes the directories that `name` goes through. */
int linux_nowhere_lead_to(const char *name);

#endif
