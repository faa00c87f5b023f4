/* native_pd.c: request on a descriptor table. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_request(struct recap_pd *pd, recap_selector selector, struct recap_cap *cap,
                  recap_selector *next, struct recap_error *error)
{
    (void)pd;
    (void)selector;
    (void)cap;
    (void)next;
    return recap_fail(error, -ENOSYS, "linux_request");
}
