/* memory.c: the memory, the threads and the attributes of a PD of core. */
#include "kernel/remote/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What it tells goes into `graph`, which from now on takes as much as there is memory for. */
static int ask(struct recap_pd *pd, uint8_t type, const struct recap_graph *graph,
               struct remote_answer *answer, struct recap_error *error)
{
    struct wire_out out = {0};
    recap_arena_limit(graph->arena, remote_pd(pd)->kernel->memory);
    remote_put_pd(&out, pd);
    return remote_ask(remote_pd(pd)->kernel, type, &out, -1, answer, error);
}

static int finish(struct recap_pd *pd, struct remote_answer *answer,
                  const struct recap_graph *graph, struct recap_error *error)
{
    bool understood = wire_done(&answer->in);
    remote_answer_clear(answer);
    if (understood)
        return 0;
    return recap_arena_failed(graph->arena)
               ? remote_too_much(remote_pd(pd)->kernel, "a larger PD", error)
               : remote_nonsense(remote_pd(pd)->kernel, error);
}

int remote_regions(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                   struct recap_error *error)
{
    struct remote_answer answer;
    int result = ask(pd, ASK_REGIONS, graph, &answer, error);
    if (result < 0)
        return result;
    size_t count = wire_get_count(&answer.in);
    for (size_t i = 0; i < count && !answer.in.failed; i++) {
        struct recap_region *region = recap_graph_add_region(graph, image);
        answer.in.failed |= !region;
        if (!region)
            break;
        wire_get_region(&answer.in, graph->arena, region);
        remote_meet(remote_pd(pd)->kernel, region->object);
    }
    result = finish(pd, &answer, graph, error);
    return result ? result : recap_regions_check(image, error);
}

int remote_threads(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                   struct recap_error *error)
{
    struct remote_answer answer;
    int result = ask(pd, ASK_THREADS, graph, &answer, error);
    if (result < 0)
        return result;
    size_t count = wire_get_count(&answer.in);
    for (size_t i = 0; i < count && !answer.in.failed; i++) {
        struct recap_thread *thread = recap_graph_add_thread(graph, image);
        answer.in.failed |= !thread;
        if (thread)
            wire_get_thread(&answer.in, graph->arena, thread);
    }
    return finish(pd, &answer, graph, error);
}

int remote_attributes(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                      struct recap_error *error)
{
    struct remote_answer answer;
    int result = ask(pd, ASK_ATTRIBUTES, graph, &answer, error);
    if (result < 0)
        return result;
    uint64_t id = wire_get_number(&answer.in);
    const char *name = wire_get_text(&answer.in, graph->arena);
    struct recap_value *attributes = wire_get_value(&answer.in, graph->arena);
    answer.in.failed |= attributes && attributes->type != RECAP_RECORD;
    result = finish(pd, &answer, graph, error);
    if (result < 0)
        return result;
    image->id = id;
    image->name = name;
    image->attributes = attributes;
    return 0;
}

int remote_read(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
                struct recap_error *error)
{
    struct remote_kernel *kernel = remote_pd(pd)->kernel;
    int result = 0;
    for (size_t at = 0, part; result == 0 && at < size; at += part) {
        struct wire_out out = {0};
        struct remote_answer answer;
        part = size - at < kernel->channel.frame_out ? size - at : kernel->channel.frame_out;
        remote_put_pd(&out, pd);
        wire_put_number(&out, address + at);
        wire_put_number(&out, part);
        kernel->expected = part;
        result = remote_ask(kernel, ASK_READ, &out, -1, &answer, error);
        if (result == 0 && answer.message.length != part)
            result = remote_nonsense(kernel, error);
        if (result == 0)
            memcpy((char *)buffer + at, answer.message.data, part);
        remote_answer_clear(&answer);
    }
    return result;
}

int remote_write(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                 struct recap_error *error)
{
    enum { BESIDE = 64 }; /* bytes of a request around what is written */
    struct remote_kernel *kernel = remote_pd(pd)->kernel;
    size_t most = kernel->channel.frame_out - BESIDE;
    int result = 0;
    for (size_t at = 0, part; result == 0 && at < size; at += part) {
        struct wire_out out = {0};
        part = size - at < most ? size - at : most;
        remote_put_pd(&out, pd);
        wire_put_number(&out, address + at);
        wire_put_bytes(&out, (const char *)buffer + at, part);
        result = remote_do(kernel, ASK_WRITE, &out, -1, error);
    }
    return result;
}
