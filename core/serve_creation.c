/* serve_creation.c: building PDs and objects from a graph that the client pushes in parts. */
#include "core/session.h"
#include "kernel/defaults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Asks once: 0 with the answer; -EAGAIN when the question or the answer was lost on the way: then
 * the request that is being served, or nothing that makes sense, came instead. */
static int ask_content(struct session *session, uint64_t id, uint64_t offset, size_t size,
                       struct wire_message *message)
{
    struct wire_out ask = {0};
    wire_put_number(&ask, id);
    wire_put_number(&ask, offset);
    wire_put_number(&ask, size);
    if (ask.failed) {
        free(ask.data);
        return -ENOMEM;
    }
    int result = wire_send(&session->channel, ANSWER_WANTS_CONTENT, session->number, ask.data,
                           ask.length, -1);
    free(ask.data);
    result = result < 0 ? result : wire_receive(&session->channel, message);
    if (result == -EBADMSG || result == -EMSGSIZE)
        return -EAGAIN;
    if (result <= 0) {
        session->broken = true;
        return result == 0 ? -EPIPE : result;
    }
    if (message->number == session->number && message->type == ANSWER_CONTENT)
        return 0;
    if (message->number == session->number && message->type != ASK_HELLO) {
        free(message->data);
        return -EAGAIN;
    }
    /* Another client, perhaps: it is served once this one's request has failed. */
    session->pending = *message;
    session->has_pending = true;
    return -EPIPE;
}

/* Content comes from the client, while it waits for the answer to what it asked. */
static ssize_t fetch_content(void *context, uint64_t id, uint64_t offset, void *buffer, size_t size)
{
    enum { ATTEMPTS = 4 };
    struct session *session = context;
    struct wire_message message = {0};
    if (session->has_pending || session->broken)
        return -EPIPE;
    if (size > session->channel.frame_in / 2)
        size = session->channel.frame_in / 2;
    int result = -EAGAIN;
    for (int tries = 0; tries < ATTEMPTS && result == -EAGAIN; tries++)
        result = ask_content(session, id, offset, size, &message);
    if (result < 0)
        return result == -EAGAIN ? -EBADMSG : result;
    struct wire_in in = {message.data, message.data + message.length, false};
    int64_t code = wire_get_signed(&in);
    size_t length;
    const void *bytes = wire_get_bytes(&in, &length);
    ssize_t got = -EBADMSG;
    if (wire_done(&in) && code < 0 && code >= -4095)
        got = (ssize_t)code;
    else if (wire_done(&in) && code == 0 && length <= size) {
        if (length)
            memcpy(buffer, bytes, length);
        got = (ssize_t)length;
    }
    free(message.data);
    return got;
}

static bool building(const struct session *session)
{
    for (size_t i = 0; i < session->pd_count; i++)
        if (session->pds[i].created)
            return true;
    return false;
}

static int begin_graph(struct session *session, struct wire_in *in, struct recap_error *error)
{
    if (building(session))
        return recap_refuse(error, RECAP_FAILED, -EBUSY,
                            "PDs of another graph have not been started yet");
    session_drop_graph(session);
    struct recap_graph *graph = session->graph = recap_graph_new();
    if (!graph)
        return recap_fail(error, -ENOMEM, "receiving a graph");
    recap_arena_limit(graph->arena, session->limits->memory / 2);
    graph->kernel = wire_get_text(in, graph->arena);
    graph->machine = wire_get_text(in, graph->arena);
    graph->release = wire_get_text(in, graph->arena);
    graph->taken = wire_get_signed(in);
    return 0;
}

static int end_graph(struct session *session, struct recap_error *error)
{
    struct recap_graph *graph = session->graph;
    int result = recap_graph_check(graph, error);
    if (result < 0)
        return result;
    if (strcmp(graph->kernel, session->ops->name) != 0 ||
        strcmp(graph->machine, session->ops->machine) != 0)
        return recap_refuse(error, RECAP_DAMAGED, -ENOEXEC, "the graph is of another kernel");
    session->made = calloc(graph->pd_count, sizeof *session->made);
    session->creation =
        (struct recap_creation){.graph = graph,
                                .pds = session->made,
                                .badges = calloc(graph->object_count + 1, sizeof(recap_badge)),
                                .content = fetch_content,
                                .context = session};
    if (!session->made || !session->creation.badges)
        return recap_fail(error, -ENOMEM, "receiving a graph");
    session->graph_whole = true;
    return 0;
}

/* What follows PART_PD belongs to the last PD. */
static bool read_part_of_pd(struct recap_graph *graph, uint64_t part, struct wire_in *in)
{
    struct recap_pd_image *pd = graph->pd_count ? &graph->pds[graph->pd_count - 1] : NULL;
    struct recap_slot *slot = NULL;
    struct recap_region *region = NULL;
    struct recap_thread *thread = NULL;
    if (!pd)
        return false;
    if (part == PART_SLOT && (slot = recap_graph_add_slot(graph, pd)))
        wire_get_slot(in, slot);
    if (part == PART_REGION && (region = recap_graph_add_region(graph, pd)))
        wire_get_region(in, graph->arena, region);
    if (part == PART_THREAD && (thread = recap_graph_add_thread(graph, pd)))
        wire_get_thread(in, graph->arena, thread);
    return slot || region || thread;
}

static bool read_part(struct recap_graph *graph, uint64_t part, struct wire_in *in)
{
    struct recap_object *object = NULL;
    struct recap_pd_image *pd = NULL;
    if (part == PART_OBJECT) {
        if ((object = recap_graph_add_object(graph)))
            wire_get_object(in, graph->arena, object);
        return object;
    }
    if (part == PART_PD) {
        if ((pd = recap_graph_add_pd(graph))) {
            pd->id = wire_get_number(in);
            pd->name = wire_get_text(in, graph->arena);
            pd->attributes = wire_get_value(in, graph->arena);
        }
        return pd;
    }
    return read_part_of_pd(graph, part, in);
}

int serve_graph(struct session *session, struct wire_in *in, struct recap_error *error)
{
    int result = 0;
    while (result == 0 && in->at != in->end && !in->failed) {
        uint64_t part = wire_get_number(in);
        if (part == PART_GRAPH)
            result = begin_graph(session, in, error);
        else if (!session->graph || session->graph_whole)
            result = session_malformed(error);
        else if (part == PART_END)
            result = end_graph(session, error);
        else if (!read_part(session->graph, part, in) || in->failed)
            result = recap_arena_failed(session->graph->arena)
                         ? recap_refuse(error, RECAP_FAILED, -ENOMEM,
                                        "the graph is larger than core has memory for")
                         : session_malformed(error);
    }
    if (result == 0 && in->failed)
        result = session_malformed(error);
    if (result < 0 && !building(session))
        session_drop_graph(session);
    return result;
}

const struct recap_graph *session_graph(struct session *session, struct recap_error *error)
{
    if (session->graph_whole)
        return session->graph;
    recap_refuse(error, RECAP_FAILED, -EINVAL, "core has no graph to compare with or build from");
    return NULL;
}

int serve_create_pd(struct session *session, struct wire_in *in, struct recap_error *error)
{
    uint64_t index = wire_get_number(in);
    struct recap_pd *pd = NULL;
    const struct recap_graph *graph = session_graph(session, error);
    if (!graph)
        return -EINVAL;
    if (!wire_done(in) || index >= graph->pd_count || session->made[index])
        return session_malformed(error);
    int result = session_refuse_confined(session, "create PDs", error);
    if (result == 0)
        result = session_reserve_pd(session, error);
    if (result == 0)
        result = session->ops->pd_create(session->kernel, graph, &graph->pds[index], &pd, error);
    if (result < 0)
        return result;
    session->made[index] = pd;
    wire_put_number(&session->out, session_enter_pd(session, pd, true));
    wire_put_number(&session->out, pd->id);
    return 0;
}

/* The badges of objects that the client had bound since it last said so. */
static int read_bound(struct session *session, struct wire_in *in, struct recap_error *error)
{
    size_t count = wire_get_count(in);
    if (!session_graph(session, error))
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        uint64_t id = wire_get_number(in);
        recap_badge badge = wire_get_number(in);
        if (in->failed || !recap_graph_object(session->graph, id))
            return session_malformed(error);
        int result = session_check(session, badge, error);
        if (result < 0)
            return result;
        session->creation.badges[id] = badge;
    }
    return wire_done(in) ? 0 : session_malformed(error);
}

static bool all_pds_made(const struct session *session)
{
    for (size_t i = 0; i < session->graph->pd_count; i++)
        if (!session->made[i])
            return false;
    return true;
}

struct naming {
    const struct session *session;
    bool missing;
};

static int named(void *context, uint64_t object, bool tie)
{
    struct naming *naming = context;
    naming->missing |= !tie && !naming->session->creation.badges[object];
    return 0;
}

int serve_create(struct session *session, struct wire_in *in, struct recap_error *error)
{
    uint64_t id = wire_get_number(in);
    recap_badge badge = 0;
    int result = session_refuse_confined(session, "create objects", error);
    if (result == 0)
        result = read_bound(session, in, error);
    if (result < 0)
        return result;
    const struct recap_object *object = recap_graph_object(session->graph, id);
    struct naming naming = {session, !object || !object->state || !all_pds_made(session)};
    if (object)
        recap_value_objects(object->state, named, &naming);
    if (naming.missing)
        return session_malformed(error);
    result = session_reserve_badge(session, error);
    if (result == 0)
        result = session->ops->create(session->kernel, &session->creation, id, &badge, error);
    if (result < 0)
        return result;
    session->creation.badges[id] = badge;
    wire_put_number(&session->out, badge);
    return session_give(session, badge, error);
}

static bool all_made(const struct session *session)
{
    if (!all_pds_made(session))
        return false;
    for (size_t i = 1; i <= session->graph->object_count; i++)
        if (!session->creation.badges[i])
            return false;
    return true;
}

/* A created PD and its place in the graph, with everything made that it may name. */
static struct session_pd *filling(struct session *session, struct wire_in *in, size_t *index,
                                  struct recap_error *error)
{
    struct session_pd *pd = session_created(session, in, error);
    if (!pd)
        return NULL;
    if (!session->graph_whole || read_bound(session, in, error) < 0 || !all_made(session)) {
        recap_refuse(error, RECAP_FAILED, -EINVAL, "not all that the PD needs has been made yet");
        return NULL;
    }
    for (*index = 0; *index < session->graph->pd_count; ++*index)
        if (session->made[*index] == pd->pd)
            return pd;
    session_malformed(error);
    return NULL;
}

int serve_tie(struct session *session, struct wire_in *in, struct recap_error *error)
{
    size_t index;
    uint64_t id = wire_get_number(in);
    struct session_pd *pd = filling(session, in, &index, error);
    if (!pd)
        return -EINVAL;
    if (!recap_graph_object(session->graph, id))
        return session_malformed(error);
    return kernel_tie(pd->pd, &session->creation, id, error);
}

/* `result` is of a step in making the PD. */
static int step(struct session_pd *pd, enum session_step step, int result)
{
    pd->made |= result == 0 ? step : 0;
    return result;
}

/* The core file that came with the request; -1 and 0 without one. */
static int take_file(struct session *session, bool came, int *fd, struct recap_error *error)
{
    *fd = -1;
    int result = came ? session_take_fd(session, fd) : 0;
    return result < 0 ? recap_fail(error, result, "receiving the core file") : 0;
}

int serve_map(struct session *session, struct wire_in *in, struct recap_error *error)
{
    size_t index;
    int fd;
    uint64_t lazy = wire_get_number(in);
    struct session_pd *pd = filling(session, in, &index, error);
    if (!pd)
        return -EINVAL;
    int result = take_file(session, lazy != 0, &fd, error);
    return result ? result
                  : step(pd, MADE_MAP,
                         session->ops->map(pd->pd, &session->creation, &session->graph->pds[index],
                                           fd, error));
}

int serve_load(struct session *session, struct wire_in *in, struct recap_error *error)
{
    size_t index;
    int fd;
    struct session_pd *pd = filling(session, in, &index, error);
    if (!pd)
        return -EINVAL;
    if (!session->ops->load) /* nor has core files to read: its client writes the pages */
        return recap_refuse(error, RECAP_FAILED, -EOPNOTSUPP, "core cannot load a core file");
    int result = take_file(session, true, &fd, error);
    return result ? result : session->ops->load(pd->pd, &session->graph->pds[index], fd, error);
}

int serve_set_threads(struct session *session, struct wire_in *in, struct recap_error *error)
{
    size_t index;
    struct session_pd *pd = filling(session, in, &index, error);
    return pd ? step(pd, MADE_THREADS,
                     session->ops->threads_set(pd->pd, session->graph, &session->graph->pds[index],
                                               error))
              : -EINVAL;
}

int serve_set_attributes(struct session *session, struct wire_in *in, struct recap_error *error)
{
    size_t index;
    struct session_pd *pd = filling(session, in, &index, error);
    return pd ? step(pd, MADE_ATTRIBUTES,
                     session->ops->attributes_set(pd->pd, &session->creation,
                                                  &session->graph->pds[index], error))
              : -EINVAL;
}
