/* virtual_file.h: files that the kernel makes up (/proc, /sys, control groups). */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_VIRTUAL_FILE_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_VIRTUAL_FILE_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* Whether what lies at `path` is of a file system that the kernel makes up. */
bool linux_virtual_path(const char *path);

/* The same of what stat showed to be on `device`, also when no path leads to it any more. Only file
 * systems that are mounted where we are count. */
bool linux_virtual_device(dev_t device);

/* Whether a description of such a file, at `path`, has no state but its offset, so that opening the
 * file again makes it what it was. -EOPNOTSUPP: why not. */
int linux_virtual_file_stateless(const struct linux_description *description, const char *path,
                                 struct recap_error *error);

#endif
