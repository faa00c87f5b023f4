/* descriptions.h: reading what a descriptor refers to; for the walk, into memory that is used
 * again. */
#ifndef RECAP_KERNEL_LINUX_DESCRIPTIONS_H
#define RECAP_KERNEL_LINUX_DESCRIPTIONS_H

#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"

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

/* Reads what describe needs to know about the description at `home` (description_read.c); free with
 * linux_description_free. -EBADF: the selector is unused. */
int linux_description_read(struct linux_home home, struct linux_description **description,
                           struct recap_error *error);
void linux_description_free(struct linux_description *description);
/* "/proc/PID/fd/N" of it. Returns `path`. */
enum { LINUX_HOME_PATH = 64 };
const char *linux_home_path(struct linux_home home, char path[LINUX_HOME_PATH]);
/* A hash of what cannot change while the description lives: inode, mount, access mode, and the
 * numbers that only some kinds have. */
uint64_t linux_description_immutable(const struct linux_description *description);
/* Whether it is a socket, a pipe or a FIFO: what linux_badge_with_inode finds. */
bool linux_description_has_ends(const struct linux_description *description);

#endif
