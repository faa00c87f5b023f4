/* foothold.c: stopping threads, acting inside them, and their way home. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_suspend(struct recap_pd *pd, struct recap_error *error)
{
    (void)pd;
    return recap_fail(error, -ENOSYS, "linux_suspend");
}

int linux_resume(struct recap_pd *pd, struct recap_error *error)
{
    (void)pd;
    return recap_fail(error, -ENOSYS, "linux_resume");
}

void linux_foothold_free(struct linux_foothold *foothold)
{
    (void)foothold;
}
