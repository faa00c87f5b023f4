/* checksum.h: XXH3-64 of each 1 MiB chunk of a file, taken while the file is written in order.
 *
 * The checksum of a whole file is the XXH3-64 of its chunks' checksums, 8 bytes each,
 * little-endian: chunks can then be taken in any order, by any number of threads, and one value
 * stands for all.
 */
#ifndef RECAP_IMAGE_CHECKSUM_H
#define RECAP_IMAGE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { IMAGE_CHUNK = 1024 * 1024 };

struct image_sums {
    uint64_t *chunks; /* one for each IMAGE_CHUNK bytes; the last chunk may be shorter */
    size_t count;
    size_t capacity;
    uint64_t size; /* bytes added so far */
    void *state;   /* of the chunk that is under way */
};

/* Adds the next `size` bytes of the file. 0 or -ENOMEM. */
int image_sums_add(struct image_sums *sums, const void *data, size_t size);
/* Adds the bytes of `fd` from sums->size up to `end`, read from the file. 0 or a negative errno. */
int image_sums_read(struct image_sums *sums, int fd, uint64_t end);
/* The file ends here: takes the checksum of the last chunk. 0 or -ENOMEM. */
int image_sums_finish(struct image_sums *sums);
/* Of a finished file. */
uint64_t image_sums_total(const struct image_sums *sums);
/* Frees what it holds; usable again afterwards. */
void image_sums_clear(struct image_sums *sums);

/* How many chunks a file of `size` bytes has. */
uint64_t image_chunk_count(uint64_t size);
uint64_t image_checksum(const void *data, size_t size);
/* Reads all of `size` bytes at `offset`: 0, -ENODATA at an early end, or a negative errno. */
int image_read_all(int fd, void *buffer, size_t size, uint64_t offset);

#endif
