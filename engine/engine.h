/* engine.h: checkpoint, restore and verify, over any kernel that implements kernel.h. */
#ifndef RECAP_ENGINE_ENGINE_H
#define RECAP_ENGINE_ENGINE_H

#include "image/image.h"
#include "kernel/kernel.h"

/* Long work says how far it is: `done` of `total` bytes or items of `phase`. */
struct recap_progress {
    void (*report)(void *context, const char *phase, uint64_t done, uint64_t total);
    void *context;
};

struct recap_binding {
    recap_selector selector;
    const char *spec; /* OBJECT as in recap_kernel_ops.bind */
};

/* walk.c: enters every slot of a PD in the graph, and each new badge as an object. With
 * `refusals`, an object that cannot be described is added there (all of them are found), else it
 * is an error. `badges` maps object ids to badges. */
struct recap_badge_map;
struct recap_badge_map *recap_badge_map_new(void);
void recap_badge_map_free(struct recap_badge_map *map);
/* The id that `badge` has in the graph; 0: none yet. */
uint64_t recap_badge_map_id(const struct recap_badge_map *map, recap_badge badge);
recap_badge recap_badge_map_badge(const struct recap_badge_map *map, uint64_t id);
int recap_walk(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
               struct recap_badge_map *badges, bool describe, struct recap_refusals *refusals,
               struct recap_error *error);

struct recap_checkpoint_result {
    uint64_t pause_ns; /* between suspend and resume, as the caller's clock has it */
    uint64_t bytes;    /* of memory written */
    size_t selectors, objects, threads, regions;
};

/* Checkpoints `count` PDs into a new image at `path` (NULL: only find what would be refused, stop
 * nothing). `leave_running`: resume them; otherwise they are destroyed once the image is whole.
 * With refusals found: -EOPNOTSUPP, class RECAP_UNSUPPORTED, nothing was stopped. */
int recap_engine_checkpoint(struct recap_kernel *kernel, const uint64_t *ids, size_t count,
                            const char *path, bool leave_running,
                            const struct recap_progress *progress,
                            struct recap_refusals *refusals,
                            struct recap_checkpoint_result *result, struct recap_error *error);

/* Builds the PDs of an opened image, verifies them and leaves them stopped in `pds` (as many as
 * graph->pd_count; the caller resumes and closes them, or just closes them: they are gone then). */
int recap_engine_restore(struct recap_kernel *kernel, struct recap_image *image,
                         const struct recap_binding *bindings, size_t binding_count, bool lazy,
                         const struct recap_progress *progress, struct recap_pd **pds,
                         struct recap_error *error);

/* Compares the capability space of a live PD with the graph: selectors, rights, slot flags,
 * partition into objects, and each object by kernel compare. `bound` (may be NULL): badges[id] for
 * external objects. Every difference is a refusal in `differences`; 0 when there is none, -ESTALE
 * when there are. */
int recap_engine_verify(struct recap_pd *pd, const struct recap_graph *graph,
                        const struct recap_pd_image *image, const recap_badge *bound,
                        struct recap_refusals *differences, struct recap_error *error);

#endif
