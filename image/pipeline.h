/* pipeline.h: buffers on their way to a file: one thread fills the next while another writes. */
#ifndef RECAP_IMAGE_PIPELINE_H
#define RECAP_IMAGE_PIPELINE_H

#include "image/checksum.h"

enum { PIPELINE_BUFFER = 1024 * 1024 };

struct pipeline;

/* Starts the writing thread, which readies the first buffer meanwhile. Or NULL. */
struct pipeline *pipeline_new(void);
/* A page-aligned buffer of PIPELINE_BUFFER bytes; waits for one to come free. Its caller may hold
 * one at a time. NULL without memory. */
void *pipeline_room(struct pipeline *pipeline);
/* Writes `size` bytes of a buffer from pipeline_room at `offset` of `fd`, sooner or later, and
 * takes the buffer back. `sums` (may be NULL) get the bytes added first, by the writing thread:
 * nobody else touches them until pipeline_drain. 0, or the negative errno of what failed by now. */
int pipeline_put(struct pipeline *pipeline, void *buffer, int fd, uint64_t offset, size_t size,
                 struct image_sums *sums);
/* Waits until everything is written: 0 or the negative errno of the first write that failed. */
int pipeline_drain(struct pipeline *pipeline);
/* Waits for the thread. Accepts NULL. */
void pipeline_free(struct pipeline *pipeline);

/* All of `size` bytes at `offset`: 0 or a negative errno. */
int pipeline_write(int fd, const void *data, size_t size, uint64_t offset);

#endif
