/* attributes_set.c: setting the attributes of a created process. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_attributes_set(struct recap_pd *pd, const struct recap_creation *creation,
                         const struct recap_pd_image *image, struct recap_error *error)
{
    (void)pd;
    (void)creation;
    (void)image;
    return recap_fail(error, -ENOSYS, "linux_attributes_set");
}
