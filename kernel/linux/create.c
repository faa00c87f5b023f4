/* create.c: a fresh process that is to become a checkpointed one. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_pd_create(struct recap_kernel *kernel, const struct recap_graph *graph,
                    const struct recap_pd_image *plan, struct recap_pd **pd,
                    struct recap_error *error)
{
    (void)kernel;
    (void)graph;
    (void)plan;
    (void)pd;
    return recap_fail(error, -ENOSYS, "linux_pd_create");
}
