/* room.c: room for descriptors of our own: restoring holds every object that it has made until the
 * component has it. */
#include "kernel/linux/room.h"

#include <errno.h>
#include <sys/resource.h>

enum { OWN = 256 }; /* for what we need beside the objects */

int linux_room_make(struct linux_kernel *kernel, size_t objects, struct recap_error *error)
{
    struct rlimit limit;
    /* A pipe or a socket pair that is being made has two. */
    rlim_t wanted = (rlim_t)objects * 2 + OWN;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return recap_fail(error, -errno, "asking for the limit on open files");
    if (limit.rlim_cur >= wanted)
        return 0;
    if (!kernel->room_made) {
        kernel->room_before = limit;
        kernel->room_made = true;
    }
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted)
        limit.rlim_max = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return 0;
    /* Only the privileged may go beyond the hard limit; up to it may do all the same. */
    limit = kernel->room_before;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return recap_fail(error, -errno, "raising the limit on open files");
    return 0;
}

void linux_room_unmake(struct linux_kernel *kernel)
{
    if (kernel->room_made)
        setrlimit(RLIMIT_NOFILE, &kernel->room_before);
    kernel->room_made = false;
}
