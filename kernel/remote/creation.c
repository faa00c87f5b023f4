/* creation.c: building PDs and objects in core. Core gets the graph once, in parts; what is built
 * is named by its place in it. */
#include "kernel/remote/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Sends what was written so far, when it fills a frame or at the end. */
static int flush(struct remote_kernel *kernel, struct wire_out *out, bool end,
                 struct recap_error *error)
{
    if (out->failed || end || out->length >= kernel->channel.frame_out / 2)
        return remote_do(kernel, ASK_GRAPH, out, -1, error);
    return 0;
}

static int push_pd(struct remote_kernel *kernel, struct wire_out *out,
                   const struct recap_pd_image *pd, struct recap_error *error)
{
    int result = 0;
    wire_put_number(out, PART_PD);
    wire_put_number(out, pd->id);
    wire_put_text(out, pd->name);
    wire_put_value(out, pd->attributes);
    for (size_t i = 0; result == 0 && i < pd->slot_count; i++) {
        wire_put_number(out, PART_SLOT);
        wire_put_slot(out, &pd->slots[i]);
        result = flush(kernel, out, false, error);
    }
    for (size_t i = 0; result == 0 && i < pd->region_count; i++) {
        wire_put_number(out, PART_REGION);
        wire_put_region(out, &pd->regions[i]);
        result = flush(kernel, out, false, error);
    }
    for (size_t i = 0; result == 0 && i < pd->thread_count; i++) {
        wire_put_number(out, PART_THREAD);
        wire_put_thread(out, &pd->threads[i]);
        result = flush(kernel, out, false, error);
    }
    return result;
}

static int push_parts(struct remote_kernel *kernel, const struct recap_graph *graph,
                      struct recap_error *error)
{
    struct wire_out out = {0};
    int result = 0;
    wire_put_number(&out, PART_GRAPH);
    wire_put_text(&out, graph->kernel);
    wire_put_text(&out, graph->machine);
    wire_put_text(&out, graph->release);
    wire_put_signed(&out, graph->taken);
    for (size_t i = 0; result == 0 && i < graph->object_count; i++) {
        wire_put_number(&out, PART_OBJECT);
        wire_put_object(&out, &graph->objects[i]);
        result = flush(kernel, &out, false, error);
    }
    for (size_t i = 0; result == 0 && i < graph->pd_count; i++)
        result = push_pd(kernel, &out, &graph->pds[i], error);
    if (result == 0) {
        wire_put_number(&out, PART_END);
        result = flush(kernel, &out, true, error);
    }
    free(out.data);
    return result;
}

/* What core may wish for in one request: all content, in wishes that each count for something, as
 * often as a question may get lost. */
static uint64_t offered(const struct recap_graph *graph)
{
    enum { AGAIN = 4, EACH = 64 };
    const uint64_t most = UINT64_MAX / (4 * AGAIN);
    uint64_t sum = 0;
    for (size_t i = 0; i < graph->object_count; i++) {
        uint64_t content = graph->objects[i].content;
        sum += content < most - EACH ? content + EACH : most;
        sum = sum < most ? sum : most;
    }
    return sum * 2 * AGAIN;
}

static int push_anew(struct remote_kernel *kernel, const struct recap_graph *graph,
                     struct recap_error *error)
{
    free(kernel->known);
    free(kernel->made);
    kernel->graph = 0;
    kernel->known = calloc(graph->object_count + 1, sizeof *kernel->known);
    kernel->made = calloc(graph->pd_count + 1, sizeof *kernel->made);
    if (!kernel->known || !kernel->made)
        return recap_fail(error, -ENOMEM, "sending the graph to core");
    kernel->content_offered = offered(graph);
    int result = push_parts(kernel, graph, error);
    if (result == 0)
        kernel->graph = graph->serial;
    kernel->bound = true;
    return result;
}

int remote_push(struct remote_kernel *kernel, const struct recap_graph *graph,
                struct recap_error *error)
{
    return kernel->graph == graph->serial ? 0 : push_anew(kernel, graph, error);
}

int remote_pd_create(struct recap_kernel *base, const struct recap_graph *graph,
                     const struct recap_pd_image *plan, struct recap_pd **pd,
                     struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    if ((kernel->abilities & CORE_LOADS) && !(kernel->abilities & CORE_CARRIES))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "core at %s fills memory from the image itself, which does not cross "
                            "this connection",
                            kernel->address);
    size_t index = (size_t)(plan - graph->pds);
    bool again = kernel->graph == graph->serial && kernel->made[index];
    int result = again ? push_anew(kernel, graph, error) : remote_push(kernel, graph, error);
    if (result < 0)
        return result;
    struct wire_out out = {0};
    struct remote_answer answer;
    wire_put_number(&out, index);
    result = remote_ask(kernel, ASK_CREATE_PD, &out, -1, &answer, error);
    uint64_t number = result ? 0 : wire_get_number(&answer.in);
    uint64_t id = result ? 0 : wire_get_number(&answer.in);
    if (result == 0 && !wire_done(&answer.in))
        result = remote_nonsense(kernel, error);
    remote_answer_clear(&answer);
    if (result < 0)
        return result;
    struct remote_pd *made = remote_pd_new(kernel, id, number);
    if (!made)
        return recap_fail(error, -ENOMEM, "creating PD %llu", (unsigned long long)id);
    kernel->made[index] = true;
    made->suspended = true;
    *pd = &made->base;
    return 0;
}

/* What core does not know of the badges yet. Those that it made itself it knows. */
static void put_bound(struct remote_kernel *kernel, struct wire_out *out,
                      const struct recap_creation *creation)
{
    size_t count = 0;
    for (size_t id = 1; kernel->bound && id <= creation->graph->object_count; id++)
        count += creation->badges[id] && creation->badges[id] != kernel->known[id];
    wire_put_number(out, count);
    for (size_t id = 1; count && id <= creation->graph->object_count; id++) {
        if (!creation->badges[id] || creation->badges[id] == kernel->known[id])
            continue;
        wire_put_number(out, id);
        wire_put_number(out, creation->badges[id]);
        kernel->known[id] = creation->badges[id];
    }
    kernel->bound = false;
}

static int check_graph(const struct remote_kernel *kernel, const struct recap_graph *graph,
                       struct recap_error *error)
{
    return kernel->graph == graph->serial
               ? 0
               : recap_fail(error, -EINVAL, "core builds from another graph");
}

int remote_create(struct recap_kernel *base, const struct recap_creation *creation, uint64_t id,
                  recap_badge *badge, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct wire_out out = {0};
    struct remote_answer answer;
    int result = check_graph(kernel, creation->graph, error);
    if (result < 0)
        return result;
    wire_put_number(&out, id);
    put_bound(kernel, &out, creation);
    kernel->creation = creation;
    result = remote_ask(kernel, ASK_CREATE, &out, -1, &answer, error);
    kernel->creation = NULL;
    uint64_t made = result ? 0 : wire_get_number(&answer.in);
    if (result == 0 && (!wire_done(&answer.in) || !made))
        result = remote_nonsense(kernel, error);
    remote_answer_clear(&answer);
    if (result < 0)
        return result;
    kernel->known[id] = made;
    *badge = made;
    return 0;
}

/* A request about a PD under construction; `out` has what comes before the PD. */
static int fill(struct recap_pd *pd, uint8_t type, struct wire_out *out,
                const struct recap_creation *creation, int fd, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_pd(pd)->kernel;
    int result = creation ? check_graph(kernel, creation->graph, error) : 0;
    int sent = result == 0 && fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (result == 0 && fd >= 0 && sent < 0)
        result = recap_fail(error, -errno, "giving the core file to core");
    if (result < 0) {
        free(out->data);
        return result;
    }
    remote_put_pd(out, pd);
    if (creation)
        put_bound(kernel, out, creation);
    else
        wire_put_number(out, 0);
    kernel->creation = creation;
    result = remote_do(kernel, type, out, sent, error);
    kernel->creation = NULL;
    return result;
}

int remote_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
               struct recap_error *error)
{
    struct wire_out out = {0};
    wire_put_number(&out, id);
    return fill(pd, ASK_TIE, &out, creation, -1, error);
}

int remote_map(struct recap_pd *pd, const struct recap_creation *creation,
               const struct recap_pd_image *image, int fd, struct recap_error *error)
{
    (void)image;
    struct remote_kernel *kernel = remote_pd(pd)->kernel;
    struct wire_out out = {0};
    if (fd >= 0 && !(kernel->abilities & CORE_LOADS)) {
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "core at %s cannot bring in pages from a file of this machine",
                     kernel->address);
        return recap_error_remedy(error, "restore without --lazy");
    }
    wire_put_number(&out, fd >= 0);
    return fill(pd, ASK_MAP, &out, creation, fd, error);
}

int remote_load(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
                struct recap_error *error)
{
    (void)image;
    struct wire_out out = {0};
    return fill(pd, ASK_LOAD, &out, NULL, fd, error);
}

int remote_threads_set(struct recap_pd *pd, const struct recap_graph *graph,
                       const struct recap_pd_image *image, struct recap_error *error)
{
    (void)image;
    struct wire_out out = {0};
    int result = check_graph(remote_pd(pd)->kernel, graph, error);
    return result ? result : fill(pd, ASK_SET_THREADS, &out, NULL, -1, error);
}

int remote_attributes_set(struct recap_pd *pd, const struct recap_creation *creation,
                          const struct recap_pd_image *image, struct recap_error *error)
{
    (void)image;
    struct wire_out out = {0};
    return fill(pd, ASK_SET_ATTRIBUTES, &out, creation, -1, error);
}
