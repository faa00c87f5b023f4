/* serve_pd.c: PDs and their capability spaces: what a client asks of Native PD. */
#include "core/session.h"
#include "kernel/defaults.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int serve_list(struct session *session, struct wire_in *in, struct recap_error *error)
{
    uint64_t *ids = NULL;
    size_t count = 1;
    if (!wire_done(in))
        return session_malformed(error);
    if (session->limits->confined) {
        wire_put_number(&session->out, 1);
        wire_put_number(&session->out, session->limits->confined);
        return 0;
    }
    int result = session->ops->list(session->kernel, &ids, &count, error);
    if (result < 0)
        return result;
    wire_put_number(&session->out, count);
    for (size_t i = 0; i < count; i++)
        wire_put_number(&session->out, ids[i]);
    free(ids);
    return 0;
}

/* A session of one PD knows no other. */
static int check_id(const struct session *session, uint64_t id, struct recap_error *error)
{
    uint64_t confined = session->limits->confined;
    if (!confined || confined == id)
        return 0;
    return recap_refuse(error, RECAP_FAILED, -EPERM, "this is a session of PD %llu and no other",
                        (unsigned long long)confined);
}

int serve_name(struct session *session, struct wire_in *in, struct recap_error *error)
{
    char name[256] = "";
    uint64_t id = wire_get_number(in);
    if (!wire_done(in))
        return session_malformed(error);
    int result = check_id(session, id, error);
    if (result == 0)
        result = session->ops->pd_name(session->kernel, id, name, sizeof name, error);
    wire_put_text(&session->out, name);
    return result;
}

int serve_open(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct recap_pd *pd = NULL;
    uint64_t id = wire_get_number(in);
    if (!wire_done(in))
        return session_malformed(error);
    int result = check_id(session, id, error);
    if (result == 0)
        result = session_reserve_pd(session, error);
    if (result == 0)
        result = session->ops->pd_open(session->kernel, id, &pd, error);
    if (result < 0)
        return result;
    wire_put_number(&session->out, session_enter_pd(session, pd, false));
    return 0;
}

int serve_close(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    for (size_t i = 0; session->graph_whole && i < session->graph->pd_count; i++)
        if (session->made[i] == pd->pd)
            session->made[i] = NULL;
    session->ops->pd_close(pd->pd);
    *pd = (struct session_pd){0};
    return 0;
}

static void clear_refusals(struct recap_refusals *refusals)
{
    recap_refusals_clear(refusals);
}

int serve_examine(struct session *session, struct wire_in *in, struct recap_error *error)
{
    __attribute__((cleanup(clear_refusals))) struct recap_refusals refusals = {0};
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    int result = session->ops->examine(pd->pd, &refusals, error);
    if (result < 0)
        return result;
    wire_put_number(&session->out, refusals.count);
    for (size_t i = 0; i < refusals.count; i++)
        wire_put_error(&session->out, &refusals.items[i]);
    return 0;
}

int serve_suspend(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    int result = pd->suspended ? 0 : session->ops->suspend(pd->pd, error);
    if (result == 0)
        pd->suspended = true;
    return result;
}

int serve_resume(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    if (pd->created && pd->made != MADE_WHOLE)
        return recap_refuse(error, RECAP_FAILED, -EINVAL, "PD %llu is not whole yet",
                            (unsigned long long)pd->pd->id);
    int result = pd->suspended ? session->ops->resume(pd->pd, error) : 0;
    if (result == 0)
        pd->suspended = pd->created = false;
    return result;
}

int serve_destroy(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    int result = session->ops->destroy(pd->pd, error);
    if (result == 0)
        pd->suspended = pd->created = false;
    return result;
}

int serve_session(struct session *session, struct wire_in *in, struct recap_error *error)
{
    const struct core_limits *limits = session->limits;
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    /* Who does not say how much is to be handed on hands on the least. */
    uint64_t kind = in->at == in->end ? SESSION_LOOKS : wire_get_number(in);
    if (!wire_done(in) || kind > SESSION_FULL)
        return session_malformed(error);
    int result = session_refuse_confined(session, "hand on another", error);
    if (result == 0 && !limits->session)
        result = recap_refuse(error, RECAP_FAILED, -EOPNOTSUPP, "this core hands on no sessions");
    if (result == 0)
        result =
            limits->session(limits->context, pd->pd, kind == SESSION_LOOKS, &session->fd, error);
    return result;
}

/* As many capabilities as are wanted and have room, from `selector` on; the first one answers for
 * `selector` itself, used or not. */
int serve_request(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    recap_selector selector = wire_get_number(in);
    uint64_t most = wire_get_number(in);
    if (!wire_done(in) || !most)
        return session_malformed(error);
    for (uint64_t i = 0; i < most; i++) {
        struct recap_cap cap;
        recap_selector next;
        int result = session->ops->request(pd->pd, selector, &cap, &next, error);
        if (result == 0)
            result = session_give(session, cap.badge, error);
        if (result < 0)
            return result;
        wire_put_number(&session->out, selector);
        wire_put_cap(&session->out, &cap);
        wire_put_number(&session->out, next);
        selector = next;
        if (selector == RECAP_NO_SELECTOR || session_full(session))
            break;
    }
    return 0;
}

static int read_installs(struct session *session, struct wire_in *in, size_t count,
                         recap_selector *selectors, struct recap_cap *caps,
                         struct recap_error *error)
{
    for (size_t i = 0; i < count; i++) {
        selectors[i] = wire_get_number(in);
        wire_get_cap(in, NULL, &caps[i]);
        if (in->failed || selectors[i] == RECAP_NO_SELECTOR ||
            (i && selectors[i] <= selectors[i - 1]))
            return session_malformed(error);
        int result = session_check(session, caps[i].badge, error);
        if (result < 0) {
            recap_error_at(error, selectors[i]);
            return result;
        }
    }
    return wire_done(in) ? 0 : session_malformed(error);
}

int serve_install(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    enum { LEAST = 6 }; /* bytes of one */
    size_t count = wire_get_count(in);
    if (count > (size_t)(in->end - in->at) / LEAST)
        return session_malformed(error);
    struct recap_cap *caps = calloc(count + 1, sizeof *caps);
    recap_selector *selectors = calloc(count + 1, sizeof *selectors);
    int result = caps && selectors ? read_installs(session, in, count, selectors, caps, error)
                                   : recap_fail(error, -ENOMEM, "installing capabilities");
    if (result == 0)
        result = kernel_install_many(pd->pd, selectors, caps, count, error);
    free(caps);
    free(selectors);
    return result;
}

int serve_remove(struct session *session, struct wire_in *in, struct recap_error *error)
{
    struct session_pd *pd = session_pd(session, in, error);
    if (!pd)
        return -EBADF;
    recap_selector selector = wire_get_number(in);
    if (!wire_done(in))
        return session_malformed(error);
    return session->ops->remove(pd->pd, selector, error);
}
