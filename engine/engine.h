/* engine.h: checkpoint, restore and verify, over any kernel that implements kernel.h. */
#ifndef RECAP_ENGINE_ENGINE_H
#define RECAP_ENGINE_ENGINE_H

#include "graph/badge_map.h"
#include "image/image.h"
#include "kernel/kernel.h"
#include <recap/checkpoint.h>

/* --- wanted.c: whether the caller still wants what is being done --------------------------------
 */

/* Has the backend ask `progress` whenever it waits for something, up to the end of the call. */
void recap_wanted_begin(struct recap_kernel *kernel, const struct recap_progress *progress);
void recap_wanted_end(struct recap_kernel *kernel);

/* --- walk.c: from capability spaces to the graph ------------------------------------------------
 */

struct recap_walk {
    struct recap_kernel *kernel;
    struct recap_graph *graph;
    struct recap_badge_map *map;
    recap_badge *badges; /* badges[id]; grows with the graph's objects */
    size_t badge_capacity;
    size_t described; /* objects 1 to this one have been described */
    bool running;     /* the PDs run: an object that is gone by now is no failure */
};

/* Ready for a graph that has no objects yet. */
void recap_walk_init(struct recap_walk *walk, struct recap_kernel *kernel,
                     struct recap_graph *graph);
/* Frees what the walk holds, not the graph. */
void recap_walk_clear(struct recap_walk *walk);
/* The graph object of `badge`, entered if it is new; 0 when out of memory (sticky in the arena). */
uint64_t recap_walk_enter(struct recap_walk *walk, recap_badge badge);
/* Requests every selector of `pd` and enters it in `image`. */
int recap_walk_slots(struct recap_walk *walk, struct recap_pd *pd, struct recap_pd_image *image,
                     struct recap_error *error);
/* Replaces the badges of the regions of `image` by objects. */
int recap_walk_regions(struct recap_walk *walk, struct recap_pd_image *image,
                       struct recap_error *error);
/* The same of what its attributes name. Out of memory shows when objects are described. */
void recap_walk_attributes(struct recap_walk *walk, struct recap_pd_image *image);
/* A selector that will be bound at restore. */
struct recap_promise {
    size_t pd; /* index into graph->pds; SIZE_MAX: any PD */
    recap_selector selector;
};

/* Describes every object that was not yet, and those that they name in turn. An object that
 * cannot be restored is added to `refusals` (all of them are found), unless one of `promises`
 * selects it: then it is external. So is one that lives outside and has no binding of its own. */
int recap_walk_objects(struct recap_walk *walk, const struct recap_promise *promises, size_t count,
                       struct recap_refusals *refusals, struct recap_error *error);

/* Checkpoints `count` PDs into one new image. Without leave_running they are destroyed once the
 * image is whole; on every failure they run on, but for one of ending them (end.c). A dry run finds
 * what would be refused and stops nothing. With refusals found: -EOPNOTSUPP, class
 * RECAP_UNSUPPORTED. `result` may be NULL. */
int recap_engine_checkpoint(struct recap_kernel *kernel, const uint64_t *ids, size_t count,
                            const struct recap_checkpoint_options *options,
                            struct recap_refusals *refusals, struct recap_checkpoint_result *result,
                            struct recap_error *error);

/* end.c: ends PDs whose image was committed to `path`, after a reader has taken it. When it has
 * not, or when one cannot be ended and none has been, they go on and the image is withdrawn; else
 * the others are ended too, and `error` says what became of them. */
int recap_end_pds(struct recap_pd *const *pds, size_t count, struct recap_image_writer *writer,
                  const char *path, struct recap_error *error);

/* Builds the PDs of an opened image, verifies them and leaves them stopped in `pds` (as many as
 * graph->pd_count; the caller resumes and closes them, or just closes them: they are gone then).
 * `refusals` gets every external object that has no binding (class RECAP_UNSUPPORTED), or every
 * difference that the verification found. */
int recap_engine_restore(struct recap_kernel *kernel, struct recap_image *image,
                         const struct recap_restore_options *options, struct recap_pd **pds,
                         struct recap_refusals *refusals, struct recap_error *error);

/* Compares the capability spaces of live PDs with the graph: selectors, rights, slot flags,
 * partition into objects within and between PDs, and each object by kernel compare. `pds` has one
 * for each of graph->pds; NULL is not compared. `known` (may be NULL): known[id] is the badge that
 * object has to have, where it is not 0. Every difference is a refusal in `differences`; 0 when
 * there is none, -ESTALE when there are. */
int recap_engine_verify(struct recap_kernel *kernel, struct recap_pd *const *pds,
                        const struct recap_graph *graph, const recap_badge *known,
                        struct recap_refusals *differences, struct recap_error *error);
/* Compares the memory map of a suspended PD with the image: the same protection and sharing at
 * every address, the same partition into mapped objects. As above. */
int recap_engine_verify_memory(struct recap_pd *pd, const struct recap_graph *graph,
                               const struct recap_pd_image *image,
                               struct recap_refusals *differences, struct recap_error *error);

#endif
