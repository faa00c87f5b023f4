/* examine.c: what of a process, beside its objects, cannot be checkpointed. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_examine(struct recap_pd *pd, struct recap_refusals *refusals, struct recap_error *error)
{
    (void)pd;
    (void)refusals;
    return recap_fail(error, -ENOSYS, "linux_examine");
}
