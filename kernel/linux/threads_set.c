/* threads_set.c: making threads in a created process. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_threads_set(struct recap_pd *pd, const struct recap_graph *graph,
                      const struct recap_pd_image *image, struct recap_error *error)
{
    (void)pd;
    (void)graph;
    (void)image;
    return recap_fail(error, -ENOSYS, "linux_threads_set");
}
