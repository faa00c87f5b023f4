/* mapped.h: objects that regions map: "mapped-file" and "shared-memory".
 *
 * Both are inner objects whose identity is the device and inode that the kernel shows for a region
 * (kinds of memory without a name in a file system have them too). No selector has to hold them, so
 * what is kept with their badge says where they can be reached.
 */
#ifndef RECAP_KERNEL_LINUX_MAPPED_H
#define RECAP_KERNEL_LINUX_MAPPED_H

#include "kernel/linux/linux.h"

/* A region that maps the object. */
struct linux_mapped_piece {
    pid_t pid; /* in the caller's PID namespace */
    uint64_t start;
    uint64_t length;
    uint64_t offset; /* bytes into the object */
};

/* Kept with the badge of every object that a region maps (linux_badge_kept). */
struct linux_mapped {
    uint64_t device; /* makedev(), of the superblock: not always what stat says (btrfs) */
    uint64_t inode;
    char *path;            /* as the kernel names the region: may end in " (deleted)" */
    struct linux_home home; /* a selector that holds it, if `held` */
    bool held;
    bool may_write; /* a shared region may become writable: the file was opened for writing */
    struct linux_mapped_piece *pieces; /* never empty unless `held` */
    size_t piece_count;
};

/* The badge of the object of kind `kind` that `piece` maps; remembers the piece (once). */
int linux_mapped_enter(struct linux_kernel *kernel, const char *kind, uint64_t device,
                       uint64_t inode, const char *path, bool may_write,
                       const struct linux_mapped_piece *piece, recap_badge *badge,
                       struct recap_error *error);
/* What is kept with the badge of such an object, or NULL. */
struct linux_mapped *linux_mapped_of(struct linux_kernel *kernel, recap_badge badge);
/* A descriptor, open for reading, of what a badge from linux_mapped_enter maps, through
 * /proc/PID/map_files: -EPERM without the privilege that this takes. */
int linux_mapped_open(const struct linux_mapped *mapped, int *fd);
/* A restored mapped object (the badge comes from linux_badge_own, by the kind's create) is mapped
 * through linux_badge_fd: its descriptor is open for writing iff state "may-write" is 1. */

/* --- objects/shared_memory.c: the memory behind memfds and shared anonymous regions ----------- */

/* The inner object behind a memfd that a selector holds; its state has name, size, seals, and its
 * content travels with it. */
int linux_shared_memory_held(struct linux_kernel *kernel, struct linux_home home,
                             const struct stat *status, recap_badge *badge,
                             struct recap_error *error);
/* A new description, with `open_flags`, of a restored one (`badge` as its create gave it). */
int linux_shared_memory_open(struct linux_kernel *kernel, recap_badge badge, int open_flags,
                             int *fd, struct recap_error *error);

#endif
