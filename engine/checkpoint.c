/* checkpoint.c: from running PDs to an image.
 *
 *   look      without stopping anything: what could not be restored is refused here
 *   pause     slots, regions, threads, attributes, objects and their content, pages
 *   finish    headers, graph, manifest; then the PDs go on, or end once a reader took the image
 *
 * Whatever fails before the image is whole, the PDs go on: the cleanup of `struct work` resumes
 * them.
 */
#include "engine/engine.h"
#include "kernel/defaults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHUNK = 1024 * 1024 };

struct work {
    struct recap_kernel *kernel;
    const struct recap_kernel_ops *ops;
    const struct recap_checkpoint_options *options;
    struct recap_refusals *refusals;
    struct recap_pd **pds;
    size_t pd_count;
    struct recap_promise *promises; /* as many as options->externals */
    struct recap_graph *graph;
    struct recap_walk walk;
    struct recap_image_writer *writer;
    bool unsure;    /* the look did not come to an end: the stopped PDs are examined once more */
    uint64_t bytes; /* of pages, all PDs */
    uint64_t done;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void clear_work(struct work *work)
{
    recap_wanted_end(work->kernel);
    /* The PDs go on before a discarded image is cleaned from the disk. */
    for (size_t i = 0; i < work->pd_count; i++)
        work->ops->pd_close(work->pds[i]);
    free(work->pds);
    free(work->promises);
    recap_image_discard(work->writer);
    recap_walk_clear(&work->walk);
    recap_graph_free(work->graph);
}

/* Says how far it is; the caller may have had enough. */
static int progress(const struct work *work, const char *phase, struct recap_error *error)
{
    const struct recap_progress *to = &work->options->progress;
    if (!to->report || to->report(to->context, phase, work->done, work->bytes))
        return 0;
    return recap_refuse(error, RECAP_FAILED, -EINTR, "the checkpoint was interrupted");
}

/* A fresh graph with one empty PD for each of ours. */
static int start_graph(struct work *work, struct recap_error *error)
{
    recap_walk_clear(&work->walk);
    recap_graph_free(work->graph);
    struct recap_graph *graph = work->graph = recap_graph_new();
    if (!graph)
        return recap_fail(error, -ENOMEM, "starting a capability graph");
    graph->kernel = work->ops->name;
    graph->machine = work->ops->machine;
    graph->release = recap_arena_text(graph->arena, work->ops->release(work->kernel));
    graph->taken = (int64_t)time(NULL);
    recap_walk_init(&work->walk, work->kernel, graph);
    for (size_t i = 0; i < work->pd_count; i++) {
        struct recap_pd_image *image = recap_graph_add_pd(graph);
        if (!image)
            return recap_fail(error, -ENOMEM, "starting a capability graph");
        image->id = work->pds[i]->id;
    }
    return 0;
}

static int walk_all_slots(struct work *work, struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->pd_count; i++)
        result = recap_walk_slots(&work->walk, work->pds[i], &work->graph->pds[i], error);
    return result;
}

/* Which of our PDs is meant by `id`, as an index into them. */
static int find_pd(const struct work *work, uint64_t id, size_t *index, struct recap_error *error)
{
    *index = SIZE_MAX;
    for (size_t i = 0; id && i < work->pd_count; i++)
        if (work->pds[i]->id == id)
            *index = i;
    if (!id || *index != SIZE_MAX)
        return 0;
    return recap_refuse(error, RECAP_USAGE, -ENOENT,
                        "PD %llu is named in an external selector but is not checkpointed",
                        (unsigned long long)id);
}

/* Every selector that the caller promised to bind has to be in use. The promises are kept by the
 * place of the PD: its id in the graph becomes what the component itself knows. */
static int take_externals(struct work *work, struct recap_error *error)
{
    size_t count = work->options->external_count;
    free(work->promises);
    work->promises = calloc(count + 1, sizeof *work->promises);
    if (!work->promises)
        return recap_fail(error, -ENOMEM, "reading the external selectors");
    for (size_t e = 0; e < count; e++) {
        const struct recap_place *place = &work->options->externals[e];
        struct recap_promise *promise = &work->promises[e];
        promise->selector = place->selector;
        int result = find_pd(work, place->pd, &promise->pd, error);
        if (result < 0)
            return result;
        bool used = false;
        for (size_t i = 0; i < work->graph->pd_count; i++)
            used |= (promise->pd == SIZE_MAX || promise->pd == i) &&
                    recap_graph_slot(&work->graph->pds[i], place->selector);
        if (!used) {
            recap_refuse(error, RECAP_USAGE, -ENOENT, "it is named as external but is not in use");
            return recap_error_at(error, place->selector);
        }
    }
    return 0;
}

static int describe_all(struct work *work, struct recap_error *error)
{
    return recap_walk_objects(&work->walk, work->promises, work->options->external_count,
                              work->refusals, error);
}

static int refused(const struct work *work, struct recap_error *error)
{
    if (!work->refusals->count)
        return 0;
    *error = work->refusals->items[0];
    return -EOPNOTSUPP;
}

static int examine_all(struct work *work, struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->pd_count; i++)
        result = work->ops->examine(work->pds[i], work->refusals, error);
    return result;
}

static int look_once(struct work *work, struct recap_error *error)
{
    int result = start_graph(work, error);
    work->walk.running = true;
    if (result == 0)
        result = examine_all(work, error);
    if (result == 0)
        result = walk_all_slots(work, error);
    if (result == 0)
        result = take_externals(work, error);
    if (result == 0)
        result = describe_all(work, error);
    return result ? result : refused(work, error);
}

/* Finds what cannot be restored, while everything runs. What is read of a program that runs may not
 * belong together, so only what every look finds is believed. When each finds something else, the
 * truth is asked for once the PDs are stopped. */
static int look(struct work *work, struct recap_error *error)
{
    enum { LOOKS = 3 };
    struct recap_refusals believed = {0};
    for (int i = 0; i < LOOKS && !work->unsure; i++) {
        int result = look_once(work, error);
        if (result != -EOPNOTSUPP || !work->refusals->count) {
            recap_refusals_clear(&believed);
            return result;
        }
        if (i == 0) {
            believed = *work->refusals;
            *work->refusals = (struct recap_refusals){0};
        } else {
            recap_refusals_keep_common(&believed, work->refusals);
            recap_refusals_clear(work->refusals);
        }
        work->unsure = !believed.count;
    }
    *work->refusals = believed;
    return refused(work, error);
}

static int save_content(struct work *work, struct recap_error *error)
{
    char *buffer = NULL;
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->graph->object_count; i++) {
        const struct recap_object *object = &work->graph->objects[i];
        if (object->content && !buffer && !(buffer = malloc(CHUNK)))
            result = recap_fail(error, -ENOMEM, "reading the content of objects");
        for (uint64_t offset = 0; result == 0 && offset < object->content;) {
            uint64_t left = object->content - offset;
            ssize_t got = kernel_content(work->kernel, work->walk.badges[object->id], offset,
                                         buffer, left < CHUNK ? (size_t)left : CHUNK, error);
            if (got == 0)
                result = recap_fail(error, -EIO, "reading the content of %s: it ended early",
                                    object->label ? object->label : object->kind);
            else if (got < 0)
                result = (int)got;
            else
                result = recap_image_content(work->writer, object->id, buffer, (size_t)got, error);
            offset += got > 0 ? (uint64_t)got : 0;
        }
    }
    free(buffer);
    return result;
}

/* Many short ranges share a buffer: each put is one write where their places follow each other. */
static int save_pages(struct work *work, size_t index, struct recap_error *error)
{
    struct recap_pd *pd = work->pds[index];
    struct recap_pd_image *image = &work->graph->pds[index];
    int result = recap_image_begin_core(work->writer, image, error);
    void *buffer = NULL;
    uint64_t place = 0; /* file offset of the buffer's first byte */
    size_t used = 0;
    for (size_t r = 0; result == 0 && r < image->region_count; r++)
        for (size_t i = 0; result == 0 && i < image->regions[r].range_count; i++) {
            const struct recap_range *range = &image->regions[r].ranges[i];
            for (uint64_t at = 0; result == 0 && at < range->length;) {
                if (buffer && (used == CHUNK || place + used != range->offset + at)) {
                    result = recap_image_put(work->writer, buffer, place, used, error);
                    buffer = NULL;
                    if (result == 0)
                        result = progress(work, "memory", error);
                }
                if (result == 0 && !buffer) {
                    result = recap_image_room(work->writer, &buffer, error);
                    place = range->offset + at;
                    used = 0;
                }
                uint64_t left = range->length - at;
                size_t size = left < CHUNK - used ? (size_t)left : CHUNK - used;
                if (result == 0)
                    result =
                        work->ops->read(pd, range->start + at, (char *)buffer + used, size, error);
                used += size;
                at += size;
                work->done += size;
            }
        }
    if (result == 0 && buffer)
        result = recap_image_put(work->writer, buffer, place, used, error);
    return result;
}

static uint64_t count_bytes(const struct recap_graph *graph)
{
    uint64_t bytes = 0;
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t r = 0; r < graph->pds[p].region_count; r++)
            for (size_t i = 0; i < graph->pds[p].regions[r].range_count; i++)
                bytes += graph->pds[p].regions[r].ranges[i].length;
    return bytes;
}

/* Everything that needs the PDs to stand still. */
static int capture(struct work *work, struct recap_error *error)
{
    int result = start_graph(work, error);
    if (result == 0 && work->unsure)
        result = examine_all(work, error);
    if (result == 0)
        result = refused(work, error);
    if (result == 0)
        result = walk_all_slots(work, error);
    for (size_t i = 0; result == 0 && i < work->pd_count; i++) {
        struct recap_pd_image *image = &work->graph->pds[i];
        result = work->ops->threads(work->pds[i], work->graph, image, error);
        if (result == 0)
            result = work->ops->attributes(work->pds[i], work->graph, image, error);
        if (result == 0)
            recap_walk_attributes(&work->walk, image);
        if (result == 0)
            result = work->ops->regions(work->pds[i], work->graph, image, error);
        if (result == 0)
            result = recap_walk_regions(&work->walk, image, error);
    }
    if (result == 0)
        result = describe_all(work, error);
    if (result == 0)
        result = refused(work, error);
    if (result == 0)
        result = save_content(work, error);
    work->bytes = count_bytes(work->graph);
    for (size_t i = 0; result == 0 && i < work->pd_count; i++)
        result = save_pages(work, i, error);
    return result;
}

static int each_pd(struct work *work, int (*act)(struct recap_pd *pd, struct recap_error *error),
                   struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->pd_count; i++)
        result = act(work->pds[i], error);
    return result;
}

/* -EAGAIN: the PD is another program by now than the one that was looked at. */
static int suspend_all(struct work *work, struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->pd_count; i++) {
        result = work->ops->suspend(work->pds[i], error);
        if (result != -EAGAIN)
            continue;
        work->unsure = true;
        result = work->ops->suspend(work->pds[i], error);
    }
    return result;
}

static int finish(struct work *work, struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->pd_count; i++)
        result = recap_image_end_core(work->writer, work->graph, &work->graph->pds[i], error);
    return result ? result : recap_image_commit(work->writer, work->graph, error);
}

static void tell(const struct work *work, uint64_t pause_ns, struct recap_checkpoint_result *result)
{
    *result = (struct recap_checkpoint_result){
        .pause_ns = pause_ns, .bytes = work->bytes, .objects = work->graph->object_count};
    for (size_t i = 0; i < work->graph->pd_count; i++) {
        result->selectors += work->graph->pds[i].slot_count;
        result->threads += work->graph->pds[i].thread_count;
        result->regions += work->graph->pds[i].region_count;
    }
}

static int checkpoint(struct work *work, struct recap_checkpoint_result *told,
                      struct recap_error *error)
{
    int result = look(work, error);
    if (result < 0 || !work->options->path) {
        if (told && work->graph)
            tell(work, 0, told);
        return result;
    }
    result = recap_image_create(work->options->path, &work->writer, error);
    if (result < 0)
        return result;
    uint64_t begin = now_ns();
    result = suspend_all(work, error);
    if (result == 0)
        result = capture(work, error);
    if (result < 0)
        return result;
    if (work->options->leave_running)
        result = each_pd(work, work->ops->resume, error);
    uint64_t pause_ns = now_ns() - begin;
    if (result == 0)
        result = finish(work, error);
    if (result == 0 && !work->options->leave_running)
        result = recap_end_pds(work->pds, work->pd_count, work->writer, work->options->path, error);
    if (result == 0 && told)
        tell(work, pause_ns, told);
    return result;
}

int recap_engine_checkpoint(struct recap_kernel *kernel, const uint64_t *ids, size_t count,
                            const struct recap_checkpoint_options *options,
                            struct recap_refusals *refusals, struct recap_checkpoint_result *told,
                            struct recap_error *error)
{
    struct recap_error ignored;
    error = error ? error : &ignored;
    __attribute__((cleanup(clear_work))) struct work work = {
        .kernel = kernel, .ops = kernel->ops, .options = options, .refusals = refusals};
    recap_wanted_begin(kernel, &options->progress);
    work.pds = calloc(count, sizeof *work.pds);
    if (!work.pds)
        return recap_fail(error, -ENOMEM, "opening the PDs");
    for (; work.pd_count < count; work.pd_count++) {
        for (size_t i = 0; i < work.pd_count; i++)
            if (ids[i] == ids[work.pd_count])
                return recap_refuse(error, RECAP_USAGE, -EINVAL, "PD %llu is named twice",
                                    (unsigned long long)ids[i]);
        int result =
            kernel->ops->pd_open(kernel, ids[work.pd_count], &work.pds[work.pd_count], error);
        if (result < 0)
            return result;
    }
    return checkpoint(&work, told, error);
}
