/* status_flags.h: the status flags of a description, in and out of its state. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_STATUS_FLAGS_H
#define RECAP_KERNEL_LINUX_OBJECTS_STATUS_FLAGS_H

#include "kernel/linux/linux.h"

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
/* The state of `object` lacks what its kind needs: the image is damaged or foreign. */
int linux_state_damaged(const struct recap_object *object, const char *member,
                        struct recap_error *error);

/* Closes a descriptor that goes out of scope; -1 is none. For __attribute__((cleanup)). */
void linux_close_descriptor(const int *fd);

#endif
