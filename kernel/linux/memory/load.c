/* load.c: filling regions from the core file.
 *
 * The created process itself reads the file straight into place: no byte passes through core. Each
 * call takes as many ranges as follow each other in the file. Pages are populated in one go before
 * they are read into, which is cheaper than a fault for each; all of them are to be written anyway.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/memory/map.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Of one call (its pages are still in the processor's cache when they are read into after being
 * populated), and of one batch: between batches the work can be interrupted. */
enum { CALL_BYTES = 1 << 20, BATCH_BYTES = 64 << 20 };
/* Shorter pieces are not worth a call to populate them. */
enum { POPULATE_LEAST = 64 << 10 };

struct load {
    struct linux_mapper *mapper;
    struct iovec *vector; /* of the call at hand */
    int count;
    uint64_t length; /* bytes of the vector */
    uint64_t offset; /* in the core file */
    uint64_t batch;  /* bytes of the batch at hand */
};

static int finish_call(struct load *load)
{
    struct linux_calls *calls = &load->mapper->calls;
    if (!load->count)
        return 0;
    int result = linux_calls_start(calls);
    if (result < 0)
        return result;
    uint64_t first = (uintptr_t)load->vector[0].iov_base;
    /* Whether it works does not matter: the pages come in by faults then. */
    for (int i = 0; i < load->count; i++)
        if (load->vector[i].iov_len >= POPULATE_LEAST)
            linux_batch_call(calls->batch, SYS_madvise, load->vector[i].iov_base,
                             load->vector[i].iov_len, MADV_POPULATE_WRITE);
    uint64_t vector =
        linux_batch_put(calls->batch, load->vector, (size_t)load->count * sizeof *load->vector);
    size_t call = linux_calls_add(calls, "filling", first, load->length, load->length,
                                  LINUX_CALL(SYS_preadv, -1, vector, load->count, load->offset));
    int fd = linux_calls_has_fd(calls, 0) ? -1 : fcntl(load->mapper->core, F_DUPFD_CLOEXEC, 3);
    result = linux_calls_use_fd(calls, 0, fd, call, 0);
    load->batch += load->length;
    load->count = 0;
    load->length = 0;
    if (result == 0 && load->batch >= BATCH_BYTES) {
        result = linux_calls_run(calls);
        load->batch = 0;
    }
    return result;
}

static int add_piece(struct load *load, uint64_t address, uint64_t length, uint64_t offset)
{
    if (load->count && (load->count == IOV_MAX || load->length >= CALL_BYTES ||
                        offset != load->offset + load->length)) {
        int result = finish_call(load);
        if (result < 0)
            return result;
    }
    if (!load->count)
        load->offset = offset;
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process */
    load->vector[load->count++] = (struct iovec){(void *)(uintptr_t)address, (size_t)length};
    load->length += length;
    return 0;
}

static int add_range(struct load *load, const struct recap_range *range)
{
    int result = 0;
    for (uint64_t at = 0; result == 0 && at < range->length;) {
        uint64_t left = range->length - at;
        uint64_t piece = left < CALL_BYTES ? left : CALL_BYTES;
        result = add_piece(load, range->start + at, piece, range->offset + at);
        at += piece;
    }
    return result;
}

int linux_load_ranges(struct linux_mapper *mapper, bool lazy)
{
    struct iovec vector[IOV_MAX];
    struct load load = {.mapper = mapper, .vector = vector};
    const struct recap_pd_image *image = mapper->image;
    int result = 0;
    for (size_t i = 0; result == 0 && i < image->region_count; i++) {
        const struct recap_region *region = &image->regions[i];
        if (linux_region_is_kernels(region))
            continue;
        for (size_t r = 0; result == 0 && r < region->range_count; r++)
            if (!lazy || !linux_range_is_lazy(region, &region->ranges[r]))
                result = add_range(&load, &region->ranges[r]);
    }
    if (result == 0)
        result = finish_call(&load);
    return result ? result : linux_calls_run(&mapper->calls);
}
