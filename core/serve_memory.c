/* serve_memory.c: the memory, the threads and the attributes of a PD that stands still. */
#include "core/session.h"

#include <errno.h>
#include <string.h>

/* A graph of one PD for a backend to fill in; it goes with the answer. */
static struct recap_graph *scratch(struct session *session, const struct recap_pd *pd,
                                   struct recap_error *error)
{
    struct recap_graph *graph = recap_graph_new();
    struct recap_pd_image *image = NULL;
    if (graph) {
        recap_arena_limit(graph->arena, session->limits->memory / 4);
        image = recap_graph_add_pd(graph);
    }
    if (!image) {
        recap_graph_free(graph);
        recap_fail(error, -ENOMEM, "reading PD %llu", (unsigned long long)pd->id);
        return NULL;
    }
    image->id = pd->id;
    return graph;
}

static void free_graph(struct recap_graph **graph)
{
    recap_graph_free(*graph);
}

static int check_whole(const struct recap_graph *graph, struct recap_error *error)
{
    return recap_arena_failed(graph->arena)
               ? recap_fail(error, -ENOMEM, "reading PD %llu", (unsigned long long)graph->pds[0].id)
               : 0;
}

int serve_regions(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_suspended(session, in, error);
    __attribute__((cleanup(free_graph))) struct recap_graph *graph =
        pd ? scratch(session, pd->pd, error) : NULL;
    if (!graph)
        return -EBADF;
    struct recap_pd_image *image = &graph->pds[0];
    int result = session->ops->regions(pd->pd, graph, image, error);
    if (result == 0)
        result = check_whole(graph, error);
    wire_put_number(&session->out, image->region_count);
    for (size_t i = 0; result == 0 && i < image->region_count; i++) {
        wire_put_region(&session->out, &image->regions[i]);
        result = session_give(session, image->regions[i].object, error);
    }
    return result;
}

int serve_read(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_suspended(session, in, error);
    if (!pd)
        return -EBADF;
    uint64_t address = wire_get_number(in);
    uint64_t size = wire_get_number(in);
    if (!wire_done(in) || size > session->channel.frame_out)
        return session_malformed(error);
    void *room = wire_put_room(&session->out, (size_t)size);
    return room ? session->ops->read(pd->pd, address, room, (size_t)size, error) : 0;
}

int serve_write(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_suspended(session, in, error);
    size_t size;
    if (!pd)
        return -EBADF;
    uint64_t address = wire_get_number(in);
    const void *bytes = wire_get_bytes(in, &size);
    if (!wire_done(in))
        return session_malformed(error);
    return session->ops->write(pd->pd, address, bytes, size, error);
}

int serve_threads(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_suspended(session, in, error);
    __attribute__((cleanup(free_graph))) struct recap_graph *graph =
        pd ? scratch(session, pd->pd, error) : NULL;
    if (!graph)
        return -EBADF;
    struct recap_pd_image *image = &graph->pds[0];
    int result = session->ops->threads(pd->pd, graph, image, error);
    if (result == 0)
        result = check_whole(graph, error);
    wire_put_number(&session->out, image->thread_count);
    for (size_t i = 0; result == 0 && i < image->thread_count; i++)
        wire_put_thread(&session->out, &image->threads[i]);
    return result;
}

/* Attributes may depend on selectors (which of them is the terminal of the session) and on threads:
 * a backend finds both in the graph, as it does when the engine asks. */
static int enter_slots(struct session *session, struct recap_pd *pd, struct recap_graph *graph,
                       struct recap_error *error)
{
    recap_selector selector = 0, next;
    do {
        struct recap_cap cap;
        int result = session->ops->request(pd, selector, &cap, &next, error);
        if (result < 0)
            return result;
        struct recap_object *object = cap.badge ? recap_graph_add_object(graph) : NULL;
        struct recap_slot *slot = object ? recap_graph_add_slot(graph, &graph->pds[0]) : NULL;
        if (slot) {
            object->kind = cap.kind;
            *slot = (struct recap_slot){selector, object->id, cap.rights, cap.slot_flags,
                                        cap.references};
        }
        selector = next;
    } while (selector != RECAP_NO_SELECTOR && !recap_arena_failed(graph->arena));
    return check_whole(graph, error);
}

int serve_attributes(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_suspended(session, in, error);
    __attribute__((cleanup(free_graph))) struct recap_graph *graph =
        pd ? scratch(session, pd->pd, error) : NULL;
    if (!graph)
        return -EBADF;
    struct recap_pd_image *image = &graph->pds[0];
    int result = enter_slots(session, pd->pd, graph, error);
    if (result == 0)
        result = session->ops->threads(pd->pd, graph, image, error);
    if (result == 0)
        result = session->ops->attributes(pd->pd, graph, image, error);
    if (result == 0)
        result = check_whole(graph, error);
    wire_put_number(&session->out, image->id);
    wire_put_text(&session->out, image->name);
    wire_put_value(&session->out, image->attributes);
    return result;
}
