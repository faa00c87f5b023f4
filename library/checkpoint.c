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

/* The place of a PD in the image: that of its id, or graph->pd_count. */
static size_t place_of(const struct recap_graph *graph, uint64_t id)
{
    size_t i = 0;
    while (i < graph->pd_count && graph->pds[i].id != id)
        i++;
    return i;
}

static bool is_twice(const uint64_t *ids, size_t i)
{
    size_t first = 0;
    while (ids[first] != ids[i])
        first++;
    return first < i;
}

/* Opens each PD at its place. Ids differ in another PID namespace: then it is their order. */
static int open_places(struct recap_kernel *kernel, const struct recap_graph *graph,
                       const uint64_t *ids, size_t count, struct restored *opened,
                       struct recap_error *error)
{
    bool by_id = true;
    for (size_t i = 0; i < count; i++)
        by_id = by_id && place_of(graph, ids[i]) < graph->pd_count;
    if (!by_id && count != graph->pd_count)
        return recap_refuse(error, RECAP_USAGE, -EINVAL,
                            "the image holds %zu PDs, and %zu are to be compared with it",
                            graph->pd_count, count);
    for (size_t i = 0; i < count; i++) {
        size_t place = by_id ? place_of(graph, ids[i]) : i;
        if (is_twice(ids, i))
            return recap_refuse(error, RECAP_USAGE, -EINVAL, "PD %llu is named twice",
                                (unsigned long long)ids[i]);
        int result = kernel->ops->pd_open(kernel, ids[i], &opened->pds[place], error);
        if (result < 0)
            return result;
    }
    return 0;
}

int recap_verify(struct recap_kernel *kernel, const char *path, const uint64_t *ids, size_t count,
                 struct recap_refusals *differences, struct recap_error *error)
{
    __attribute__((cleanup(close_image))) struct recap_image *image = NULL;
    int result = recap_image_open(path, &image, error);
    if (result < 0)
        return result;
    const struct recap_graph *graph = recap_image_graph(image);
    __attribute__((cleanup(close_restored))) struct restored opened = {.count = graph->pd_count};
    opened.pds = calloc(opened.count + 1, sizeof(struct recap_pd *));
    if (!opened.pds)
        return recap_fail(error, -ENOMEM, "verifying");
    result = open_places(kernel, graph, ids, count, &opened, error);
    if (result < 0)
        return result;
    return recap_engine_verify(kernel, opened.pds, graph, NULL, differences, error);
}
