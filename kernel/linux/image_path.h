/* image_path.h: paths that an image names. */
#ifndef RECAP_KERNEL_LINUX_IMAGE_PATH_H
#define RECAP_KERNEL_LINUX_IMAGE_PATH_H

#include <stdbool.h>

/* Whether it is as the kernel writes paths: from the root, without "." and "..", without a slash at
 * its end. No other is taken from an image. */
bool linux_image_path_is_plain(const char *path);
/* Opens it as the caller, with O_PATH and `flags` (of O_NOFOLLOW and O_DIRECTORY): 0 or a negative
 * errno, -EBADMSG for one that is not plain. Symbolic links lead on as they do for the component,
 * but those of /proc that lead to descriptors or into the directories of a process do not: what a
 * process that restores an image has open is not for an image to name. */
int linux_image_path_open(const char *path, int flags, int *fd);
/* The same from a directory, which nothing leads out of. */
int linux_image_path_below(int directory, const char *path, int flags, int *fd);
/* Opens the directory that the path's last component, `name`, is in. */
int linux_image_path_parent(const char *path, int *directory, const char **name);

#endif
