/* threads.c: reading the state of threads. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_threads(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                  struct recap_error *error)
{
    (void)pd;
    (void)graph;
    (void)image;
    return recap_fail(error, -ENOSYS, "linux_threads");
}
