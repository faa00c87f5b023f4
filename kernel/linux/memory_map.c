/* memory_map.c: mapping and filling the memory of a created process. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_map(struct recap_pd *pd, const struct recap_creation *creation,
              const struct recap_pd_image *image, int fd, struct recap_error *error)
{
    (void)pd;
    (void)creation;
    (void)image;
    (void)fd;
    return recap_fail(error, -ENOSYS, "linux_map");
}

int linux_load(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
               struct recap_error *error)
{
    (void)pd;
    (void)image;
    (void)fd;
    return recap_fail(error, -ENOSYS, "linux_load");
}
