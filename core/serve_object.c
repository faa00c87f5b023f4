/* serve_object.c: objects: what they are, what is in them, and capabilities that cross. */
#include "core/session.h"
#include "kernel/defaults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void free_arena(struct recap_arena **arena)
{
    recap_arena_free(*arena);
}

static int describe_one(struct session *session, recap_badge badge, struct recap_error *error)
{
    __attribute__((cleanup(free_arena))) struct recap_arena *arena = session_arena(session, error);
    struct recap_object object = {0};
    struct recap_error why = {0};
    if (!arena)
        return -ENOMEM;
    int result = session->ops->describe(session->kernel, badge, arena, &object, &why);
    if (result == 0 && recap_arena_failed(arena))
        result = recap_fail(&why, -ENOMEM, "describing an object");
    wire_put_number(&session->out, result == 0);
    if (result == 0) {
        wire_put_object(&session->out, &object);
        return session_give_tree(session, object.state, error);
    }
    wire_put_error(&session->out, &why);
    wire_put_text(&session->out, object.kind);
    wire_put_text(&session->out, object.label);
    return 0;
}

static int label_one(struct session *session, recap_badge badge, struct recap_error *error)
{
    __attribute__((cleanup(free_arena))) struct recap_arena *arena = session_arena(session, error);
    const char *label = NULL;
    struct recap_error why = {0};
    if (!arena)
        return -ENOMEM;
    int result = session->ops->label(session->kernel, badge, arena, &label, &why);
    wire_put_number(&session->out, result == 0);
    if (result == 0)
        wire_put_text(&session->out, label);
    else
        wire_put_error(&session->out, &why);
    return 0;
}

/* One answer for each badge, as far as there is room; at least one. */
static int each_badge(struct session *session, struct wire_in *in,
                      int (*act)(struct session *, recap_badge, struct recap_error *),
                      struct recap_error *error)
{
    size_t count = wire_get_count(in);
    for (size_t i = 0; i < count && !session_full(session); i++) {
        recap_badge badge = wire_get_number(in);
        int result = in->failed ? session_malformed(error) : session_check(session, badge, error);
        if (result == 0)
            result = act(session, badge, error);
        if (result < 0)
            return result;
    }
    return in->failed || !count ? session_malformed(error) : 0;
}

int serve_describe(struct session *session, struct wire_in *in, struct recap_error *error)
{
    return each_badge(session, in, describe_one, error);
}

int serve_label(struct session *session, struct wire_in *in, struct recap_error *error)
{
    return each_badge(session, in, label_one, error);
}

int serve_content(struct session *session, struct wire_in *in, struct recap_error *error)
{
    recap_badge badge = wire_get_number(in);
    uint64_t offset = wire_get_number(in);
    uint64_t size = wire_get_number(in);
    if (!wire_done(in) || size > session->channel.frame_out)
        return session_malformed(error);
    int result = session_check(session, badge, error);
    if (result < 0)
        return result;
    void *room = wire_put_room(&session->out, (size_t)size);
    if (!room)
        return 0; /* out of memory, which is sticky in `out` */
    ssize_t got = kernel_content(session->kernel, badge, offset, room, (size_t)size, error);
    if (got < 0)
        return (int)got;
    session->out.length = (size_t)got;
    return 0;
}

int serve_compare(struct session *session, struct wire_in *in, struct recap_error *error)
{
    recap_badge badge = wire_get_number(in);
    uint64_t id = wire_get_number(in);
    const struct recap_graph *graph = session_graph(session, error);
    if (!graph)
        return -EINVAL;
    if (!wire_done(in) || !recap_graph_object(graph, id))
        return session_malformed(error);
    int result = session_check(session, badge, error);
    return result ? result : session->ops->compare(session->kernel, badge, graph, id, error);
}

static int answer_badge(struct session *session, recap_badge badge, struct recap_error *error)
{
    wire_put_number(&session->out, badge);
    return session_give(session, badge, error);
}

int serve_bind(struct session *session, struct wire_in *in, struct recap_error *error)
{
    __attribute__((cleanup(free_arena))) struct recap_arena *arena = session_arena(session, error);
    recap_badge badge = 0;
    if (!arena)
        return -ENOMEM;
    const char *spec = wire_get_text(in, arena);
    uint32_t rights = wire_get_number32(in);
    if (!wire_done(in) || !spec)
        return session_malformed(error);
    int result = session_refuse_confined(session, "bind objects by name", error);
    if (result == 0)
        result = session_reserve_badge(session, error);
    if (result == 0)
        result = session->ops->bind(session->kernel, spec, rights, &badge, error);
    return result ? result : answer_badge(session, badge, error);
}

static int refuse_descriptors(struct recap_error *error)
{
    return recap_refuse(error, RECAP_FAILED, -EOPNOTSUPP,
                        "the connection to core carries no capabilities");
}

int serve_local(struct session *session, struct wire_in *in, struct recap_error *error)
{
    recap_badge badge = wire_get_number(in);
    if (!wire_done(in))
        return session_malformed(error);
    if (!session_carries(session))
        return refuse_descriptors(error);
    int result = session_check(session, badge, error);
    return result ? result : kernel_local(session->kernel, badge, &session->fd, error);
}

int serve_adopt(struct session *session, struct wire_in *in, struct recap_error *error)
{
    recap_badge badge = 0;
    int fd;
    if (!wire_done(in))
        return session_malformed(error);
    if (!session_carries(session))
        return refuse_descriptors(error);
    int result = session_take_fd(session, &fd);
    if (result < 0)
        return recap_refuse(error, RECAP_FAILED, result, "no capability came with the request");
    result = session_reserve_badge(session, error);
    if (result == 0)
        result = kernel_adopt(session->kernel, fd, &badge, error);
    return result ? result : answer_badge(session, badge, error);
}
