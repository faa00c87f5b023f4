/* stream.h: the bytes between a client and core, however they travel: a Unix socket, a serial line.
 */
#ifndef RECAP_CORE_STREAM_H
#define RECAP_CORE_STREAM_H

#include <stddef.h>
#include <sys/types.h>

/* Embedded at the start of whoever implements it. */
struct core_stream {
    /* Up to `size` bytes, at least 1: it waits for the first one only. 0: the peer is gone. A
     * negative errno ends the session, among them -ETIMEDOUT, which a stream gives that cannot see
     * its peer go (a serial line), when nothing has come for some time. */
    ssize_t (*read)(struct core_stream *stream, void *buffer, size_t size);
    /* All of it, or a negative errno. */
    int (*write)(struct core_stream *stream, const void *buffer, size_t size);
    /* Descriptors beside the bytes, where the stream carries them (Unix sockets); else NULL. What
     * is sent travels with the next bytes written, and the stream takes it over, also when it
     * fails. What is taken came with bytes read before; it stays the stream's and is good until the
     * next one is taken. -ENOENT: none came. */
    int (*send_fd)(struct core_stream *stream, int fd);
    int (*take_fd)(struct core_stream *stream, int *fd);
};

#endif
