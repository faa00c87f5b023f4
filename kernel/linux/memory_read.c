/* memory_read.c: regions of a process, and reading and writing them. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_regions(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                  struct recap_error *error)
{
    (void)pd;
    (void)graph;
    (void)image;
    return recap_fail(error, -ENOSYS, "linux_regions");
}

int linux_read(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
               struct recap_error *error)
{
    (void)pd;
    (void)address;
    (void)buffer;
    (void)size;
    return recap_fail(error, -ENOSYS, "linux_read");
}

int linux_write(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                struct recap_error *error)
{
    (void)pd;
    (void)address;
    (void)buffer;
    (void)size;
    return recap_fail(error, -ENOSYS, "linux_write");
}
