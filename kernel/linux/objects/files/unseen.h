/* unseen.h: opening files so that nobody sees it: no watch reports it, no time stamp moves. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_UNSEEN_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_UNSEEN_H

#include "kernel/linux/linux.h"

#include <dirent.h>

/* Opens for reading the file or directory that `path` leads to, also by a link of /proc. What is
 * read through it moves no time stamp where the caller may ask for that. -EBUSY: a watch would
 * report it, and the caller lacks the privilege (CAP_SYS_ADMIN) to have it not reported. */
int linux_unseen_open(struct linux_kernel *kernel, const char *path, int *fd);
/* The same as a stream over a directory, or NULL and errno. */
DIR *linux_unseen_list(struct linux_kernel *kernel, const char *path);
/* A name (O_PATH) for the file that the kernel knows by a handle, on the mount at `mount`. */
struct file_handle;
int linux_unseen_by_handle(const char *mount, struct file_handle *handle, int *fd);

#endif
