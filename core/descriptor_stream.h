/* descriptor_stream.h: a stream over a descriptor: a Unix socket, a terminal device, a pipe pair.
 */
#ifndef RECAP_CORE_DESCRIPTOR_STREAM_H
#define RECAP_CORE_DESCRIPTOR_STREAM_H

#include "core/stream.h"
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct descriptor_stream {
    struct core_stream base;
    int fd; /* the owner's */
    /* Milliseconds of silence after which read and write give -ETIMEDOUT; -1: never. */
    int patience;
    /* For a server: how long what came since the last answer may take to become a request; -1: for
     * ever. Until something came it waits for ever. */
    int hurry;
    const sigset_t
        *listening; /* the signals that end a read (-EINTR), all others stay; NULL: none */
    int arrived;    /* came with bytes and was not taken yet; -1 */
    int taken;      /* the last one taken; -1 */
    int leaving;    /* goes with the next bytes; -1 */
    int64_t since;  /* when the first byte after the last answer came; 0: none yet */
    /* For a client: asked when a signal interrupts a wait, whether to go on; false: -EINTR. NULL:
     * it always does. */
    bool (*wanted)(void *context);
    void *wanted_context;
};

/* `carries`: it is a Unix socket, and descriptors cross. */
void descriptor_stream_init(struct descriptor_stream *stream, int fd, bool carries);
/* Closes what it holds, not its own descriptor. */
void descriptor_stream_clear(struct descriptor_stream *stream);

#endif
