/* status_flags.h: the status flags of a description, in and out of its state. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_STATUS_FLAGS_H
#define RECAP_KERNEL_LINUX_OBJECTS_STATUS_FLAGS_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

#include <fcntl.h>

/* Flags that a description shows and that only its making gives it. O_LARGEFILE, which is 0 for
 * programs of our kind, tells what was opened by a name from what a system call made. */
enum {
    LINUX_O_LARGEFILE = 0100000,
    LINUX_O_TMPFILE = O_TMPFILE & ~O_DIRECTORY,
    LINUX_SHOWN_FLAGS = O_NOFOLLOW | O_DIRECTORY | O_SYNC | O_DSYNC,
};
/* Those of LINUX_SHOWN_FLAGS and the access mode that the state of an object has, to open it with.
 */
int linux_status_flags_shown(const struct recap_object *object, int *flags,
                             struct recap_error *error);
/* Writes the member "flags". O_ASYNC comes back with its owner (signal_owner.c), and is refused of
 * what has none. */
int linux_status_flags_describe(const struct linux_description *description,
                                struct recap_arena *arena, struct recap_value *state,
                                struct recap_error *error);
/* Sets those flags of the state on a description that was just made. */
int linux_status_flags_set(int fd, const struct recap_object *object, struct recap_error *error);
/* The last steps of making a description: its flags, then its badge. Takes `fd` over, also when
 * it fails. */
int linux_status_flags_finish(struct linux_kernel *kernel, int fd,
                              const struct recap_object *object, recap_badge *badge,
                              struct recap_error *error);
/* The same after it was moved to `position`. */
int linux_status_flags_finish_at(struct linux_kernel *kernel, int fd, uint64_t position,
                                 const struct recap_object *object, recap_badge *badge,
                                 struct recap_error *error);
/* The state of `object` lacks what its kind needs: the image is damaged or foreign. */
int linux_state_damaged(const struct recap_object *object, const char *member,
                        struct recap_error *error);

/* Closes a descriptor that goes out of scope; -1 is none. For __attribute__((cleanup)). */
void linux_close_descriptor(const int *fd);

#endif
