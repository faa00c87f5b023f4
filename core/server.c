/* server.c: receives what a client asks, has it done, and answers. */
#include "core/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int (*const serve[ASK_END])(struct session *, struct wire_in *, struct recap_error *) = {
    [ASK_LIST] = serve_list,
    [ASK_NAME] = serve_name,
    [ASK_OPEN] = serve_open,
    [ASK_CLOSE] = serve_close,
    [ASK_EXAMINE] = serve_examine,
    [ASK_SUSPEND] = serve_suspend,
    [ASK_RESUME] = serve_resume,
    [ASK_DESTROY] = serve_destroy,
    [ASK_REQUEST] = serve_request,
    [ASK_INSTALL] = serve_install,
    [ASK_REMOVE] = serve_remove,
    [ASK_DESCRIBE] = serve_describe,
    [ASK_LABEL] = serve_label,
    [ASK_CONTENT] = serve_content,
    [ASK_COMPARE] = serve_compare,
    [ASK_BIND] = serve_bind,
    [ASK_LOCAL] = serve_local,
    [ASK_ADOPT] = serve_adopt,
    [ASK_REGIONS] = serve_regions,
    [ASK_READ] = serve_read,
    [ASK_WRITE] = serve_write,
    [ASK_THREADS] = serve_threads,
    [ASK_ATTRIBUTES] = serve_attributes,
    [ASK_GRAPH] = serve_graph,
    [ASK_CREATE_PD] = serve_create_pd,
    [ASK_CREATE] = serve_create,
    [ASK_TIE] = serve_tie,
    [ASK_MAP] = serve_map,
    [ASK_LOAD] = serve_load,
    [ASK_SET_THREADS] = serve_set_threads,
    [ASK_SET_ATTRIBUTES] = serve_set_attributes,
    [ASK_SESSION] = serve_session,
};

/* What a session that only looks answers, beside hello and bye: it stops nothing, changes nothing,
 * and gives away nothing that is in memory or in an object, nor the object itself. */
static const bool only_looks[ASK_END] = {
    [ASK_LIST] = true,    [ASK_NAME] = true,     [ASK_OPEN] = true,  [ASK_CLOSE] = true,
    [ASK_EXAMINE] = true, [ASK_REQUEST] = true,  [ASK_GRAPH] = true, [ASK_COMPARE] = true,
    [ASK_LABEL] = true,   [ASK_DESCRIBE] = true,
};

static const char *const acts[ASK_END] = {
    [ASK_SUSPEND] = "stop a PD",
    [ASK_RESUME] = "have a PD go on",
    [ASK_DESTROY] = "end a PD",
    [ASK_INSTALL] = "install a capability",
    [ASK_REMOVE] = "remove a capability",
    [ASK_CONTENT] = "read what is in an object",
    [ASK_BIND] = "bind an object",
    [ASK_LOCAL] = "take a capability over",
    [ASK_ADOPT] = "give a capability",
    [ASK_REGIONS] = "see the memory of a PD",
    [ASK_READ] = "read the memory of a PD",
    [ASK_WRITE] = "write the memory of a PD",
    [ASK_THREADS] = "see the registers of a PD",
    [ASK_ATTRIBUTES] = "see the attributes of a PD",
    [ASK_SESSION] = "hand on another",
};

static int refuse_act(uint8_t type, struct recap_error *error)
{
    recap_refuse(error, RECAP_FAILED, -EPERM, "this session only looks: it cannot %s",
                 acts[type] ? acts[type] : "build a PD");
    return recap_error_remedy(error, "whoever may open the PD hands on more with `recap session "
                                     "--full PID -- COMMAND`");
}

/* A new client, or the old one anew. Until it says a version that core knows it gets no further
 * than this answer, the beginning of which no version changes. */
static int hello(struct session *session, struct wire_in *in, struct recap_error *error)
{
    const struct core_limits *limits = session->limits;
    int result = session_begin(session, error);
    if (result < 0)
        return result;
    uint64_t version = wire_get_number(in);
    bool known = version >= WIRE_OLDEST && version <= WIRE_VERSION;
    uint64_t frame = known ? wire_get_number(in) : CORE_FRAME;
    if (in->failed || frame < 1024)
        return session_malformed(error);
    session->channel.frame_out =
        frame < session->channel.frame_in ? (size_t)frame : session->channel.frame_in;
    session->greeted = known;
    bool carries = session_carries(session);
    uint64_t abilities = carries ? CORE_CARRIES : 0;
    if (session->ops->load)
        abilities |= CORE_LOADS;
    if (carries && limits->session && !limits->confined)
        abilities |= CORE_HANDS_ON;
    if (limits->confined)
        abilities |= CORE_CONFINED;
    if (limits->looks)
        abilities |= CORE_LOOKS;
    wire_put_number(&session->out, known ? version : WIRE_VERSION);
    wire_put_text(&session->out, session->ops->name);
    wire_put_text(&session->out, session->ops->machine);
    wire_put_text(&session->out, session->ops->release(session->kernel));
    wire_put_number(&session->out, session->channel.frame_in);
    wire_put_number(&session->out, abilities);
    return 0;
}

static int perform(struct session *session, const struct wire_message *message,
                   struct recap_error *error)
{
    struct wire_in in = {message->data, message->data + message->length, false};
    if (message->type == ASK_HELLO)
        return hello(session, &in, error);
    if (!session->greeted)
        return recap_refuse(error, RECAP_FAILED, -EPROTO,
                            "core speaks version %d of its protocol, and waits for a hello",
                            WIRE_VERSION);
    if (message->type == ASK_BYE) {
        session_clear(session);
        return 0;
    }
    if (message->type >= ASK_END || !serve[message->type])
        return recap_refuse(error, RECAP_FAILED, -ENOSYS, "core does not know request %u",
                            message->type);
    if (session->limits->looks && !only_looks[message->type])
        return refuse_act(message->type, error);
    return serve[message->type](session, &in, error);
}

static int answer(struct session *session, int result, const struct recap_error *error)
{
    struct wire_out *out = &session->out;
    int fd = session->fd;
    session->fd = -1;
    session->answer = ANSWER_DONE;
    if (result < 0 || out->failed) {
        struct recap_error full;
        session->answer = ANSWER_ERROR;
        recap_fail(&full, result < 0 ? result : -EIO, "serving the request");
        out->length = 0;
        if (out->failed) {
            recap_fail(&full, -ENOMEM, "answering");
            error = &full;
            out->failed = false;
        }
        wire_put_error(out, error->code < 0 ? error : &full);
        fd = -1;
    }
    return wire_send(&session->channel, session->answer, session->number, out->data, out->length,
                     fd);
}

/* What could not be received whole is answered too, so that the client need not wait. The answer to
 * the last request is kept: it may be that one which came damaged when it was asked again. */
static int refuse_message(struct session *session, uint32_t number, int why)
{
    struct recap_error error;
    struct wire_out out = {0};
    if (why == -EMSGSIZE)
        recap_refuse(&error, RECAP_FAILED, why, "the request is larger than core allows a client");
    else
        recap_refuse(&error, RECAP_FAILED, -EILSEQ, "the request was damaged on its way to core");
    wire_put_error(&out, &error);
    int result = out.failed
                     ? 0
                     : wire_send(&session->channel, ANSWER_ERROR, number, out.data, out.length, -1);
    free(out.data);
    return result;
}

/* Requests are numbered one after the other, from where the hello says. What comes otherwise was
 * not sent as a request: bytes of one that was damaged, such as a component's memory, may look like
 * a frame. Some room is left for requests that were lost. */
static bool is_foreign(const struct session *session, const struct wire_message *message)
{
    enum { LOST_AT_MOST = 64 };
    bool follows = message->number - session->number - 1 < LOST_AT_MOST;
    return session->greeted && message->type != ASK_HELLO && !follows;
}

/* The last request again: its answer was lost on the way. It is not served twice. */
static bool is_repeated(const struct session *session, const struct wire_message *message)
{
    return session->greeted && message->type != ASK_HELLO && session->answer &&
           message->number == session->number;
}

/* One request. 1, 0 when the client is gone, or a negative errno. */
static int serve_one(struct session *session)
{
    struct wire_message message = session->pending;
    int result = 1;
    if (session->has_pending)
        session->has_pending = false;
    else
        result = wire_receive(&session->channel, &message);
    if (result == 0)
        return 0;
    if (result == -EBADMSG || result == -EMSGSIZE) {
        result = refuse_message(session, message.number, result);
        return result < 0 ? result : 1;
    }
    if (result < 0)
        return result;
    bool repeated = is_repeated(session, &message);
    if (repeated || is_foreign(session, &message)) {
        free(message.data);
        result = repeated ? wire_send(&session->channel, session->answer, session->number,
                                      session->out.data, session->out.length, -1)
                          : 0;
        return result < 0 ? result : 1;
    }
    session->number = message.number;
    session->answer = 0;
    struct recap_error error = {0};
    session->out.length = 0;
    session->fd = -1;
    session->descriptor = message.descriptor;
    result = perform(session, &message, &error);
    free(message.data);
    /* One that nobody asked for must not be taken for the next one. */
    int left;
    session_take_fd(session, &left);
    if (session->broken)
        return -EPIPE;
    result = answer(session, result, &error);
    return result < 0 ? result : 1;
}

int core_serve(struct recap_kernel *kernel, struct core_stream *stream,
               const struct core_limits *limits)
{
    static const struct core_limits none;
    limits = limits ? limits : &none;
    size_t frame = limits->frame ? limits->frame : CORE_FRAME;
    struct session session = {
        .kernel = kernel,
        .ops = kernel ? kernel->ops : NULL,
        .limits = limits,
        .channel = {.stream = stream,
                    .frame_in = frame,
                    .frame_out = frame,
                    .message_in = limits->memory / 4 + (limits->memory ? frame : 0)},
        .fd = -1};
    int result;
    do
        result = serve_one(&session);
    while (result > 0);
    session_clear(&session);
    if (session.has_pending)
        free(session.pending.data);
    free(session.out.data);
    wire_channel_clear(&session.channel);
    return result;
}
