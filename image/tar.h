/* tar.h: headers of tar archives, as far as an image needs them: regular files and one directory.
 */
#ifndef RECAP_IMAGE_TAR_H
#define RECAP_IMAGE_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TAR_BLOCK = 512 };

struct tar_entry {
    char name[257]; /* without "./" at the front and "/" at the end */
    bool directory;
    uint64_t size; /* 0 for a directory */
};

/* A header in the ustar format; sizes beyond its octal digits are in base 256, as GNU tar has them.
 */
void tar_header(const struct tar_entry *entry, int64_t time, unsigned char block[TAR_BLOCK]);
/* Whether `block` is the header of a regular file or a directory, with a right checksum. */
bool tar_parse(const unsigned char block[TAR_BLOCK], struct tar_entry *entry);
/* How many bytes of padding follow a file of `size` bytes. */
size_t tar_padding(uint64_t size);

#endif
