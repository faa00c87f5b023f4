/* remote.h: what the files of the remote backend share: the client's end of a session with core.
 *
 * It answers the engine as any kernel does. What costs a round trip is asked for in batches: a walk
 * over a capability space, and the objects that a walk met.
 */
#ifndef RECAP_KERNEL_REMOTE_REMOTE_H
#define RECAP_KERNEL_REMOTE_REMOTE_H

#include "core/host/descriptor_stream.h"
#include "core/protocol.h"
#include "core/wire.h"
#include "graph/badge_map.h"
#include "kernel/kernel.h"

/* Text that lives as long as the kernel: kinds of objects. */
struct remote_word {
    struct remote_word *next;
    char text[];
};

/* Answers about the objects that follow each other in `met`, fetched ahead. */
struct remote_ahead {
    struct wire_message message; /* the answers that are left begin at `in` */
    struct wire_in in;
    size_t next; /* place in `met` of the object that the next one is about */
};

struct remote_kernel {
    struct recap_kernel base;
    struct recap_kernel_ops ops; /* of this connection: what core is, and what it can do */
    char *address;
    int fd;
    struct descriptor_stream *stream; /* NULL: somebody else's */
    struct wire_channel channel;
    uint32_t number; /* of the last request */
    uint64_t abilities;
    char *name, *machine, *release;
    int patience; /* milliseconds of silence */
    /* What core is believed in: bytes of memory for what it tells of a component, bytes of the
     * answer to the request at hand (0: what requests of its type are answered with), and how much
     * content it may still wish for. */
    size_t memory, expected;
    uint64_t content_left, content_offered;
    size_t words_size;
    bool lost; /* the stream is no longer usable */
    struct remote_word *words;
    /* Counts requests after which what was read before may no longer hold. */
    uint64_t moment;
    /* The objects that were met since, in the order in which they will be asked about. */
    recap_badge *met;
    size_t met_count, met_capacity;
    struct recap_badge_map *places; /* badge -> place in `met`, from 1 */
    uint64_t met_moment;
    struct remote_ahead descriptions, labels;
    /* The graph that core has. */
    unsigned long graph;                   /* its serial; 0: none */
    recap_badge *known;                    /* known[id]: the badges that core has for it */
    bool *made;                            /* by place of the PD */
    bool bound;                            /* badges were bound that core does not know of yet */
    const struct recap_creation *creation; /* whose content core may ask for during a request */
};

/* One capability as core answered. */
struct remote_entry {
    recap_selector selector, next;
    struct recap_cap cap;
};

struct remote_pd {
    struct recap_pd base;
    struct remote_kernel *kernel;
    uint64_t number;
    struct remote_entry *entries; /* of the walk, from `at` on */
    size_t at, count;
    size_t walked;   /* entries of the walk so far */
    uint64_t moment; /* when they were fetched */
    int64_t time;    /* the same in milliseconds */
    bool suspended;
};

static inline struct remote_kernel *remote_kernel(struct recap_kernel *kernel)
{
    return (struct remote_kernel *)kernel;
}

static inline struct remote_pd *remote_pd(struct recap_pd *pd)
{
    return (struct remote_pd *)pd;
}

/* --- address.c -------------------------------------------------------------------------------- */

/* Opens what ADDRESS names (unix:PATH, serial:PATH, fd:N), for raw bytes. `carries`: descriptors
 * may cross. */
int remote_address_open(const char *address, int *fd, bool *carries, struct recap_error *error);

/* --- call.c ----------------------------------------------------------------------------------- */

struct remote_answer {
    struct wire_message message;
    struct wire_in in;
};

/* Asks, and waits for the answer. Frees out->data in any case and takes `fd` (-1: none) over. After
 * 0 the caller clears the answer; otherwise it is empty. */
int remote_ask(struct remote_kernel *kernel, uint8_t type, struct wire_out *out, int fd,
               struct remote_answer *answer, struct recap_error *error);
void remote_answer_clear(struct remote_answer *answer);
/* For the cleanup attribute. The same for what answers with nothing but success. */
int remote_do(struct remote_kernel *kernel, uint8_t type, struct wire_out *out, int fd,
              struct recap_error *error);
/* Core answers more than this process has memory for; `what` that is. */
int remote_too_much(struct remote_kernel *kernel, const char *what, struct recap_error *error);
/* The answer cannot be understood. */
int remote_nonsense(struct remote_kernel *kernel, struct recap_error *error);
/* The text, to be kept with the kernel; NULL when out of memory or for NULL. */
const char *remote_word(struct remote_kernel *kernel, const char *text);

/* --- ahead.c ---------------------------------------------------------------------------------- */

/* The object was met, and will be asked about. */
void remote_meet(struct remote_kernel *kernel, recap_badge badge);
void remote_ahead_clear(struct remote_kernel *kernel);
int remote_describe(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error);
int remote_label(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                 const char **label, struct recap_error *error);

/* --- pd.c ------------------------------------------------------------------------------------- */

int remote_list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                struct recap_error *error);
int remote_pd_name(struct recap_kernel *kernel, uint64_t id, char *name, size_t size,
                   struct recap_error *error);
int remote_pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                   struct recap_error *error);
/* A PD by core's number for it, or NULL. */
struct remote_pd *remote_pd_new(struct remote_kernel *kernel, uint64_t id, uint64_t number);
int remote_examine(struct recap_pd *pd, struct recap_refusals *refusals, struct recap_error *error);
int remote_suspend(struct recap_pd *pd, struct recap_error *error);
int remote_resume(struct recap_pd *pd, struct recap_error *error);
int remote_destroy(struct recap_pd *pd, struct recap_error *error);
void remote_pd_close(struct recap_pd *pd);
/* A request that begins with the PD. */
void remote_put_pd(struct wire_out *out, struct recap_pd *pd);

/* --- native_pd.c ------------------------------------------------------------------------------ */

int remote_request(struct recap_pd *pd, recap_selector selector, struct recap_cap *cap,
                   recap_selector *next, struct recap_error *error);
int remote_install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                   struct recap_error *error);
int remote_install_many(struct recap_pd *pd, const recap_selector *selectors,
                        const struct recap_cap *caps, size_t count, struct recap_error *error);
int remote_remove(struct recap_pd *pd, recap_selector selector, struct recap_error *error);

/* --- objects.c -------------------------------------------------------------------------------- */

ssize_t remote_content(struct recap_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error);
int remote_compare(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                   uint64_t id, struct recap_error *error);
int remote_bind(struct recap_kernel *kernel, const char *spec, uint32_t rights, recap_badge *badge,
                struct recap_error *error);
int remote_local(struct recap_kernel *kernel, recap_badge badge, int *fd,
                 struct recap_error *error);
int remote_adopt(struct recap_kernel *kernel, int fd, recap_badge *badge,
                 struct recap_error *error);

/* --- memory.c --------------------------------------------------------------------------------- */

int remote_regions(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                   struct recap_error *error);
int remote_read(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
                struct recap_error *error);
int remote_write(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                 struct recap_error *error);
int remote_threads(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                   struct recap_error *error);
int remote_attributes(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                      struct recap_error *error);

/* --- creation.c ------------------------------------------------------------------------------- */

/* Has core know the graph. */
int remote_push(struct remote_kernel *kernel, const struct recap_graph *graph,
                struct recap_error *error);
int remote_pd_create(struct recap_kernel *kernel, const struct recap_graph *graph,
                     const struct recap_pd_image *plan, struct recap_pd **pd,
                     struct recap_error *error);
int remote_create(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
                  recap_badge *badge, struct recap_error *error);
int remote_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
               struct recap_error *error);
int remote_map(struct recap_pd *pd, const struct recap_creation *creation,
               const struct recap_pd_image *image, int fd, struct recap_error *error);
int remote_load(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
                struct recap_error *error);
int remote_threads_set(struct recap_pd *pd, const struct recap_graph *graph,
                       const struct recap_pd_image *image, struct recap_error *error);
int remote_attributes_set(struct recap_pd *pd, const struct recap_creation *creation,
                          const struct recap_pd_image *image, struct recap_error *error);

/* A kernel over a stream that is open already; it is said hello to. Takes nothing over. */
int remote_connect(struct core_stream *stream, const char *address, struct remote_kernel **kernel,
                   struct recap_error *error);

#endif
