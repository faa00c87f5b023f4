/* foothold_move.c: moving the foothold of a created process out of the way, to be written. */
#include "kernel/linux/foothold.h"

#include <errno.h>

int linux_foothold_move(struct linux_pd *pd, uint64_t address, uint64_t size,
                        struct recap_error *error)
{
    (void)pd;
    (void)address;
    (void)size;
    return recap_fail(error, -ENOSYS, "linux_foothold_move");
}

bool linux_foothold_takes(const struct linux_pd *pd, uint64_t from, uint64_t *start, uint64_t *end)
{
    const struct linux_foothold *foothold = pd->foothold;
    if (!foothold || !foothold->standing || from >= foothold->workshop + foothold->workshop_size)
        return false;
    *start = foothold->workshop;
    *end = foothold->workshop + foothold->workshop_size;
    return true;
}
