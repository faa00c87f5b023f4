/* file_identity.h: which file it was, and whether it still is the same and unchanged. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_FILE_IDENTITY_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_FILE_IDENTITY_H

#include "kernel/linux/linux.h"

/* How a file that is open or mapped can be found again. */
enum linux_file_place {
    LINUX_FILE_NAMED,    /* its path leads to it */
    LINUX_FILE_UNLINKED, /* it has no name any more: `path` is the one that it had */
    LINUX_FILE_VIRTUAL,  /* the kernel makes it up (/proc, /sys): only the path identifies it */
};

/* Whether a path leads to the file of that device and inode: 1 and its status (may be NULL), or 0;
 * -EACCES when the caller may not follow it, or another negative errno: then nobody knows. `flags`:
 * AT_SYMLINK_NOFOLLOW or 0. */
int linux_path_leads(const char *path, int flags, uint64_t device, uint64_t inode,
                     struct stat *status);

/* Finds that out for what the kernel calls `link` and for which stat gave `status`. `path` is in
 * the arena. -EOPNOTSUPP: it cannot be found again, and why. */
int linux_file_locate(struct linux_kernel *kernel, const char *link, const struct stat *status,
                      struct recap_arena *arena, enum linux_file_place *place, const char **path,
                      struct recap_error *error);

/* Whether we could open it again with the access mode of `flags`: what was once opened may have
 * been opened with other rights than those of whoever restores. -EOPNOTSUPP if not. */
int linux_file_accessible(const char *path, int flags, struct recap_error *error);

/* What is compared with the file that is there at restore. */
enum linux_file_checks {
    LINUX_FILE_SAME,      /* that it is the same inode, born at the same time */
    LINUX_FILE_UNCHANGED, /* and that nobody has changed its content since: size and time */
};

/* Writes path and identity of a named or virtual file into a state. */
int linux_file_identify(struct recap_arena *arena, struct recap_value *state, const char *path,
                        enum linux_file_place place, enum linux_file_checks checks,
                        struct recap_error *error);

/* Opens the file of such a state with O_* `flags`, once it is the same and as unchanged as the
 * state says. -ESTALE: what has changed. The file is not opened, only named, before that is known.
 */
int linux_file_open(const struct recap_object *object, int flags, int *fd,
                    struct recap_error *error);

/* Whether what is open as `status` is the file of the state: 0 or -ESTALE. For compare. */
int linux_file_compare(const struct recap_object *object, const struct stat *status,
                       struct recap_error *error);

/* Another description of what `fd`, one of our own, refers to. */
int linux_file_reopen(int fd, int flags, int *opened);

#endif
