/* placement.h: memory policies as they are kept: see placement.c. */
#ifndef RECAP_KERNEL_LINUX_MEMORY_PLACEMENT_H
#define RECAP_KERNEL_LINUX_MEMORY_PLACEMENT_H

#include "kernel/linux/linux.h"

/* As many as a kernel can be built for. */
enum { LINUX_PLACEMENT_NODES = 1024 };

struct linux_placement_policy {
    int mode; /* MPOL_* with its flags */
    uint64_t nodes[LINUX_PLACEMENT_NODES / 64];
};

/* The policy in the state of a thread or region: 0, -ENOENT for the ordinary one, or -EBADMSG. */
int linux_placement_get(const struct recap_value *state, struct linux_placement_policy *policy);
/* Adds to the state of each region the policy that it has for itself. */
int linux_regions_placement(struct linux_pd *pd, struct recap_graph *graph,
                            struct recap_pd_image *image, struct recap_error *error);
/* Whether this machine has several memory nodes. */
bool linux_placement_matters(void);

#endif
