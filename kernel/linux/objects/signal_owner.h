/* signal_owner.h: who is told of a description's events by a signal (F_SETOWN, F_SETSIG, O_ASYNC).
 */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SIGNAL_OWNER_H
#define RECAP_KERNEL_LINUX_OBJECTS_SIGNAL_OWNER_H

#include "kernel/linux/batch/batch.h"
#include "kernel/linux/objects/kinds.h"

/* Whether such a description tells of its events by signals when asked to. */
bool linux_sends_signals(const struct linux_description *description);
/* Writes the member "owner" if there is one. It comes back if it is the process that holds the
 * description, its group while it leads that, or one of its threads; others are refused. */
int linux_signal_owner_describe(struct linux_kernel *kernel, recap_badge badge,
                                const struct linux_description *description,
                                struct recap_arena *arena, struct recap_value *state,
                                struct recap_error *error);
/* Sets the owners of all that the PD holds, from inside: the kernel keeps who set one, and under
 * which number. To be run with the credentials of the component. */
int linux_signal_owners_set(struct linux_steps *steps, const struct linux_pd *pd,
                            const struct recap_graph *graph, struct recap_error *error);

#endif
