/* verify.c: whether a live PD is what the graph says: selectors, rights, partition, objects. */
#include "engine/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    struct recap_kernel *kernel;
    const struct recap_kernel_ops *ops;
    struct recap_pd *pd; /* of those that are compared, the one at hand */
    const struct recap_pd_image *image;
    const struct recap_graph *graph;
    const recap_badge *known;
    struct recap_badge_map *ids; /* live badge -> object id */
    recap_badge *live;           /* object id -> live badge, 0 while not met */
    struct recap_refusals *differences;
    struct recap_error *error;
};

/* `object` (may be NULL) is what the graph has there. */
static int differ(struct check *check, recap_selector selector, const struct recap_object *object,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));

static const char *title(const struct recap_object *object)
{
    return object->label ? object->label : object->kind;
}

static int differ(struct check *check, recap_selector selector, const struct recap_object *object,
                  const char *format, ...)
{
    struct recap_error why = {
        .code = -ESTALE, .cls = RECAP_FAILED, .has_selector = true, .selector = selector};
    va_list arguments;
    va_start(arguments, format);
    int length = check->graph->pd_count == 1
                     ? 0
                     : snprintf(why.what, sizeof why.what,
                                "in PD %llu: ", (unsigned long long)check->image->id);
    vsnprintf(why.what + length, sizeof why.what - (size_t)length, format, arguments);
    va_end(arguments);
    if (object)
        recap_error_object(&why, title(object));
    return recap_refusals_add(check->differences, &why) < 0
               ? recap_fail(check->error, -ENOMEM, "verifying")
               : 0;
}

/* The object behind a slot: met before, it has to be the same; met first, it is compared. */
static int check_object(struct check *check, const struct recap_slot *slot, recap_badge badge)
{
    const struct recap_object *object = recap_graph_object(check->graph, slot->object);
    uint64_t met = recap_badge_map_id(check->ids, badge);
    if (met && met != slot->object)
        return differ(check, slot->selector, object, "shares its object with %s, and must not",
                      title(recap_graph_object(check->graph, met)));
    if (check->live[slot->object] && check->live[slot->object] != badge)
        return differ(check, slot->selector, object,
                      "refers to another object than the selectors that it shared it with");
    if (met)
        return 0;
    check->live[slot->object] = badge;
    if (recap_badge_map_add(check->ids, badge, slot->object) < 0)
        return recap_fail(check->error, -ENOMEM, "verifying");
    if (check->known && check->known[slot->object])
        return check->known[slot->object] == badge
                   ? 0
                   : differ(check, slot->selector, object,
                            "does not refer to the object made for it");
    if (object->external)
        return 0;
    struct recap_error why = {0};
    int result = check->ops->compare(check->kernel, badge, check->graph, slot->object, &why);
    if (result == -ESTALE)
        return differ(check, slot->selector, object, "%s", why.what);
    if (result < 0 && check->error)
        *check->error = why;
    return result;
}

static int check_slot(struct check *check, const struct recap_slot *slot,
                      const struct recap_cap *cap)
{
    const struct recap_object *object = recap_graph_object(check->graph, slot->object);
    char had[128], has[128];
    /* What was bound to an external one may permit more than what it stands for. */
    if (cap->rights != slot->rights &&
        (!object->external || (cap->rights & slot->rights) != slot->rights))
        return differ(check, slot->selector, object, "permits \"%s\" and not \"%s\"",
                      recap_rights_text(cap->rights, has, sizeof has),
                      recap_rights_text(slot->rights, had, sizeof had));
    if (cap->slot_flags != slot->flags || cap->references != slot->references)
        return differ(check, slot->selector, object, "its slot flags or references differ");
    return check_object(check, slot, cap->badge);
}

static int missing(struct check *check, const struct recap_slot *slot)
{
    return differ(check, slot->selector, recap_graph_object(check->graph, slot->object),
                  "is missing");
}

/* Both sides ascend: what only one of them has is found in passing. */
static int compare_space(struct check *check)
{
    const struct recap_pd_image *image = check->image;
    recap_selector selector = 0;
    size_t i = 0;
    int result = 0;
    while (result == 0 && selector != RECAP_NO_SELECTOR) {
        struct recap_cap cap;
        recap_selector next;
        result = check->ops->request(check->pd, selector, &cap, &next, check->error);
        if (result < 0)
            return result;
        for (; result == 0 && i < image->slot_count && image->slots[i].selector < selector; i++)
            result = missing(check, &image->slots[i]);
        bool expected = i < image->slot_count && image->slots[i].selector == selector;
        if (result == 0 && expected && cap.badge)
            result = check_slot(check, &image->slots[i++], &cap);
        else if (result == 0 && !expected && cap.badge)
            result = differ(check, selector, NULL, "is in use (%s) and was not", cap.kind);
        selector = next;
    }
    for (; result == 0 && i < image->slot_count; i++)
        result = missing(check, &image->slots[i]);
    return result;
}

static int conclude(const struct recap_refusals *differences, size_t before,
                    struct recap_error *error)
{
    if (differences->count == before)
        return 0;
    if (error)
        *error = differences->items[before];
    return -ESTALE;
}

int recap_engine_verify(struct recap_kernel *kernel, struct recap_pd *const *pds,
                        const struct recap_graph *graph, const recap_badge *known,
                        struct recap_refusals *differences, struct recap_error *error)
{
    size_t before = differences->count;
    struct check check = {.kernel = kernel,
                          .ops = kernel->ops,
                          .graph = graph,
                          .known = known,
                          .ids = recap_badge_map_new(),
                          .live = calloc(graph->object_count + 1, sizeof *check.live),
                          .differences = differences,
                          .error = error};
    int result = check.ids && check.live ? 0 : recap_fail(error, -ENOMEM, "verifying");
    for (size_t i = 0; result == 0 && i < graph->pd_count; i++) {
        check.pd = pds[i];
        check.image = &graph->pds[i];
        if (check.pd)
            result = compare_space(&check);
    }
    recap_badge_map_free(check.ids);
    free(check.live);
    return result ? result : conclude(differences, before, error);
}
