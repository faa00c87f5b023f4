/* writer.h: an image that is being written. */
#ifndef RECAP_IMAGE_WRITER_H
#define RECAP_IMAGE_WRITER_H

#include "image/checksum.h"
#include "image/core_layout.h"
#include "image/image.h"
#include "image/names.h"
#include "image/pipeline.h"
#include "image/place.h"

struct image_core {
    uint64_t id; /* of the PD */
    int fd;
    struct core_layout layout;
    bool spare;             /* it still has the name of the spare file */
    struct image_sums sums; /* of the file as far as it was written in order */
    uint64_t bytes;         /* of pages that were put */
    uint64_t in_order;      /* pages up to this offset were put in order, and are in the sums */
    bool small;             /* the pipeline's thread takes the checksums, not the caller */
    bool ended;             /* all pages are written; sums go up to the tail */
};

/* The content that is being appended to; fd is -1 while there is none. */
struct image_content {
    uint64_t id; /* of the object */
    int fd;
    struct image_sums sums;
};

/* A content that has ended: its sums are finished. */
struct image_file_sums {
    uint64_t id;
    struct image_sums sums;
};

struct recap_image_writer {
    struct image_place place;
    struct pipeline *pipeline;
    struct image_core **cores; /* the last one takes the pages that are put */
    size_t core_count;
    int spare; /* what the first core is written to: made before anything stands still; -1: used */
    int objects; /* the directory of contents, -1 while there is none */
    struct image_content content;
    struct image_file_sums *contents;
    size_t content_count;
};

/* Fills `error` for a failed write of file `name`, with what can be done. Returns `code`. */
int image_write_failed(const struct recap_image_writer *writer, int code, const char *name,
                       struct recap_error *error);
struct image_core *image_writer_core(struct recap_image_writer *writer, uint64_t id);
/* Removes the spare file that no core has taken: 0 or a negative errno. */
int image_writer_drop_spare(struct recap_image_writer *writer);
/* Ends the content that is under way, if any: 0 or a negative errno. */
int image_writer_end_content(struct recap_image_writer *writer);

#endif
