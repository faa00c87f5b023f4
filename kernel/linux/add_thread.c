/* add_thread.c: a further thread of a created process, to be written. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_pd_add_thread(struct linux_pd *pd, pid_t vtid, struct recap_error *error)
{
    (void)pd;
    return recap_fail(error, -ENOSYS, "making thread %d", vtid);
}
