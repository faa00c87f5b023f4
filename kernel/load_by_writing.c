/* load_by_writing.c: the way into memory for a kernel that cannot read the core file by itself. */
#include "kernel/defaults.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

static int write_range(struct recap_pd *pd, const struct recap_range *range, int fd, char *buffer,
                       struct recap_error *error)
{
    for (uint64_t at = 0; at < range->length;) {
        uint64_t left = range->length - at;
        ssize_t got =
            pread(fd, buffer, left < CHUNK ? (size_t)left : CHUNK, (off_t)(range->offset + at));
        if (got <= 0)
            return recap_fail(error, got ? -errno : -EIO, "reading pages");
        int result = pd->kernel->ops->write(pd, range->start + at, buffer, (size_t)got, error);
        if (result < 0)
            return result;
        at += (uint64_t)got;
    }
    return 0;
}

int kernel_load(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
                struct recap_error *error)
{
    if (pd->kernel->ops->load)
        return pd->kernel->ops->load(pd, image, fd, error);
    char *buffer = malloc(CHUNK);
    int result = buffer ? 0 : recap_fail(error, -ENOMEM, "reading pages");
    for (size_t r = 0; result == 0 && r < image->region_count; r++)
        for (size_t i = 0; result == 0 && i < image->regions[r].range_count; i++)
            result = write_range(pd, &image->regions[r].ranges[i], fd, buffer, error);
    free(buffer);
    return result;
}
