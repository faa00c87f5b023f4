/* descriptions.h: reading descriptions into memory that is used again, for the walk. */
#ifndef RECAP_KERNEL_LINUX_DESCRIPTIONS_H
#define RECAP_KERNEL_LINUX_DESCRIPTIONS_H

#include "kernel/linux/linux.h"

/* Zero at first; the description points into it. */
struct linux_description_room {
    struct linux_description description;
    char *fdinfo, *link;
    size_t fdinfo_size, link_size;
    char protocol[32];
};

/* Reads what the descriptor at `home` refers to. `directory` is the directory
 * /proc/PID/fdinfo of home.pid, or AT_FDCWD.
 * A negative errno: -EBADF for an unused selector, -ESRCH for a process that has ended. */
int linux_description_fill(struct linux_description_room *room, int directory,
                           struct linux_home home);
void linux_description_room_clear(struct linux_description_room *room);
/* A copy for linux_description_free, or NULL. */
struct linux_description *linux_description_copy(const struct linux_description *description);

#endif
