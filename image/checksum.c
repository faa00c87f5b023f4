/* checksum.c: checksums of chunks and of files. */
#include "image/checksum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the checksum of a file is of little-endian numbers");

uint64_t image_checksum(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

uint64_t image_chunk_count(uint64_t size)
{
    return size / IMAGE_CHUNK + (size % IMAGE_CHUNK != 0);
}

static int append(struct image_sums *sums, uint64_t checksum)
{
    if (sums->count == sums->capacity) {
        size_t capacity = sums->capacity ? sums->capacity * 2 : 16;
        uint64_t *chunks = reallocarray(sums->chunks, capacity, sizeof *chunks);
        if (!chunks)
            return -ENOMEM;
        sums->chunks = chunks;
        sums->capacity = capacity;
    }
    sums->chunks[sums->count++] = checksum;
    return 0;
}

int image_sums_add(struct image_sums *sums, const void *data, size_t size)
{
    const char *from = data;
    while (size) {
        size_t before = sums->size % IMAGE_CHUNK;
        size_t part = IMAGE_CHUNK - before < size ? IMAGE_CHUNK - before : size;
        if (part == IMAGE_CHUNK) {
            if (append(sums, XXH3_64bits(from, part)) < 0)
                return -ENOMEM;
        } else {
            if (!sums->state && !(sums->state = XXH3_createState()))
                return -ENOMEM;
            if (before == 0)
                XXH3_64bits_reset(sums->state);
            XXH3_64bits_update(sums->state, from, part);
            if (before + part == IMAGE_CHUNK && append(sums, XXH3_64bits_digest(sums->state)) < 0)
                return -ENOMEM;
        }
        sums->size += part;
        from += part;
        size -= part;
    }
    return 0;
}

int image_sums_finish(struct image_sums *sums)
{
    if (sums->size % IMAGE_CHUNK == 0)
        return 0;
    return append(sums, XXH3_64bits_digest(sums->state));
}

uint64_t image_sums_total(const struct image_sums *sums)
{
    return XXH3_64bits(sums->chunks, sums->count * sizeof *sums->chunks);
}

void image_sums_clear(struct image_sums *sums)
{
    XXH3_freeState(sums->state);
    free(sums->chunks);
    *sums = (struct image_sums){0};
}

int image_read_all(int fd, void *buffer, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *)buffer + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? -errno : -ENODATA;
        done += (size_t)got;
    }
    return 0;
}

int image_sums_read(struct image_sums *sums, int fd, uint64_t end)
{
    enum { PART = 256 * 1024 };
    char *buffer = malloc(PART);
    int result = buffer ? 0 : -ENOMEM;
    while (result == 0 && sums->size < end) {
        size_t size = end - sums->size < PART ? (size_t)(end - sums->size) : PART;
        result = image_read_all(fd, buffer, size, sums->size);
        if (result == 0)
            result = image_sums_add(sums, buffer, size);
    }
    free(buffer);
    return result;
}
