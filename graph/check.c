/* check.c: whether a graph is one that an image may hold and a backend may see. Whoever gets a
 * graph from outside asks before anything else sees it; the writer of images asks too. */
#include "graph/graph.h"

#include <errno.h>
#include <stdlib.h>

enum { PAGE = 4096 };

#define WRONG(error, ...) recap_refuse(error, RECAP_DAMAGED, -EINVAL, __VA_ARGS__)

static int check_ranges(const struct recap_region *region, struct recap_error *error)
{
    uint64_t end = region->start;
    for (size_t i = 0; i < region->range_count; i++) {
        const struct recap_range *range = &region->ranges[i];
        if (range->start % PAGE || range->length % PAGE || !range->length || range->start < end ||
            range->start - region->start > region->length ||
            range->length > region->length - (range->start - region->start))
            return WRONG(error, "a range of pages at 0x%llx is not within its region at 0x%llx",
                         (unsigned long long)range->start, (unsigned long long)region->start);
        end = range->start + range->length;
    }
    return 0;
}

int recap_regions_check(const struct recap_pd_image *pd, struct recap_error *error)
{
    uint64_t end = 0;
    for (size_t i = 0; i < pd->region_count; i++) {
        const struct recap_region *region = &pd->regions[i];
        if (region->start % PAGE || region->length % PAGE || !region->length ||
            region->start < end || region->length > UINT64_MAX - region->start)
            return WRONG(error, "the region at 0x%llx is empty, not of whole pages or out of order",
                         (unsigned long long)region->start);
        int result = check_ranges(region, error);
        if (result < 0)
            return result;
        end = region->start + region->length;
    }
    return 0;
}

/* Puts the largest of the ids from `at` down the heap where it belongs. */
static void sift(uint64_t *ids, size_t at, size_t count)
{
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && ids[child + 1] > ids[child])
            child++;
        if (ids[at] >= ids[child])
            return;
        uint64_t larger = ids[child];
        ids[child] = ids[at];
        ids[at] = larger;
    }
}

/* In place, for core in a guest has no qsort, and never worse than n log n: the ids come from
 * outside. */
static void sort(uint64_t *ids, size_t count)
{
    for (size_t at = count / 2; at-- > 0;)
        sift(ids, at, count);
    for (size_t end = count; end-- > 1;) {
        uint64_t largest = ids[0];
        ids[0] = ids[end];
        ids[end] = largest;
        sift(ids, 0, end);
    }
}

static int check_different(uint64_t *ids, size_t count, const char *what, struct recap_error *error)
{
    sort(ids, count);
    for (size_t i = 1; i < count; i++)
        if (ids[i] == ids[i - 1])
            return WRONG(error, "two %s have the id %llu", what, (unsigned long long)ids[i]);
    return 0;
}

/* Ids are small numbers on every kernel: what would be negative is none. */
static bool is_id(uint64_t id)
{
    return id <= INT64_MAX;
}

static int check_threads(const struct recap_pd_image *pd, struct recap_error *error)
{
    uint64_t *ids = calloc(pd->thread_count + 1, sizeof *ids);
    if (!ids)
        return recap_fail(error, -ENOMEM, "checking the graph");
    int result = 0;
    for (size_t i = 0; i < pd->thread_count; i++) {
        ids[i] = pd->threads[i].id;
        if (!is_id(ids[i]))
            result = WRONG(error, "thread %zu of PD %llu has no proper id", i + 1,
                           (unsigned long long)pd->id);
    }
    if (result == 0)
        result = check_different(ids, pd->thread_count, "threads", error);
    free(ids);
    return result;
}

static int check_slots(const struct recap_graph *graph, const struct recap_pd_image *pd,
                       struct recap_error *error)
{
    for (size_t i = 0; i < pd->slot_count; i++) {
        const struct recap_slot *slot = &pd->slots[i];
        if (slot->selector == RECAP_NO_SELECTOR || (i && slot->selector <= slot[-1].selector))
            WRONG(error, "it is out of order or there twice");
        else if (!recap_graph_object(graph, slot->object))
            WRONG(error, "it holds object %llu, which does not exist",
                  (unsigned long long)slot->object);
        else
            continue;
        recap_error_at(error, slot->selector);
        return -EINVAL;
    }
    return 0;
}

static int check_pd(const struct recap_graph *graph, const struct recap_pd_image *pd,
                    struct recap_error *error)
{
    int result = check_slots(graph, pd, error);
    if (result == 0)
        result = recap_regions_check(pd, error);
    for (size_t i = 0; result == 0 && i < pd->region_count; i++)
        if (pd->regions[i].object > graph->object_count)
            result = WRONG(error, "the region at 0x%llx maps object %llu, which does not exist",
                           (unsigned long long)pd->regions[i].start,
                           (unsigned long long)pd->regions[i].object);
    return result ? result : check_threads(pd, error);
}

struct naming {
    const struct recap_graph *graph;
    uint64_t missing;
};

static int named(void *context, uint64_t object, bool tie)
{
    (void)tie;
    struct naming *naming = context;
    if (recap_graph_object(naming->graph, object))
        return 0;
    naming->missing = object;
    return -EINVAL;
}

/* Whether all objects that a tree names exist. */
static int check_state(const struct recap_graph *graph, const struct recap_value *state,
                       const char *of, uint64_t id, struct recap_error *error)
{
    struct naming naming = {.graph = graph};
    if (recap_value_objects(state, named, &naming) == 0)
        return 0;
    return WRONG(error, "%s %llu names object %llu, which does not exist", of,
                 (unsigned long long)id, (unsigned long long)naming.missing);
}

static int check_states(const struct recap_graph *graph, const struct recap_pd_image *pd,
                        struct recap_error *error)
{
    int result = check_state(graph, pd->attributes, "PD", pd->id, error);
    for (size_t i = 0; result == 0 && i < pd->region_count; i++)
        result =
            check_state(graph, pd->regions[i].state, "the region at", pd->regions[i].start, error);
    for (size_t i = 0; result == 0 && i < pd->thread_count; i++)
        result = check_state(graph, pd->threads[i].state, "thread", pd->threads[i].id, error);
    return result;
}

static int check_pds(const struct recap_graph *graph, struct recap_error *error)
{
    if (!graph->pd_count)
        return WRONG(error, "there is no PD");
    uint64_t *ids = calloc(graph->pd_count, sizeof *ids);
    if (!ids)
        return recap_fail(error, -ENOMEM, "checking the graph");
    int result = 0;
    for (size_t i = 0; result == 0 && i < graph->pd_count; i++) {
        ids[i] = graph->pds[i].id;
        result = is_id(ids[i]) ? check_pd(graph, &graph->pds[i], error)
                               : WRONG(error, "PD %zu has no proper id", i + 1);
        if (result == 0)
            result = check_states(graph, &graph->pds[i], error);
    }
    if (result == 0)
        result = check_different(ids, graph->pd_count, "PDs", error);
    free(ids);
    return result;
}

static int pass(void *context, uint64_t id)
{
    (void)context;
    (void)id;
    return 0;
}

int recap_graph_check(const struct recap_graph *graph, struct recap_error *error)
{
    int result = 0;
    if (!graph->kernel || !graph->machine || !graph->release)
        return WRONG(error, "it does not say which kernel it is of");
    for (size_t i = 0; result == 0 && i < graph->object_count; i++) {
        const struct recap_object *object = &graph->objects[i];
        if (object->id != i + 1 || !object->kind || !*object->kind)
            result = WRONG(error, "object %zu has another id or no kind", i + 1);
        else
            result = check_state(graph, object->state, "object", object->id, error);
    }
    if (result == 0)
        result = check_pds(graph, error);
    return result ? result : recap_order(graph, pass, NULL, error);
}
