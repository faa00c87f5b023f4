/* manifest.h: which files an image has, with their sizes and checksums.
 *
 *     recap-image 1
 *     needs FEATURE            only in images that not every reader of version 1 understands
 *     file CHECKSUM SIZE NAME  graph.json, the cores in the order of the graph, contents by id
 *     chunk CHECKSUM           of each 1 MiB of the file above, in order
 *     end CHECKSUM             of every byte of the manifest before this line
 *
 * The first and the last line are the same in every version of the format, so that damage and a
 * newer version can be told apart.
 */
#ifndef RECAP_IMAGE_MANIFEST_H
#define RECAP_IMAGE_MANIFEST_H

#include "image/json.h"
#include "image/names.h"
#include <recap/error.h>

enum { IMAGE_VERSION = 1 };

struct manifest_file {
    char name[IMAGE_NAME_SIZE];
    enum image_file kind;
    uint64_t id; /* of a core's PD, or of an object */
    uint64_t size;
    uint64_t checksum;
    const uint64_t *chunks; /* image_chunk_count(size) of them */
};

struct manifest {
    struct manifest_file *files;
    size_t count;
    size_t capacity;
    uint64_t *chunks;  /* of all files, when the manifest was read */
    uint64_t checksum; /* the last line's: it stands for the image */
};

/* Adds a file whose `chunks` outlive the manifest. 0 or -ENOMEM. */
int manifest_add(struct manifest *manifest, enum image_file kind, uint64_t id, uint64_t size,
                 uint64_t checksum, const uint64_t *chunks);
/* The text of the manifest, which sets manifest->checksum. */
void manifest_write(struct manifest *manifest, struct json_text *text);
/* Reads a manifest; what is not exactly of that form is refused. */
int manifest_read(const char *text, size_t length, struct manifest *manifest,
                  struct recap_error *error);
void manifest_clear(struct manifest *manifest);

#endif
