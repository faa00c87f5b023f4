/* checkpoint.c: the public checkpoint, restore and verify over the engine. */
#include <recap/checkpoint.h>

#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>

int recap_checkpoint(struct recap_kernel *kernel, const uint64_t *ids, size_t count,
                     const struct recap_checkpoint_options *options,
                     struct recap_refusals *refusals, struct recap_checkpoint_result *result,
                     struct recap_error *error)
{
    return recap_engine_checkpoint(kernel, ids, count, options, refusals, result, error);
}

static void close_image(struct recap_image **image)
{
    recap_image_close(*image);
}

struct restored {
    struct recap_pd **pds;
    size_t count;
};

static void close_restored(struct restored *restored)
{
    for (size_t i = 0; restored->pds && i < restored->count; i++)
        recap_pd_close(restored->pds[i]);
    free(restored->pds);
}

int recap_restore(struct recap_kernel *kernel, const char *path,
                  const struct recap_restore_options *options, struct recap_pd ***pds,
                  size_t *count, struct recap_refusals *refusals, struct recap_error *error)
{
    __attribute__((cleanup(close_image))) struct recap_image *image = NULL;
    int result = recap_image_open(path, &image, error);
    if (result < 0)
        return result;
    __attribute__((cleanup(close_restored))) struct restored restored = {
        .count = recap_image_graph(image)->pd_count};
    restored.pds = calloc(restored.count, sizeof *restored.pds);
    if (!restored.pds)
        return recap_fail(error, -ENOMEM, "restoring");
    result = recap_engine_restore(kernel, image, options, restored.pds, refusals, error);
    for (size_t i = 0; result == 0 && i < restored.count; i++) {
        result = kernel->ops->resume(restored.pds[i], error);
        /* What runs already is not left behind by a failure. */
        for (size_t j = 0; result < 0 && j < i; j++)
            kernel->ops->destroy(restored.pds[j], NULL);
    }
    if (result < 0)
        return result;
    *pds = restored.pds;
    *count = restored.count;
    restored = (struct restored){0};
    return 0;
}

uint64_t recap_pd_id(const struct recap_pd *pd)
{
    return pd->id;
}

/* The PD of the image that has this id, or the first: the id differs in another PID namespace. */
static const struct recap_pd_image *plan_of(const struct recap_graph *graph, uint64_t id)
{
    for (size_t i = 0; i < graph->pd_count; i++)
        if (graph->pds[i].id == id)
            return &graph->pds[i];
    return &graph->pds[0];
}

int recap_verify(struct recap_kernel *kernel, const char *path, uint64_t id,
                 struct recap_refusals *differences, struct recap_error *error)
{
    __attribute__((cleanup(close_image))) struct recap_image *image = NULL;
    int result = recap_image_open(path, &image, error);
    if (result < 0)
        return result;
    const struct recap_graph *graph = recap_image_graph(image);
    if (!graph->pd_count)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the image holds no process");
    struct recap_pd *pd;
    result = kernel->ops->pd_open(kernel, id, &pd, error);
    if (result < 0)
        return result;
    result = recap_engine_verify(pd, graph, plan_of(graph, id), NULL, differences, error);
    recap_pd_close(pd);
    return result;
}
