/* extents.c: the stretches of a file or memory that were ever written. */
#include "kernel/linux/objects/files/extents.h"

#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PAGE = 4096, BUFFER = 1024 * 1024 };

void linux_extents_clear(struct linux_extents *extents)
{
    free(extents->items);
    *extents = (struct linux_extents){0};
}

int linux_extents_add(struct linux_extents *extents, uint64_t offset, uint64_t length)
{
    size_t count = extents->count;
    struct linux_extent *last = count ? &extents->items[count - 1] : NULL;
    if (last && last->offset + last->length == offset) {
        last->length += length;
        return 0;
    }
    if ((count & (count - 1)) == 0) {
        void *more = reallocarray(extents->items, count ? count * 2 : 1, sizeof *extents->items);
        if (!more)
            return -ENOMEM;
        extents->items = more;
        last = count ? &extents->items[count - 1] : NULL;
    }
    extents->items[count] = (struct linux_extent){
        .offset = offset, .length = length, .at = last ? last->at + last->length : 0};
    extents->count++;
    return 0;
}

int linux_extents_find(struct linux_extents *extents, int fd, uint64_t size)
{
    extents->count = 0;
    for (off_t at = 0; (uint64_t)at < size;) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            return 0;
        /* A file system that does not know is taken to have written everything. */
        if (data < 0 && errno == EINVAL)
            return linux_extents_add(extents, (uint64_t)at, size - (uint64_t)at);
        off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
        if (hole < 0)
            return -errno;
        if ((uint64_t)hole > size)
            hole = (off_t)size;
        if (hole <= data)
            return 0; /* it got shorter */
        int result = linux_extents_add(extents, (uint64_t)data, (uint64_t)(hole - data));
        if (result < 0)
            return result;
        at = hole;
    }
    return 0;
}

/* Takes down one answer of the file system; `at` goes to where the next one begins. */
static int take_mapped(struct linux_extents *extents, const struct fiemap *map, uint64_t size,
                       uint64_t *at)
{
    int result = 0;
    for (uint32_t i = 0; result == 0 && i < map->fm_mapped_extents; i++) {
        const struct fiemap_extent *found = &map->fm_extents[i];
        uint64_t end = found->fe_logical + found->fe_length;
        uint64_t start = found->fe_logical > *at ? found->fe_logical : *at;
        if (end > size)
            end = size;
        if (start < end)
            result = linux_extents_add(extents, start, end - start);
        *at = found->fe_flags & FIEMAP_EXTENT_LAST ? size : end;
    }
    if (!map->fm_mapped_extents)
        *at = size;
    return result;
}

int linux_extents_map(struct linux_extents *extents, int fd, uint64_t size)
{
    enum { AT_ONCE = 64 };
    union {
        struct fiemap map;
        char room[sizeof(struct fiemap) + AT_ONCE * sizeof(struct fiemap_extent)];
    } ask;
    struct stat status;
    int result = 0;
    extents->count = 0;
    for (uint64_t at = 0; result == 0 && at < size;) {
        ask.map = (struct fiemap){.fm_start = at,
                                  .fm_length = size - at,
                                  .fm_flags = FIEMAP_FLAG_SYNC,
                                  .fm_extent_count = AT_ONCE};
        if (ioctl(fd, FS_IOC_FIEMAP, &ask.map) == 0)
            result = take_mapped(extents, &ask.map, size, &at);
        else if (fstat(fd, &status) == 0 && (uint64_t)status.st_blocks * 512 >= size)
            return linux_extents_add(extents, at, size - at);
        else
            return -EBUSY;
    }
    return result;
}

void linux_extents_put(const struct linux_extents *extents, struct recap_arena *arena,
                       struct recap_object *object)
{
    struct recap_value *list = recap_put_list(arena, object->state, "extents");
    object->content = 0;
    for (size_t i = 0; i < extents->count; i++) {
        struct recap_value *extent = recap_put_record(arena, list, NULL);
        recap_put_number(arena, extent, "offset", (int64_t)extents->items[i].offset);
        recap_put_number(arena, extent, "length", (int64_t)extents->items[i].length);
        object->content += extents->items[i].length;
    }
}

uint64_t linux_extents_place(const struct linux_extents *extents, uint64_t at, uint64_t *offset)
{
    size_t low = 0, high = extents->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (extents->items[middle].at + extents->items[middle].length <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == extents->count)
        return 0;
    const struct linux_extent *extent = &extents->items[low];
    *offset = extent->offset + (at - extent->at);
    return extent->length - (at - extent->at);
}

/* --- writing them ---------------------------------------------------------- */

typedef int write_function(void *context, uint64_t offset, const void *data, size_t size,
                           struct recap_error *error);

static size_t page_at(size_t at, size_t size)
{
    return size - at < PAGE ? size - at : PAGE;
}

static bool is_zero(const char *data, size_t size)
{
    static const char zeros[PAGE];
    return memcmp(data, zeros, size) == 0;
}

/* Writes the runs of pages that are not all zeros. */
static int write_pages(const char *data, size_t size, uint64_t offset, write_function *write,
                       void *context, struct recap_error *error)
{
    int result = 0;
    for (size_t at = 0; result == 0 && at < size;) {
        size_t end = at;
        while (end < size && !is_zero(data + end, page_at(end, size)))
            end += page_at(end, size);
        if (end > at)
            result = write(context, offset + at, data + at, end - at, error);
        at = end < size ? end + page_at(end, size) : end;
    }
    return result;
}

static bool get_extent(const struct recap_value *value, uint64_t *offset, uint64_t *length)
{
    int64_t from, bytes;
    if (recap_get_number(value, "offset", &from) < 0 ||
        recap_get_number(value, "length", &bytes) < 0 || from < 0 || bytes <= 0)
        return false;
    *offset = (uint64_t)from;
    *length = (uint64_t)bytes;
    return true;
}

static bool are_sound(const struct recap_object *object, uint64_t size)
{
    uint64_t end = 0, sum = 0, offset, length;
    for (const struct recap_value *value = recap_items(object->state, "extents"); value;
         value = value->next) {
        if (!get_extent(value, &offset, &length) || offset < end || offset > size ||
            length > size - offset)
            return false;
        end = offset + length;
        sum += length;
    }
    return sum == object->content;
}

static int fill_extent(const struct recap_creation *creation, const struct recap_object *object,
                       const struct linux_extent *extent, char *buffer, write_function *write,
                       void *context, struct recap_error *error)
{
    int result = 0;
    for (uint64_t done = 0; result == 0 && done < extent->length;) {
        uint64_t left = extent->length - done;
        ssize_t got = creation->content(creation->context, object->id, extent->at + done, buffer,
                                        left < BUFFER ? (size_t)left : BUFFER);
        if (got <= 0)
            return recap_fail(error, got < 0 ? (int)got : -EIO,
                              "reading the content of %s from the image",
                              object->label ? object->label : object->kind);
        result = write_pages(buffer, (size_t)got, extent->offset + done, write, context, error);
        done += (uint64_t)got;
    }
    return result;
}

int linux_extents_fill(const struct recap_creation *creation, const struct recap_object *object,
                       uint64_t size, write_function *write, void *context,
                       struct recap_error *error)
{
    if (!are_sound(object, size))
        return linux_state_damaged(object, "extents", error);
    char *buffer = malloc(BUFFER);
    int result = buffer ? 0
                        : recap_fail(error, -ENOMEM, "filling %s",
                                     object->label ? object->label : object->kind);
    struct linux_extent extent = {0};
    for (const struct recap_value *value = recap_items(object->state, "extents");
         result == 0 && value; value = value->next) {
        extent.at += extent.length;
        if (get_extent(value, &extent.offset, &extent.length))
            result = fill_extent(creation, object, &extent, buffer, write, context, error);
    }
    free(buffer);
    return result;
}

int linux_extents_write(void *context, uint64_t offset, const void *data, size_t size,
                        struct recap_error *error)
{
    const int *fd = context;
    while (size) {
        ssize_t written = pwrite(*fd, data, size, (off_t)offset);
        if (written <= 0)
            return recap_fail(error, written < 0 ? -errno : -EIO, "writing the content of a file");
        offset += (uint64_t)written;
        data = (const char *)data + written;
        size -= (size_t)written;
    }
    return 0;
}
