/* kernel.h: the one interface that a kernel backend implements, and nothing else.
 *
 * The engine, the commands and the RPC server see a kernel only through this table; they cannot
 * tell Linux from a microkernel at the end of a serial line. A backend embeds `struct
 * recap_kernel` and `struct recap_pd` at the start of its own structs. How it is opened, and what
 * only it can be asked, is in a header of the backend's own.
 *
 * All functions return 0 (or what is said) or a negative errno with `error` filled (error may be
 * NULL), leave their outputs untouched on failure, never print and never exit. A badge stays valid
 * until the kernel is closed.
 */
#ifndef RECAP_KERNEL_KERNEL_H
#define RECAP_KERNEL_KERNEL_H

#include "graph/graph.h"
#include <recap/capability.h>
#include <recap/error.h>
#include <sys/types.h>

struct recap_kernel_ops;

struct recap_kernel {
    const struct recap_kernel_ops *ops;
    /* Asked while a backend waits for something: whether to go on. False: it ends the wait with
     * -EINTR. NULL: nobody is asked. The engine sets it for the length of a call. */
    bool (*wanted)(void *context);
    void *wanted_context;
};

struct recap_pd {
    struct recap_kernel *kernel;
    uint64_t id; /* as the caller knows it */
};

/* What a backend needs to build objects of a graph anew. */
struct recap_creation {
    const struct recap_graph *graph;
    /* The made PDs, in the order of graph->pds: they have their ids and nothing else at first. */
    struct recap_pd *const *pds;
    /* badges[id] is the new badge of graph object `id`, 0 while it does not exist yet. */
    recap_badge *badges;
    /* Reads content kept with the image of object `id`: returns the bytes read, 0 at the end, or a
     * negative errno. */
    ssize_t (*content)(void *context, uint64_t id, uint64_t offset, void *buffer, size_t size);
    void *context;
};

/* A backend has all of these but those that say "May be NULL", and what holds then. Those are
 * called through defaults.h, which makes it so. */
struct recap_kernel_ops {
    const char *name;    /* "linux" */
    const char *machine; /* "x86_64" */

    /* May be NULL: the kernel lasts as long as the program. */
    void (*close)(struct recap_kernel *kernel);
    /* The kernel's own version, for the graph. */
    const char *(*release)(struct recap_kernel *kernel);

    /* --- PDs ------------------------------------------------------------------------------- */

    /* The ids of all PDs that the caller may open, in an array that the caller frees. */
    int (*list)(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                struct recap_error *error);
    /* What the PD is called, NUL-terminated and cut off to `size`: for people only. */
    int (*pd_name)(struct recap_kernel *kernel, uint64_t id, char *name, size_t size,
                   struct recap_error *error);
    /* Opens a live PD for everything below, without stopping it. */
    int (*pd_open)(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                   struct recap_error *error);
    /* Makes an empty, stopped PD that is to become `plan`: with its id and thread ids, no
     * capability and no memory. It dies with the caller until it is released. */
    int (*pd_create)(struct recap_kernel *kernel, const struct recap_graph *graph,
                     const struct recap_pd_image *plan, struct recap_pd **pd,
                     struct recap_error *error);
    /* Finds, without stopping the PD, everything about it (not its objects) that cannot be
     * checkpointed: children, foreign memory, filters. Returns 0 also when it found some. What is
     * read of a running PD may not belong together: a suspended one can be examined as well. */
    int (*examine)(struct recap_pd *pd, struct recap_refusals *refusals, struct recap_error *error);
    /* Stops all threads. While suspended, nothing of the PD changes but by the functions below.
     * -EAGAIN: it runs on, and is not the program any more that was examined; the next call stops
     * it. */
    int (*suspend)(struct recap_pd *pd, struct recap_error *error);
    /* Lets an opened PD go on as if nothing had happened, or starts a created one. */
    int (*resume)(struct recap_pd *pd, struct recap_error *error);
    /* Ends the component: it never runs another instruction. */
    int (*destroy)(struct recap_pd *pd, struct recap_error *error);
    /* Forgets the PD: an opened one is resumed if it is suspended, a created one that was never
     * resumed is destroyed. Accepts NULL. */
    void (*pd_close)(struct recap_pd *pd);

    /* --- Native PD ------------------------------------------------------------------------- */

    /* The capability at `selector` (badge 0 if unused) and in `next` the next used selector above
     * it, RECAP_NO_SELECTOR at the end. Starting with selector 0, a walk costs per used selector.
     * `cap` and `next` may each be NULL. */
    int (*request)(struct recap_pd *pd, recap_selector selector, struct recap_cap *cap,
                   recap_selector *next, struct recap_error *error);
    /* Places the object `badge` at exactly `selector`, free or occupied (the old capability is
     * closed). Of `cap`, badge, rights, slot_flags and references count. Suspends and resumes the
     * PD itself when it is running. */
    int (*install)(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                   struct recap_error *error);
    /* The same for many; `selectors` ascend. May be NULL: they are installed one by one. */
    int (*install_many)(struct recap_pd *pd, const recap_selector *selectors,
                        const struct recap_cap *caps, size_t count, struct recap_error *error);
    int (*remove)(struct recap_pd *pd, recap_selector selector, struct recap_error *error);

    /* --- objects --------------------------------------------------------------------------- */

    /* Fills kind, label, external, state and content (the number of bytes) of `object`. Objects
     * that it names are RECAP_OBJECT values holding badges, also of objects that no selector holds
     * (the pipe behind two pipe ends, a mapped file): the caller describes those in turn.
     * -EOPNOTSUPP, class RECAP_UNSUPPORTED: this object cannot be restored (what and why in
     * `error`, and the binding that would pass as remedy). An object that lives outside is no
     * error: external is set. -ESTALE: its last selector was closed since the request, which only
     * happens to a PD that runs. */
    int (*describe)(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error);
    /* A short label for people only (recap caps), also of kinds that describe refuses. */
    int (*label)(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                 const char **label, struct recap_error *error);
    /* Reads content of a described object while its PDs are suspended. Returns bytes, 0 at the end.
     * May be NULL: no object has content beside its state. */
    ssize_t (*content)(struct recap_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error);
    /* Builds the object `id` of creation->graph. All objects that it names exist, except below
     * "ties". */
    int (*create)(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
                  recap_badge *badge, struct recap_error *error);
    /* Makes the ties of object `id`, after every object exists and every capability is installed.
     * `pd` is a PD that holds it. May be NULL: no object has ties, and an image with some is
     * damaged. */
    int (*tie)(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
               struct recap_error *error);
    /* Whether the live object `badge` corresponds to object `id` of the graph: 0, or -ESTALE with
     * what differs in `error`. Compares identity, not state that moves on. */
    int (*compare)(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                   uint64_t id, struct recap_error *error);
    /* The object that `spec` names: path:FILE[,mode], fd:N, pid:PID:SEL, unix:PATH,
     * tcp:HOST:PORT, hangup, null. `rights` (0: the kernel's choice) are those that are wanted. */
    int (*bind)(struct recap_kernel *kernel, const char *spec, uint32_t rights, recap_badge *badge,
                struct recap_error *error);
    /* A descriptor of the calling process for the object (the caller closes it), where the kernel
     * is the caller's own. May be NULL: refused with -EOPNOTSUPP. */
    int (*local)(struct recap_kernel *kernel, recap_badge badge, int *fd,
                 struct recap_error *error);
    /* The badge of what a descriptor of the calling process refers to. May be NULL as well:
     * refused. */
    int (*adopt)(struct recap_kernel *kernel, int fd, recap_badge *badge,
                 struct recap_error *error);

    /* --- memory (of a suspended PD) --------------------------------------------------------- */

    /* Adds every region to `image`, ranges included; region.object is a badge. */
    int (*regions)(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                   struct recap_error *error);
    /* All of `size` bytes or an error. */
    int (*read)(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
                struct recap_error *error);
    int (*write)(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                 struct recap_error *error);
    /* Maps all regions of `image` in a created PD. `fd` >= 0: the core file, to map private
     * content from (pages come in when touched); -1: anonymous memory to be filled. */
    int (*map)(struct recap_pd *pd, const struct recap_creation *creation,
               const struct recap_pd_image *image, int fd, struct recap_error *error);
    /* Fills all ranges of `image` from the core file `fd`. May be NULL: what is read from the file
     * is written by `write`. */
    int (*load)(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
                struct recap_error *error);

    /* --- threads and the rest (of a suspended PD) -------------------------------------------- */

    /* Adds every thread to `image`. */
    int (*threads)(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                   struct recap_error *error);
    /* Makes every thread of `image` in a created PD; they stay stopped until resume. */
    int (*threads_set)(struct recap_pd *pd, const struct recap_graph *graph,
                       const struct recap_pd_image *image, struct recap_error *error);
    /* Fills image->name and image->attributes, which may name objects by their badges as states of
     * objects do, and corrects image->id to what the component itself
     * knows it by. */
    int (*attributes)(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                      struct recap_error *error);
    /* Sets them, the last that need rights first; after this the PD has no more rights than the
     * checkpointed one had. */
    int (*attributes_set)(struct recap_pd *pd, const struct recap_creation *creation,
                          const struct recap_pd_image *image, struct recap_error *error);
};

#endif
