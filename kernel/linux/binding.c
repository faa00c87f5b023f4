/* binding.c: OBJECT specifications, and capabilities of the caller itself. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_bind(struct recap_kernel *kernel, const char *spec, uint32_t rights, recap_badge *badge,
               struct recap_error *error)
{
    (void)kernel;
    (void)spec;
    (void)rights;
    (void)badge;
    return recap_fail(error, -ENOSYS, "linux_bind");
}

int linux_local(struct recap_kernel *kernel, recap_badge badge, int *fd,
                struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)fd;
    return recap_fail(error, -ENOSYS, "linux_local");
}

int linux_adopt(struct recap_kernel *kernel, int fd, recap_badge *badge,
                struct recap_error *error)
{
    (void)kernel;
    (void)fd;
    (void)badge;
    return recap_fail(error, -ENOSYS, "linux_adopt");
}
