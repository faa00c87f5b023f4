/* pd.c: opening, listing, creating and closing PDs. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_pd_list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                  struct recap_error *error)
{
    (void)kernel;
    (void)ids;
    (void)count;
    return recap_fail(error, -ENOSYS, "linux_pd_list");
}

int linux_pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                  struct recap_error *error)
{
    (void)kernel;
    (void)id;
    (void)pd;
    return recap_fail(error, -ENOSYS, "linux_pd_open");
}

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

int linux_destroy(struct recap_pd *pd, struct recap_error *error)
{
    (void)pd;
    return recap_fail(error, -ENOSYS, "linux_destroy");
}

void linux_pd_close(struct recap_pd *pd)
{
    (void)pd;
}
