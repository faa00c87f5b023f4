/* server.h: core: serves any kernel backend to one client at a time, over a byte stream.
 *
 * Freestanding C: it needs of libc what core/libc has. A guest core is a backend, this
 * server and a `struct core_stream` over its serial line. The protocol is in recap-protocol(7).
 *
 * The server holds all handles, graphs under construction and encodings, and trusts nothing that
 * comes over the stream: a backend sees only PDs that it opened, badges that it gave, and graphs
 * that recap_graph_check has passed. It keeps the order of kernel.h: what needs a suspended or a
 * created PD is refused for another.
 */
#ifndef RECAP_CORE_SERVER_H
#define RECAP_CORE_SERVER_H

#include "core/stream.h"
#include "kernel/kernel.h"

struct core_limits {
    size_t frame;  /* bytes of the payload of one frame, either way; 0: CORE_FRAME */
    size_t memory; /* bytes that core may hold for the client: its messages, its graph, what is
                    * known of its badges; 0: no limit but the memory there is */
    /* Not 0: a session of this one PD, which the client may open, and no other; it can make none
     * and can bind nothing by name. */
    uint64_t confined;
    /* With that: what the client may ask is what shows the PD and leaves it as it is. */
    bool looks;
    /* Where each client has a kernel for itself: it is opened when the client says hello, and
     * closed before its bye is answered, so that nothing that it had is held by the time it is
     * told. NULL: there is one kernel, which stays. */
    int (*open)(void *context, struct recap_kernel **kernel, struct recap_error *error);
    void (*close)(void *context, struct recap_kernel *kernel);
    /* Yields a stream's end on which a session of that one PD is served, one that only looks or
     * not, as a descriptor that the stream takes over. NULL: core cannot hand on sessions. */
    int (*session)(void *context, struct recap_pd *pd, bool looks, int *fd,
                   struct recap_error *error);
    void *context;
};

enum { CORE_FRAME = 64 * 1024 };

/* Serves until the client is gone: 0, or the negative errno that the stream gave. In the end, as
 * whenever another client says hello, what the client held is let go: suspended PDs go on, and PDs
 * that were created and not resumed are destroyed. A given kernel stays open; NULL: `limits` open
 * one. `limits` may be NULL. */
int core_serve(struct recap_kernel *kernel, struct core_stream *stream,
               const struct core_limits *limits);

#endif
