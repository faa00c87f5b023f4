/* graph.c: building and looking up the capability graph. */
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct recap_graph *recap_graph_new(void)
{
    static unsigned long made;
    struct recap_graph *graph = calloc(1, sizeof *graph);
    if (graph && !(graph->arena = recap_arena_new())) {
        free(graph);
        return NULL;
    }
    if (graph)
        graph->serial = __atomic_add_fetch(&made, 1, __ATOMIC_RELAXED);
    return graph;
}

void recap_graph_free(struct recap_graph *graph)
{
    if (!graph)
        return;
    recap_arena_free(graph->arena);
    free(graph);
}

struct recap_object *recap_graph_object(const struct recap_graph *graph, uint64_t id)
{
    return id && id <= graph->object_count ? &graph->objects[id - 1] : NULL;
}

struct recap_slot *recap_graph_slot(const struct recap_pd_image *pd, recap_selector selector)
{
    size_t low = 0, high = pd->slot_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pd->slots[middle].selector == selector)
            return &pd->slots[middle];
        if (pd->slots[middle].selector < selector)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* Room for one more of `size` bytes at the end of `array`. The capacity is not stored: it is the
 * next power of two, so the array moves exactly when its count is one. */
static void *grow(struct recap_arena *arena, void **array, size_t *count, size_t size)
{
    if ((*count & (*count - 1)) == 0) {
        size_t capacity = *count ? *count * 2 : 1;
        void *moved = capacity > SIZE_MAX / size ? NULL : recap_arena_alloc(arena, capacity * size);
        if (!moved)
            return NULL;
        if (*count)
            memcpy(moved, *array, *count * size);
        *array = moved;
    }
    return (char *)*array + (*count)++ * size;
}

struct recap_object *recap_graph_add_object(struct recap_graph *graph)
{
    void *array = graph->objects;
    struct recap_object *object =
        grow(graph->arena, &array, &graph->object_count, sizeof *graph->objects);
    graph->objects = array;
    if (object)
        object->id = graph->object_count;
    return object;
}

struct recap_slot *recap_graph_add_slot(struct recap_graph *graph, struct recap_pd_image *pd)
{
    void *array = pd->slots;
    struct recap_slot *slot = grow(graph->arena, &array, &pd->slot_count, sizeof *pd->slots);
    pd->slots = array;
    return slot;
}

struct recap_region *recap_graph_add_region(struct recap_graph *graph, struct recap_pd_image *pd)
{
    void *array = pd->regions;
    struct recap_region *region =
        grow(graph->arena, &array, &pd->region_count, sizeof *pd->regions);
    pd->regions = array;
    return region;
}

struct recap_thread *recap_graph_add_thread(struct recap_graph *graph, struct recap_pd_image *pd)
{
    void *array = pd->threads;
    struct recap_thread *thread =
        grow(graph->arena, &array, &pd->thread_count, sizeof *pd->threads);
    pd->threads = array;
    return thread;
}

struct recap_pd_image *recap_graph_add_pd(struct recap_graph *graph)
{
    void *array = graph->pds;
    struct recap_pd_image *pd = grow(graph->arena, &array, &graph->pd_count, sizeof *graph->pds);
    graph->pds = array;
    return pd;
}

const char *recap_rights_text(uint32_t rights, char *buffer, size_t size)
{
    static const char *const names[] = {"read",      "write",    "path",      "send",   "receive",
                                        "send-once", "port-set", "dead-name", "delete", "special"};
    size_t used = 0;
    if (size)
        buffer[0] = '\0';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(rights & (1u << i)) || used >= size)
            continue;
        int n = snprintf(buffer + used, size - used, "%s%s", used ? " " : "", names[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return buffer;
}
