/* verify_memory.c: whether a PD's memory map is what the image says.
 *
 * At every address the same protection and sharing, however the kernel joins and splits mappings;
 * and the same partition into objects: regions that mapped one object map one object, regions that
 * mapped different ones do not. Pages of which the image has the content may come from the image
 * itself, so they say nothing about the object. What the kernel makes itself in every PD (regions
 * with "kernel-made" in their state) is not the component's, and not compared.
 */
#include "engine/engine.h"

#include <errno.h>
#include <stdlib.h>

struct check {
    const struct recap_pd_image *had;
    const struct recap_pd_image *has;
    uint64_t made_from; /* between these the image has all that the kernel made */
    uint64_t made_to;
    recap_badge *badges;         /* object id -> live badge, 0 while not met */
    struct recap_badge_map *ids; /* live badge -> object id */
    struct recap_refusals *differences;
    struct recap_error *error;
};

static void clear_check(struct check *check)
{
    free(check->badges);
    recap_badge_map_free(check->ids);
}

static int differ(struct check *check, uint64_t start, uint64_t end, const char *how)
{
    if (recap_refusals_say(check->differences, NULL, "memory from 0x%llx to 0x%llx %s",
                           (unsigned long long)start, (unsigned long long)end, how) < 0)
        return recap_fail(check->error, -ENOMEM, "verifying memory");
    check->differences->items[check->differences->count - 1].cls = RECAP_FAILED;
    return 0;
}

static bool is_kernel_made(const struct recap_region *region)
{
    return recap_number_or(region->state, "kernel-made", 0) != 0;
}

/* A cursor over regions that sees neighbours of equal protection and sharing as one. */
struct stretch {
    uint64_t start, end;
    uint32_t protection;
    bool shared;
};

/* Whether the region is where the image has something that the kernel made: a kernel that made it
 * otherwise may have a stand-in there. */
static bool stands_in(const struct check *check, const struct recap_region *region)
{
    if (region->start < check->made_from || region->start >= check->made_to)
        return false;
    for (size_t i = 0; i < check->had->region_count; i++)
        if (is_kernel_made(&check->had->regions[i]) &&
            region->start - check->had->regions[i].start < check->had->regions[i].length)
            return true;
    return false;
}

static void find_kernel_made(struct check *check)
{
    check->made_from = UINT64_MAX;
    for (size_t i = 0; i < check->had->region_count; i++) {
        const struct recap_region *region = &check->had->regions[i];
        if (!is_kernel_made(region))
            continue;
        if (region->start < check->made_from)
            check->made_from = region->start;
        check->made_to = region->start + region->length;
    }
}

static bool next_stretch(const struct check *check, const struct recap_pd_image *image, size_t *i,
                         struct stretch *stretch)
{
    bool found = false;
    for (; *i < image->region_count; (*i)++) {
        const struct recap_region *region = &image->regions[*i];
        if (is_kernel_made(region) || stands_in(check, region))
            continue;
        if (found && (region->start != stretch->end || region->protection != stretch->protection ||
                      region->shared != stretch->shared))
            break;
        if (!found)
            *stretch =
                (struct stretch){region->start, region->start, region->protection, region->shared};
        found = true;
        stretch->end += region->length;
    }
    return found;
}

static int compare_layout(struct check *check)
{
    size_t i = 0, j = 0;
    struct stretch want, have;
    for (;;) {
        bool more_want = next_stretch(check, check->had, &i, &want);
        bool more_have = next_stretch(check, check->has, &j, &have);
        if (!more_want && !more_have)
            return 0;
        if (!more_have)
            return differ(check, want.start, want.end, "is missing");
        if (!more_want)
            return differ(check, have.start, have.end, "is mapped and was not");
        if (want.start != have.start || want.end != have.end ||
            want.protection != have.protection || want.shared != have.shared)
            return differ(check, want.start, want.end, "is mapped otherwise than it was");
    }
}

/* The first address of a region that the image has no content for; false: there is none. */
static bool first_without_content(const struct recap_region *region, uint64_t *address)
{
    uint64_t at = region->start;
    for (size_t i = 0; i < region->range_count && region->ranges[i].start == at; i++)
        at += region->ranges[i].length;
    *address = at;
    return at - region->start < region->length;
}

static int compare_objects(struct check *check)
{
    size_t j = 0;
    int result = 0;
    for (size_t i = 0; result == 0 && i < check->had->region_count; i++) {
        const struct recap_region *had = &check->had->regions[i];
        uint64_t at;
        if (is_kernel_made(had) || !first_without_content(had, &at))
            continue;
        while (j < check->has->region_count &&
               check->has->regions[j].start + check->has->regions[j].length <= at)
            j++;
        if (j == check->has->region_count)
            return differ(check, had->start, had->start + had->length, "is missing");
        const struct recap_region *has = &check->has->regions[j];
        uint64_t met = has->object ? recap_badge_map_id(check->ids, has->object) : 0;
        recap_badge *badge = &check->badges[had->object];
        if (!had->object != !has->object || (met && met != had->object) ||
            (had->object && *badge && *badge != has->object) ||
            (had->object && had->offset + (at - had->start) != has->offset + (at - has->start)))
            result = differ(check, had->start, had->start + had->length,
                            "maps something else than it did");
        else if (had->object && !*badge) {
            *badge = has->object;
            if (recap_badge_map_add(check->ids, has->object, had->object) < 0)
                result = recap_fail(check->error, -ENOMEM, "verifying memory");
        }
    }
    return result;
}

int recap_engine_verify_memory(struct recap_pd *pd, const struct recap_graph *graph,
                               const struct recap_pd_image *image,
                               struct recap_refusals *differences, struct recap_error *error)
{
    size_t before = differences->count;
    struct recap_graph *now = recap_graph_new();
    __attribute__((cleanup(clear_check))) struct check check = {
        .had = image,
        .has = now ? recap_graph_add_pd(now) : NULL,
        .badges = calloc(graph->object_count + 1, sizeof *check.badges),
        .ids = recap_badge_map_new(),
        .differences = differences,
        .error = error};
    int result = check.has && check.badges && check.ids
                     ? pd->kernel->ops->regions(pd, now, (struct recap_pd_image *)check.has, error)
                     : recap_fail(error, -ENOMEM, "verifying memory");
    find_kernel_made(&check);
    if (result == 0)
        result = compare_layout(&check);
    if (result == 0)
        result = compare_objects(&check);
    recap_graph_free(now);
    if (result < 0 || differences->count == before)
        return result;
    if (error)
        *error = differences->items[before];
    return -ESTALE;
}
