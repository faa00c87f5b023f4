/* install.c: placing capabilities in a descriptor table, and removing them. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                  struct recap_error *error)
{
    (void)pd;
    (void)selector;
    (void)cap;
    return recap_fail(error, -ENOSYS, "linux_install");
}

int linux_install_many(struct recap_pd *pd, const recap_selector *selectors,
                       const struct recap_cap *caps, size_t count, struct recap_error *error)
{
    (void)pd;
    (void)selectors;
    (void)caps;
    (void)count;
    return recap_fail(error, -ENOSYS, "linux_install_many");
}

int linux_remove(struct recap_pd *pd, recap_selector selector, struct recap_error *error)
{
    (void)pd;
    (void)selector;
    return recap_fail(error, -ENOSYS, "linux_remove");
}
