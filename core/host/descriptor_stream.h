/* descriptor_stream.h: a stream over a descriptor: a Unix socket, a terminal device, a pipe pair.
 */
#ifndef RECAP_CORE_HOST_DESCRIPTOR_STREAM_H
#define RECAP_CORE_HOST_DESCRIPTOR_STREAM_H

#include "core/stream.h"
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct descriptor_stream {
    struct core_stream base;
    int fd; /* the owner's */
    /* Milliseconds of silence after which read and write give -ETIMEDOUT; -1: never. */
    int patience;
    /* For a server: how long what came since the last answer may take to become a request, and how
     * long an answer may stand still; -1: for ever. Until something came it waits for ever. */
    int hurry;
    const sigset_t
        *listening; /* the signals that end a read (-EINTR), all others stay; NULL: none */
    /* For a server on a Unix socket: the process that spoke last, or -1 for none that it can see.
     * Once that has ended, and all that it said is read, reading and writing give -EOWNERDEAD: the
     * stream may be held open by others, this server among them. */
    int speaker;
    int speaker_id;
    bool speaker_ended; /* before it could be looked at */
    bool follows;
    int64_t unseen; /* milliseconds of silence of a speaker that it cannot see; -1: any time */
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
/* From now on the kernel tells who speaks. Until somebody does it is `speaker`, a pidfd that the
 * stream takes over, or -1. */
void descriptor_stream_follow(struct descriptor_stream *stream, int speaker);
/* Closes what came and what was taken, which nobody needs any more. */
void descriptor_stream_drop(struct descriptor_stream *stream);
/* Closes what it holds, not its own descriptor. */
void descriptor_stream_clear(struct descriptor_stream *stream);

#endif
