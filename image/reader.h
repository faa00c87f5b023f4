/* reader.h: an image that is open. */
#ifndef RECAP_IMAGE_READER_H
#define RECAP_IMAGE_READER_H

#include "image/image.h"
#include "image/manifest.h"

struct recap_image {
    char *path; /* for messages */
    int directory;
    struct manifest manifest;
    struct recap_graph *graph;
    int *cores; /* descriptors, in the order of graph->pds */
    /* The content that was read last: object id (0: none) and its descriptor. */
    uint64_t content_id;
    int content;
};

/* Opens the image in `directory`, an open descriptor, which it takes over; `path` is for messages.
 */
int image_open_at(int directory, const char *path, struct recap_image **image,
                  struct recap_error *error);
/* Opens a regular file of the image that has exactly `size` bytes: a descriptor, or a negative
 * errno with `error` filled. */
int image_open_file(const struct recap_image *image, const char *name, uint64_t size,
                    struct recap_error *error);
/* The manifest's line about an object's content, or NULL. */
const struct manifest_file *image_find_content(const struct recap_image *image, uint64_t id);
/* Fills `error`: file `name` of the image is damaged, and how. */
int image_damaged(const struct recap_image *image, const char *name, const char *how,
                  struct recap_error *error);

#endif
