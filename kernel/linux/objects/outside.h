/* outside.h: what processes that are not checkpointed hold and watch.
 *
 * A file without a name can only be shared by those who have it: they are found by looking at every
 * process that the caller may look into. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_OUTSIDE_H
#define RECAP_KERNEL_LINUX_OBJECTS_OUTSIDE_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

struct linux_outsider {
    pid_t pid;
    char name[32];
};

/* Whether a process outside of the open PDs shares the content of a file without a name with them:
 * 1 and which one, 0, or a negative errno. `changes`: whether they may change it or lock it. What
 * nobody can change is no worse for being there twice. `pd` (may be NULL): the one that maps it,
 * with which none of the others may share it. */
int linux_outside_shares(struct linux_kernel *kernel, uint64_t device, uint64_t inode, bool changes,
                         const struct linux_pd *pd, struct linux_outsider *outsider);
/* The same for what a descriptor refers to, as a refusal: 0, -EOPNOTSUPP or another negative errno.
 * */
int linux_outside_refuse(struct linux_kernel *kernel, const struct linux_description *description,
                         struct recap_error *error);
/* Whether an inotify instance that the caller can see would report that `file` is opened: it
 * watches that, or `directory` (may be NULL), in which it is or was: 1, 0 or a negative errno. */
int linux_outside_watched(struct linux_kernel *kernel, const struct stat *file,
                          const struct stat *directory);
/* Accepts NULL. */
void linux_census_free(struct linux_census *census);

#endif
