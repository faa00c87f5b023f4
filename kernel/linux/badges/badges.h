/* badges.h: identity: which descriptors refer to the same description. */
#ifndef RECAP_KERNEL_LINUX_BADGES_BADGES_H
#define RECAP_KERNEL_LINUX_BADGES_BADGES_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* Where a capability that refers to the object can be found. An inner object has none. */
struct linux_home {
    pid_t pid; /* 0: fd is the caller's own */
    int fd;
};

struct linux_description;
/* The badge of a description that was just read, equal to an earlier one iff kcmp says so. */
int linux_badge_enter(struct linux_kernel *kernel, const struct linux_description *description,
                      recap_badge *badge, struct recap_error *error);
/* The same, reading first what it needs: what descriptor home.fd of home.pid refers to now.
 * -EBADF: nothing. */
int linux_badge_at(struct linux_kernel *kernel, struct linux_home home, recap_badge *badge,
                   struct recap_error *error);
/* Sockets, pipes and FIFOs only: the first known description with that inode after the one with
 * badge `after` (0: the first), or 0. Answers "is the other end inside" once all slots of all PDs
 * have been requested; costs per description of that inode. */
recap_badge linux_badge_with_inode(struct linux_kernel *kernel, uint64_t inode, recap_badge after);
/* The rights that a description gives: its access mode; 0 for an inner object. */
uint32_t linux_badge_rights(struct linux_kernel *kernel, recap_badge badge);
/* Whether the badge was entered while its PD was suspended, and the PD still is; or it is our own.
 */
bool linux_badge_is_still(struct linux_kernel *kernel, recap_badge badge);
/* The badge of an inner object, whose identity the kernel states as a kind and two numbers
 * (device and inode). `data` (may be NULL) is kept with it and freed with the kernel. */
int linux_badge_inner(struct linux_kernel *kernel, const char *kind, uint64_t major, uint64_t minor,
                      recap_badge *badge, struct recap_error *error);
/* Looks one up: its home, and for an inner object its kind and numbers (each may be NULL). */
int linux_badge_home(struct linux_kernel *kernel, recap_badge badge, struct linux_home *home);
bool linux_badge_is_inner(struct linux_kernel *kernel, recap_badge badge, const char **kind,
                          uint64_t *major, uint64_t *minor);
/* Something that a kind keeps with a badge between its own calls (the second descriptor of a pair
 * made at once): one pointer, freed by `release` with the badge. */
void linux_badge_keep(struct linux_kernel *kernel, recap_badge badge, void *data,
                      void (*release)(void *data));
/* What was kept with that `release`, which stands for its type: a badge that comes from outside may
 * be of any object. */
void *linux_badge_kept(struct linux_kernel *kernel, recap_badge badge, void (*release)(void *data));
/* A descriptor of our own for the object (close it): pidfd_getfd, checked by kcmp, or a dup. */
int linux_badge_fd(struct linux_kernel *kernel, recap_badge badge, int *fd,
                   struct recap_error *error);
/* Makes `fd`, a descriptor of our own, the home of its description, which is usually new (then so
 * is the badge). Takes the descriptor over, also when it fails. */
int linux_badge_own(struct linux_kernel *kernel, int fd, recap_badge *badge,
                    struct recap_error *error);
/* A new badge for an inner object that was just created (restore), with data kept as above. */
int linux_badge_made(struct linux_kernel *kernel, const char *kind, void *data,
                     void (*release)(void *data), recap_badge *badge, struct recap_error *error);
/* Lets go of every object that was created here: the components that they were made for have them
 * by now, and it is time for whoever else holds one to be gone. Their badges stay, and refer to
 * nothing that was made. 0 or a negative errno. */
int linux_badges_let_go(struct linux_kernel *kernel);
/* Walks the descriptions that have been entered since their PD may have changed; returns the first
 * for which `match` is true, or 0. */
recap_badge linux_badge_find(struct linux_kernel *kernel,
                             bool (*match)(void *context, recap_badge badge,
                                           struct linux_home home),
                             void *context);

#endif
