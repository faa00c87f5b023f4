/* session.c: what core holds for one client, and how it is let go. */
#include "core/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void session_drop_graph(struct session *session)
{
    recap_graph_free(session->graph);
    free(session->creation.badges);
    free(session->made);
    session->graph = NULL;
    session->graph_whole = false;
    session->creation = (struct recap_creation){0};
    session->made = NULL;
}

void session_clear(struct session *session)
{
    for (size_t i = 0; i < session->pd_count; i++)
        session->ops->pd_close(session->pds[i].pd);
    free(session->pds);
    session->pds = NULL;
    session->pd_count = 0;
    session_drop_graph(session);
    recap_badge_map_free(session->given);
    session->given = NULL;
    session->given_count = 0;
    session->greeted = false;
    if (session->kernel && session->limits->close) {
        session->limits->close(session->limits->context, session->kernel);
        session->kernel = NULL;
        session->ops = NULL;
    }
}

int session_begin(struct session *session, struct recap_error *error)
{
    const struct core_limits *limits = session->limits;
    session_clear(session);
    session->given = recap_badge_map_new();
    if (!session->given)
        return recap_fail(error, -ENOMEM, "beginning a session");
    int result = session->kernel ? 0 : limits->open(limits->context, &session->kernel, error);
    if (result == 0)
        session->ops = session->kernel->ops;
    return result;
}

struct session_pd *session_pd(struct session *session, struct wire_in *in,
                              struct recap_error *error)
{
    uint64_t number = wire_get_number(in);
    if (in->failed) {
        session_malformed(error);
        return NULL;
    }
    if (number && number <= session->pd_count && session->pds[number - 1].pd)
        return &session->pds[number - 1];
    recap_refuse(error, RECAP_FAILED, -EBADF, "this session has no PD of number %llu",
                 (unsigned long long)number);
    return NULL;
}

struct session_pd *session_suspended(struct session *session, struct wire_in *in,
                                     struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd || pd->suspended)
        return pd;
    recap_refuse(error, RECAP_FAILED, -EBUSY, "PD %llu has to be suspended for this",
                 (unsigned long long)pd->pd->id);
    return NULL;
}

struct session_pd *session_created(struct session *session, struct wire_in *in,
                                   struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd || pd->created)
        return pd;
    recap_refuse(error, RECAP_FAILED, -EPERM,
                 "PD %llu was not created by this session, or it runs already",
                 (unsigned long long)pd->pd->id);
    return NULL;
}

static size_t share(const struct session *session, size_t parts)
{
    return session->limits->memory / parts;
}

static size_t free_place(const struct session *session)
{
    size_t place = 0;
    while (place < session->pd_count && session->pds[place].pd)
        place++;
    return place;
}

int session_reserve_pd(struct session *session, struct recap_error *error)
{
    enum { BYTES = 4096 }; /* about what a backend holds for a PD */
    size_t place = free_place(session);
    if (session->limits->memory && place >= share(session, 4) / BYTES)
        return recap_refuse(error, RECAP_FAILED, -EMFILE,
                            "core opens no more than %zu PDs for one client", place);
    if (place < session->pd_count)
        return 0;
    struct session_pd *larger = place >= SIZE_MAX / sizeof *larger
                                    ? NULL
                                    : realloc(session->pds, (place + 1) * sizeof *session->pds);
    if (!larger)
        return recap_fail(error, -ENOMEM, "opening a PD");
    session->pds = larger;
    session->pds[session->pd_count++] = (struct session_pd){0};
    return 0;
}

uint64_t session_enter_pd(struct session *session, struct recap_pd *pd, bool created)
{
    size_t place = free_place(session);
    session->pds[place] = (struct session_pd){.pd = pd, .created = created, .suspended = created};
    return (uint64_t)place + 1;
}

int session_reserve_badge(struct session *session, struct recap_error *error)
{
    enum { BYTES = 64 }; /* of a badge in the map, at the worst moment of its growth */
    if (!session->limits->memory || session->given_count < share(session, 4) / BYTES)
        return 0;
    return recap_refuse(error, RECAP_FAILED, -ENOMEM,
                        "core gives no more than %zu objects to one client", session->given_count);
}

int session_give(struct session *session, recap_badge badge, struct recap_error *error)
{
    if (!badge || recap_badge_map_id(session->given, badge))
        return 0;
    int result = session_reserve_badge(session, error);
    if (result < 0)
        return result;
    if (recap_badge_map_add(session->given, badge, 1) < 0)
        return recap_fail(error, -ENOMEM, "giving a capability");
    session->given_count++;
    return 0;
}

struct giving {
    struct session *session;
    struct recap_error *error;
};

static int give_named(void *context, uint64_t badge, bool tie)
{
    (void)tie;
    struct giving *giving = context;
    return session_give(giving->session, badge, giving->error);
}

int session_give_tree(struct session *session, const struct recap_value *value,
                      struct recap_error *error)
{
    struct giving giving = {session, error};
    return recap_value_objects(value, give_named, &giving);
}

int session_check(struct session *session, recap_badge badge, struct recap_error *error)
{
    if (recap_badge_map_id(session->given, badge))
        return 0;
    return recap_refuse(error, RECAP_FAILED, -EACCES,
                        "core gave this client no object with badge %llu",
                        (unsigned long long)badge);
}

struct recap_arena *session_arena(struct session *session, struct recap_error *error)
{
    struct recap_arena *arena = recap_arena_new();
    if (!arena)
        recap_fail(error, -ENOMEM, "answering");
    recap_arena_limit(arena, share(session, 4));
    return arena;
}

bool session_carries(const struct session *session)
{
    const struct core_stream *stream = session->channel.stream;
    return stream->send_fd && stream->take_fd && session->ops->local && session->ops->adopt;
}

int session_take_fd(struct session *session, int *fd)
{
    struct core_stream *stream = session->channel.stream;
    bool came = session->descriptor && stream->take_fd;
    session->descriptor = false;
    return came ? stream->take_fd(stream, fd) : -ENOENT;
}

bool session_full(const struct session *session)
{
    return session->out.length >= session->channel.frame_out / 2;
}

int session_malformed(struct recap_error *error)
{
    return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "core cannot understand the request");
}

int session_refuse_confined(struct session *session, const char *what, struct recap_error *error)
{
    if (!session->limits->confined)
        return 0;
    return recap_refuse(error, RECAP_FAILED, -EPERM, "a session of one PD cannot %s", what);
}
