/* pipeline.h: buffers on their way to a file: one thread fills the next while another writes. */
#ifndef RECAP_IMAGE_PIPELINE_H
#define RECAP_IMAGE_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

enum { PIPELINE_BUFFER = 1024 * 1024 };

struct pipeline;

/* Or NULL. */
struct pipeline *pipeline_new(void);
/* `bytes` more are coming: many of them are worth a thread. */
void pipeline_expect(struct pipeline *pipeline, uint64_t bytes);
/* A page-aligned buffer of PIPELINE_BUFFER bytes; waits for one to come free. NULL without memory.
 */
void *pipeline_room(struct pipeline *pipeline);
/* Writes `size` bytes of a buffer from pipeline_room at `offset` of `fd`, sooner or later, and
 * takes the buffer back. 0, or the negative errno of a write that failed by now. */
int pipeline_put(struct pipeline *pipeline, void *buffer, int fd, uint64_t offset, size_t size);
/* Waits until everything is written: 0 or the negative errno of the first write that failed. */
int pipeline_drain(struct pipeline *pipeline);
/* Waits for the thread, if there is one. Accepts NULL. */
void pipeline_free(struct pipeline *pipeline);

/* All of `size` bytes at `offset`: 0 or a negative errno. */
int pipeline_write(int fd, const void *data, size_t size, uint64_t offset);

#endif
