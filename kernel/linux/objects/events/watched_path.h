/* watched_path.h: the path of a file that is known by device and inode only. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_EVENTS_WATCHED_PATH_H
#define RECAP_KERNEL_LINUX_OBJECTS_EVENTS_WATCHED_PATH_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct linux_watched {
    dev_t device;
    uint64_t inode;
    int handle_type;
    unsigned handle_length;
    unsigned char handle[128];
};

/* Finds it for a process (0: our own): by its file handle, which takes a privilege, else among the
 * directories and files that the process stands in or holds, what is in and above them, and below
 * its working directory; but not in directories that somebody watches (unseen.h). `path` is one
 * that leads to it. -ENOENT: not found; another negative errno: looking for it failed. */
struct linux_kernel;
int linux_watched_path(struct linux_kernel *kernel, pid_t pid, const struct linux_watched *watched,
                       char path[PATH_MAX]);
/* Whether the path leads to it, as far as the caller may follow it: 1, 0, or a negative errno. */
int linux_watched_is(const struct linux_watched *watched, const char *path);

#endif
