/* walk.c: from the capability spaces of PDs to the capability graph. */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void recap_walk_init(struct recap_walk *walk, struct recap_kernel *kernel,
                     struct recap_graph *graph)
{
    *walk = (struct recap_walk){.kernel = kernel, .graph = graph, .map = recap_badge_map_new()};
}

void recap_walk_clear(struct recap_walk *walk)
{
    recap_badge_map_free(walk->map);
    free(walk->badges);
    *walk = (struct recap_walk){0};
}

uint64_t recap_walk_enter(struct recap_walk *walk, recap_badge badge)
{
    if (!badge || !walk->map)
        return 0;
    uint64_t id = recap_badge_map_id(walk->map, badge);
    if (id)
        return id;
    size_t needed = walk->graph->object_count + 2; /* badges[0] is unused */
    if (needed > walk->badge_capacity) {
        size_t capacity = needed < 64 ? 64 : needed * 2;
        recap_badge *badges = reallocarray(walk->badges, capacity, sizeof *badges);
        if (!badges)
            return 0;
        walk->badges = badges;
        walk->badge_capacity = capacity;
    }
    struct recap_object *object = recap_graph_add_object(walk->graph);
    if (!object || recap_badge_map_add(walk->map, badge, object->id) < 0)
        return 0;
    walk->badges[object->id] = badge;
    return object->id;
}

static int out_of_memory(struct recap_error *error)
{
    return recap_fail(error, -ENOMEM, "building the capability graph");
}

int recap_walk_slots(struct recap_walk *walk, struct recap_pd *pd, struct recap_pd_image *image,
                     struct recap_error *error)
{
    recap_selector selector = 0;
    do {
        struct recap_cap cap;
        recap_selector next;
        int result = walk->kernel->ops->request(pd, selector, &cap, &next, error);
        if (result < 0)
            return result;
        if (cap.badge) {
            uint64_t id = recap_walk_enter(walk, cap.badge);
            struct recap_slot *slot = id ? recap_graph_add_slot(walk->graph, image) : NULL;
            if (!slot)
                return out_of_memory(error);
            *slot = (struct recap_slot){.selector = selector,
                                        .object = id,
                                        .rights = cap.rights,
                                        .flags = cap.slot_flags,
                                        .references = cap.references};
            walk->graph->objects[id - 1].kind = cap.kind;
        }
        selector = next;
    } while (selector != RECAP_NO_SELECTOR);
    return 0;
}

int recap_walk_regions(struct recap_walk *walk, struct recap_pd_image *image,
                       struct recap_error *error)
{
    for (size_t i = 0; i < image->region_count; i++) {
        struct recap_region *region = &image->regions[i];
        if (region->object && !(region->object = recap_walk_enter(walk, region->object)))
            return out_of_memory(error);
    }
    return 0;
}

static uint64_t enter_named(void *context, uint64_t badge)
{
    return recap_walk_enter(context, badge);
}

void recap_walk_attributes(struct recap_walk *walk, struct recap_pd_image *image)
{
    recap_value_translate(image->attributes, enter_named, walk);
}

/* The first selector that holds each object, so that what is said of an object names it. */
struct holder {
    bool held;
    recap_selector selector;
};

static struct holder *holders(const struct recap_graph *graph)
{
    struct holder *first = calloc(graph->object_count + 1, sizeof *first);
    for (size_t p = 0; first && p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].slot_count; i++) {
            const struct recap_slot *slot = &graph->pds[p].slots[i];
            if (!first[slot->object].held)
                first[slot->object] = (struct holder){true, slot->selector};
        }
    return first;
}

/* Whether the caller promised a binding for one of the selectors that hold the object. */
static bool promised(const struct recap_graph *graph, uint64_t id,
                     const struct recap_promise *promises, size_t count)
{
    for (size_t e = 0; e < count; e++)
        for (size_t p = 0; p < graph->pd_count; p++) {
            const struct recap_slot *slot =
                promises[e].pd == SIZE_MAX || promises[e].pd == p
                    ? recap_graph_slot(&graph->pds[p], promises[e].selector)
                    : NULL;
            if (slot && slot->object == id)
                return true;
        }
    return false;
}

/* Makes of an object that cannot be described one that has to be bound. */
static void make_external(struct recap_walk *walk, uint64_t id)
{
    struct recap_object *object = recap_graph_object(walk->graph, id);
    object->external = true;
    object->content = 0;
    object->state = recap_record(walk->graph->arena);
    if (!object->label)
        walk->kernel->ops->label(walk->kernel, walk->badges[id], walk->graph->arena, &object->label,
                                 NULL);
}

/* Says of an error which selector it is about and what sits there. */
static void place_error(struct recap_error *error, const struct recap_object *object,
                        struct holder holder)
{
    recap_error_object(error, object->label ? object->label : object->kind);
    if (holder.held)
        recap_error_at(error, holder.selector);
}

static int refuse(struct recap_refusals *refusals, struct recap_error *why,
                  const struct recap_object *object, struct holder holder,
                  struct recap_error *error)
{
    place_error(why, object, holder);
    return recap_refusals_add(refusals, why) < 0 ? out_of_memory(error) : 0;
}

static int refuse_unbound(struct recap_refusals *refusals, const struct recap_object *object,
                          struct holder holder, struct recap_error *error)
{
    struct recap_error why;
    recap_refuse(&why, RECAP_UNSUPPORTED, -EOPNOTSUPP, "it lives outside of what is checkpointed");
    if (holder.held)
        recap_error_remedy(
            &why, "checkpoint with --external %llu and restore with --bind %llu=OBJECT",
            (unsigned long long)holder.selector, (unsigned long long)holder.selector);
    return refuse(refusals, &why, object, holder, error);
}

static int describe_one(struct recap_walk *walk, uint64_t id, struct holder holder, bool promise,
                        struct recap_refusals *refusals, struct recap_error *error)
{
    struct recap_error why = {0};
    struct recap_object object = *recap_graph_object(walk->graph, id);
    int result = walk->kernel->ops->describe(walk->kernel, walk->badges[id], walk->graph->arena,
                                             &object, &why);
    *recap_graph_object(walk->graph, id) = object;
    if (result == -EOPNOTSUPP && promise) {
        make_external(walk, id);
        return 0;
    }
    if (result == -ESTALE && walk->running)
        return 0;
    if (result == -EOPNOTSUPP) {
        result = refuse(refusals, &why, &object, holder, error);
    } else if (result < 0) {
        place_error(&why, &object, holder);
        if (error)
            *error = why;
    } else {
        /* Entering what it names may move the array of objects, but not the tree. */
        recap_value_translate(object.state, enter_named, walk);
        if (object.external && !promise && !recap_text_or_null(object.state, "binding"))
            result = refuse_unbound(refusals, &object, holder, error);
    }
    return result;
}

int recap_walk_objects(struct recap_walk *walk, const struct recap_promise *promises, size_t count,
                       struct recap_refusals *refusals, struct recap_error *error)
{
    struct recap_graph *graph = walk->graph;
    size_t held = graph->object_count; /* those found from here on are held by no selector */
    struct holder *first = holders(graph);
    if (!first)
        return out_of_memory(error);
    int result = 0;
    while (result == 0 && walk->described < graph->object_count) {
        uint64_t id = ++walk->described;
        result = describe_one(walk, id, id <= held ? first[id] : (struct holder){0},
                              count && promised(graph, id, promises, count), refusals, error);
    }
    free(first);
    if (result == 0 && recap_arena_failed(graph->arena))
        return out_of_memory(error);
    return result;
}
