/* mapped.h: objects that regions map: "mapped-file" and "shared-memory".
 *
 * Both are inner objects whose identity is the device and inode that the kernel shows for a region
 * (kinds of memory without a name in a file system have them too). No selector has to hold them, so
 * what is kept with their badge says where they can be reached.
 */
#ifndef RECAP_KERNEL_LINUX_MEMORY_MAPPED_H
#define RECAP_KERNEL_LINUX_MEMORY_MAPPED_H

#include "kernel/linux/badges/badges.h"
#include "kernel/linux/linux.h"
#include "kernel/linux/objects/files/extents.h"

/* A region that maps the object. */
struct linux_mapped_piece {
    pid_t pid; /* in the caller's PID namespace */
    uint64_t start;
    uint64_t length;
    uint64_t offset; /* bytes into the object */
    bool may_write;  /* shared, and writable or allowed to become so */
    bool swapped;    /* pages of it are swapped out */
    uint64_t pass;   /* which listing of the process's regions found it */
};

/* Kept with the badge of every object that a region maps (linux_badge_kept). */
struct linux_mapped {
    uint64_t device; /* makedev(), of the superblock: not always what stat says (btrfs) */
    uint64_t inode;
    char *path; /* as the kernel names the region: may end in " (deleted)" */
    /* A selector that holds it, if `held`: then it is reached through that. */
    bool held;
    struct linux_home home;
    bool home_reads;
    uint32_t made_with;                /* flags of the description that made it without a name */
    pid_t program;                     /* a process whose program it is, or 0 */
    bool may_write;                    /* of any piece: the file was opened for writing */
    struct linux_mapped_piece *pieces; /* of the latest listing; never empty unless `held` */
    size_t piece_count;
    uint64_t pass; /* the latest listing, and the ones for which it was looked at */
    uint64_t probed;
    uint64_t examined;
    /* Size in bytes and what was ever written, as last found. */
    uint64_t size;
    struct linux_extents extents;
    int reached;   /* a description to read through, or -1 */
    bool borrowed; /* it is the component's own: see linux_mapped_read */
};

/* The badge of the object of kind `kind` that `piece` maps; remembers the piece. */
int linux_mapped_enter(struct linux_kernel *kernel, const char *kind, uint64_t device,
                       uint64_t inode, const char *path, const struct linux_mapped_piece *piece,
                       recap_badge *badge, struct recap_error *error);
/* The same without a piece: the badge and what is kept with it. */
int linux_mapped_obtain(struct linux_kernel *kernel, const char *kind, uint64_t device,
                        uint64_t inode, const char *path, recap_badge *badge,
                        struct linux_mapped **mapped, struct recap_error *error);
/* The same of the removed file of a process's program, which need not map it. */
int linux_mapped_program(struct linux_kernel *kernel, pid_t pid, const struct stat *status,
                         const char *path, recap_badge *badge, struct recap_error *error);
/* What is kept with the badge of such an object, or NULL. */
struct linux_mapped *linux_mapped_of(struct linux_kernel *kernel, recap_badge badge);
/* What stat says of it, through the selector that holds it or a region that maps it. -EPERM: only
 * the latter is there, and the privilege that it takes is not. */
int linux_mapped_stat(const struct linux_mapped *mapped, struct stat *status);
/* Opens it for reading, without being seen, through the selector that holds it, else through
 * /proc/PID/map_files: -EPERM without the privilege that this takes. Once it was, it stays open for
 * as long as the kernel is, or at least until the next one. `fd` stays its. */
int linux_mapped_reach(struct linux_kernel *kernel, struct linux_mapped *mapped, int *fd);
/* Finds what of it was ever written, once it is reached. */
int linux_mapped_survey(struct linux_mapped *mapped);
/* Reads what was reached. */
ssize_t linux_mapped_read(const struct linux_mapped *mapped, uint64_t offset, void *buffer,
                          size_t size);
/* Lets go of what was reached when descriptors are scarce. */
void linux_mapped_let_go(struct linux_mapped *mapped);
/* A restored mapped object (the badge comes from linux_badge_own, by the kind's create) is mapped
 * through linux_badge_fd: its descriptor is open for writing iff state "may-write" is 1. */

/* --- objects/memory/shared_memory.c: the memory behind memfds and shared anonymous regions
 * ----------- */

/* The inner object behind a memfd that a selector holds; its state has name, size, seals, and its
 * content travels with it. */
int linux_shared_memory_held(struct linux_kernel *kernel, struct linux_home home,
                             const struct stat *status, recap_badge *badge,
                             struct recap_error *error);
/* A new description, with `open_flags`, of a restored one (`badge` as its create gave it). */
int linux_shared_memory_open(struct linux_kernel *kernel, recap_badge badge, int open_flags,
                             int *fd, struct recap_error *error);

#endif
