/* examine.c: what a running process maps that could not be restored. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/objects/outside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An object that regions map, with the first region that does. */
struct mapped_object {
    recap_badge badge;
    const struct recap_region *region;
    struct linux_mapped *mapped;
    bool nameless; /* found by nobody who does not have it */
};

struct examination {
    struct linux_pd *pd;
    struct recap_graph *graph;
    struct recap_pd_image *image;
    struct mapped_object *objects;
    size_t object_count;
    struct recap_refusals *refusals;
    struct recap_error *error;
};

static void clear_examination(struct examination *examination)
{
    free(examination->objects);
    recap_graph_free(examination->graph);
}

static int out_of_memory(struct examination *examination)
{
    return recap_fail(examination->error, -ENOMEM, "examining the memory of PID %lld",
                      (long long)examination->pd->base.id);
}

static bool is_removed(const char *path)
{
    static const char suffix[] = " (deleted)";
    size_t length = strlen(path), tail = sizeof suffix - 1;
    return length > tail && strcmp(path + length - tail, suffix) == 0;
}

static int collect_objects(struct examination *examination)
{
    const struct recap_pd_image *image = examination->image;
    examination->objects = calloc(image->region_count + 1, sizeof *examination->objects);
    if (!examination->objects)
        return out_of_memory(examination);
    for (size_t i = 0; i < image->region_count; i++) {
        const struct recap_region *region = &image->regions[i];
        struct linux_mapped *mapped =
            region->object ? linux_mapped_of(examination->pd->kernel, region->object) : NULL;
        if (!mapped || mapped->examined == mapped->pass)
            continue;
        mapped->examined = mapped->pass;
        const char *kind = "";
        linux_badge_is_inner(examination->pd->kernel, region->object, &kind, NULL, NULL);
        examination->objects[examination->object_count++] = (struct mapped_object){
            .badge = region->object,
            .region = region,
            .mapped = mapped,
            .nameless = strcmp(kind, "shared-memory") == 0 || is_removed(mapped->path)};
    }
    return 0;
}

static int describe_objects(struct examination *examination)
{
    for (size_t i = 0; i < examination->object_count; i++) {
        const struct mapped_object *object = &examination->objects[i];
        struct recap_object described = {.id = 1};
        struct recap_error why = {0};
        int result = linux_describe(&examination->pd->kernel->base, object->badge,
                                    examination->graph->arena, &described, &why);
        if (result == -EOPNOTSUPP) {
            if (recap_refusals_say(examination->refusals, why.remedy[0] ? why.remedy : NULL,
                                   "%s, mapped from 0x%llx on: %s", object->mapped->path,
                                   (unsigned long long)object->region->start, why.what) < 0)
                return out_of_memory(examination);
        } else if (result < 0 && result != -ENOENT && result != -ESTALE) {
            /* What was unmapped since it was listed needs no restoring. */
            if (examination->error)
                *examination->error = why;
            return result;
        }
    }
    return 0;
}

/* Whether another process has an object that this one shares memory through: the two would no
 * longer share it after a restore. */
static int find_sharers(struct examination *examination)
{
    for (size_t i = 0; i < examination->object_count; i++) {
        const struct mapped_object *object = &examination->objects[i];
        struct linux_outsider outsider = {0};
        int result = object->nameless
                         ? linux_outside_shares(examination->pd->kernel, object->mapped->device,
                                                object->mapped->inode, object->mapped->may_write,
                                                examination->pd, &outsider)
                         : 0;
        if (result < 0)
            return out_of_memory(examination);
        char remedy[64];
        snprintf(remedy, sizeof remedy, "end process %d first", (int)outsider.pid);
        if (result > 0 &&
            recap_refusals_say(examination->refusals, remedy,
                               "%s, mapped from 0x%llx on, is shared with process %d (%s), "
                               "which is not part of the checkpoint",
                               object->mapped->path, (unsigned long long)object->region->start,
                               (int)outsider.pid, outsider.name) < 0)
            return out_of_memory(examination);
    }
    return 0;
}

/* Memory whose pages the program has placed on nodes of its choice: each is asked for in the pause.
 */
static int find_placed(struct examination *examination)
{
    char *text = NULL;
    int result = linux_procfs_read(examination->pd->proc, "numa_maps", &text, NULL);
    /* A kernel without memory nodes has no such file. */
    if (result < 0)
        return result == -ENOENT
                   ? 0
                   : recap_fail(examination->error, result, "reading memory policies");
    bool placed = false;
    for (const char *line = text; line && *line && !placed; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *policy = strchr(line, ' ');
        placed = policy && strncmp(policy, " default", strlen(" default")) != 0;
    }
    examination->pd->placed = placed;
    free(text);
    return 0;
}

int linux_examine_memory(struct linux_pd *pd, struct recap_refusals *refusals,
                         struct recap_error *error)
{
    __attribute__((cleanup(clear_examination))) struct examination examination = {
        .pd = pd, .graph = recap_graph_new(), .refusals = refusals, .error = error};
    examination.image = examination.graph ? recap_graph_add_pd(examination.graph) : NULL;
    if (!examination.image)
        return out_of_memory(&examination);
    int result =
        linux_regions_listed(&pd->base, examination.graph, examination.image, refusals, error);
    if (result == 0)
        result = collect_objects(&examination);
    if (result == 0)
        result = describe_objects(&examination);
    if (result == 0)
        result = find_sharers(&examination);
    return result ? result : find_placed(&examination);
}
