/* call.c: one request and its answer. */
#include "kernel/remote/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    ATTEMPTS = 4,
    PATIENCES = 6, /* so much longer may an answer take that has begun */
    HELLOS = 10,   /* said once a second: a machine at a serial line may still be starting */
    HELLO_MS = 1000,
    PIECE = 256 * 1024,
};

void remote_answer_clear(struct remote_answer *answer)
{
    free(answer->message.data);
    *answer = (struct remote_answer){0};
}

const char *remote_word(struct remote_kernel *kernel, const char *text)
{
    if (!text)
        return NULL;
    for (struct remote_word *word = kernel->words; word; word = word->next)
        if (strcmp(word->text, text) == 0)
            return word->text;
    size_t size = strlen(text) + 1;
    enum { SHARE = 64 }; /* of the memory: there are few kinds of objects */
    struct remote_word *word =
        kernel->words_size + size > kernel->memory / SHARE ? NULL : malloc(sizeof *word + size);
    if (!word)
        return NULL;
    kernel->words_size += sizeof *word + size;
    memcpy(word->text, text, size);
    word->next = kernel->words;
    kernel->words = word;
    return word->text;
}

int remote_nonsense(struct remote_kernel *kernel, struct recap_error *error)
{
    kernel->lost = true;
    return recap_refuse(error, RECAP_FAILED, -EBADMSG,
                        "what core at %s answers cannot be understood", kernel->address);
}

int remote_too_much(struct remote_kernel *kernel, const char *what, struct recap_error *error)
{
    kernel->lost = true;
    recap_refuse(error, RECAP_FAILED, -EMSGSIZE, "core at %s tells of %s than %zu MiB hold",
                 kernel->address, what, kernel->memory >> 20);
    return recap_error_remedy(error,
                              "if that is what there is, RECAP_MEMORY=MIB in the environment "
                              "permits more");
}

/* How long an answer may be. What is asked for with its size, or answered with a word, is not
 * longer; lists are as long as what they tell of, up to a share of the memory, as they take more
 * once they are understood. */
static size_t longest(const struct remote_kernel *kernel, uint8_t type)
{
    enum { BESIDE = 64 * 1024 }; /* an error, a name */
    switch (type) {
    case ASK_REGIONS:
    case ASK_THREADS:
    case ASK_ATTRIBUTES:
    case ASK_DESCRIBE:
    case ASK_LABEL:
        return BESIDE + kernel->memory / 4;
    case ASK_LIST:
    case ASK_EXAMINE:
        return BESIDE + kernel->memory / 64;
    case ASK_REQUEST: /* core stops where a frame is half full */
        return BESIDE + kernel->channel.frame_in;
    default:
        return BESIDE + kernel->expected;
    }
}

/* The stream failed; every further request does too. */
static int lose(struct remote_kernel *kernel, int why, struct recap_error *error)
{
    kernel->lost = true;
    if (why == 0 || why == -EPIPE)
        return recap_refuse(error, RECAP_FAILED, -EPIPE, "core at %s is gone", kernel->address);
    if (why == -EINTR)
        return recap_refuse(error, RECAP_FAILED, why, "interrupted while waiting for core at %s",
                            kernel->address);
    if (why == -ETIMEDOUT) {
        recap_refuse(error, RECAP_FAILED, why, "core at %s does not answer", kernel->address);
        return recap_error_remedy(error, "RECAP_DEADLINE=SECONDS in the environment waits longer");
    }
    if (why == -EPROTO)
        return recap_refuse(error, RECAP_FAILED, why,
                            "core at %s wishes for more content than the image has",
                            kernel->address);
    if (why == -EMSGSIZE)
        return remote_too_much(kernel, "more", error);
    return recap_fail(error, why, "speaking to core at %s", kernel->address);
}

/* Core builds an object and wants content of the image. */
static int give_content(struct remote_kernel *kernel, const struct wire_message *wish)
{
    struct wire_in in = {wish->data, wish->data + wish->length, false};
    uint64_t id = wire_get_number(&in);
    uint64_t offset = wire_get_number(&in);
    uint64_t size = wire_get_number(&in);
    const struct recap_creation *creation = kernel->creation;
    struct wire_out out = {0};
    size = size < PIECE ? size : PIECE;
    size = size < kernel->channel.frame_out / 2 ? size : kernel->channel.frame_out / 2;
    const struct recap_object *object = creation ? recap_graph_object(creation->graph, id) : NULL;
    uint64_t content = object ? object->content : 0;
    uint64_t there = offset < content ? content - offset : 0;
    size = size < there ? size : there;
    /* Each wish counts for something, or there could be any number of them. */
    if (kernel->content_left < size + 1)
        return -EPROTO;
    kernel->content_left -= size + 1;
    char *buffer = malloc((size_t)size + 1);
    ssize_t got = -EINVAL;
    if (!buffer)
        got = -ENOMEM;
    else if (wire_done(&in) && object && creation->content)
        got = creation->content(creation->context, id, offset, buffer, (size_t)size);
    wire_put_signed(&out, got < 0 ? got : 0);
    wire_put_bytes(&out, buffer, got > 0 ? (size_t)got : 0);
    int result = out.failed ? -ENOMEM
                            : wire_send(&kernel->channel, ANSWER_CONTENT, wish->number, out.data,
                                        out.length, -1);
    free(out.data);
    free(buffer);
    return result;
}

/* Waits for the answer to the last request; what is left of others is passed over. 1: it is there;
 * otherwise as wire_receive. */
static int await(struct remote_kernel *kernel, struct wire_message *message)
{
    for (;;) {
        int result = wire_receive(&kernel->channel, message);
        if ((result == -EBADMSG || result == -EMSGSIZE) && message->number != kernel->number)
            continue; /* what is left of another answer */
        if (result <= 0)
            return result;
        /* Number 0: core says it to whoever is there, as that it takes no more clients. */
        bool ours = message->number == kernel->number ||
                    (message->type == ANSWER_ERROR && !message->number && !kernel->name);
        if (ours && (message->type == ANSWER_DONE || message->type == ANSWER_ERROR))
            return 1;
        if (ours && message->type == ANSWER_WANTS_CONTENT)
            result = give_content(kernel, message);
        free(message->data);
        message->data = NULL;
        if (result < 0)
            return result;
    }
}

/* Whether it changes nothing, and takes no longer than reading something. */
static bool only_asks(uint8_t type)
{
    switch (type) {
    case ASK_HELLO:
    case ASK_LIST:
    case ASK_NAME:
    case ASK_EXAMINE:
    case ASK_REQUEST:
    case ASK_DESCRIBE:
    case ASK_LABEL:
    case ASK_CONTENT:
    case ASK_COMPARE:
    case ASK_REGIONS:
    case ASK_READ:
    case ASK_THREADS:
    case ASK_ATTRIBUTES:
        return true;
    default:
        return false;
    }
}

static int take_error(struct remote_kernel *kernel, struct remote_answer *answer,
                      struct recap_error *error)
{
    struct recap_error said;
    wire_get_error(&answer->in, &said);
    bool understood = wire_done(&answer->in);
    remote_answer_clear(answer);
    if (!understood)
        return remote_nonsense(kernel, error);
    if (error)
        *error = said;
    return said.code;
}

/* How long one attempt waits for anything to come, and whether for the caller. On a line where
 * nothing but bytes goes, an answer may have been lost: what core does at once is not waited for as
 * long as there is patience. */
static void be_patient(struct remote_kernel *kernel, uint8_t type)
{
    if (!kernel->stream)
        return;
    kernel->stream->wanted = kernel->base.wanted;
    kernel->stream->wanted_context = kernel->base.wanted_context;
    bool line = !(kernel->abilities & CORE_CARRIES);
    if (type == ASK_HELLO || type == ASK_BYE)
        kernel->stream->patience = HELLO_MS;
    else
        kernel->stream->patience =
            line && only_asks(type) ? kernel->patience / ATTEMPTS : kernel->patience;
    /* Something may come all the time and never be an answer. */
    int patience = kernel->stream->patience;
    kernel->stream->hurry = INT32_MAX / PATIENCES < patience ? INT32_MAX : PATIENCES * patience;
}

/* A request keeps its number when it is asked again: core serves it once, and answers as before. */
static int attempt(struct remote_kernel *kernel, uint8_t type, const struct wire_out *out, int fd,
                   struct remote_answer *answer)
{
    be_patient(kernel, type);
    int result = wire_send(&kernel->channel, type, kernel->number, out->data, out->length, fd);
    /* Core may have said why, before it closed. */
    if (result < 0 && result != -EPIPE && result != -ECONNRESET)
        return result;
    int received = await(kernel, &answer->message);
    if (received <= 0)
        return received < 0 ? received : -EPIPE;
    answer->in = (struct wire_in){answer->message.data,
                                  answer->message.data + answer->message.length, false};
    return 0;
}

/* Whether asking again may help: the request came damaged, or the answer did, or one was lost. */
static bool again(const struct remote_answer *answer, int result)
{
    if (result == -EBADMSG || result == -ETIMEDOUT)
        return true;
    struct wire_in in = answer->in;
    return result == 0 && answer->message.type == ANSWER_ERROR && wire_get_signed(&in) == -EILSEQ;
}

int remote_ask(struct remote_kernel *kernel, uint8_t type, struct wire_out *out, int fd,
               struct remote_answer *answer, struct recap_error *error)
{
    *answer = (struct remote_answer){0};
    kernel->moment += !only_asks(type);
    kernel->channel.message_in = longest(kernel, type);
    kernel->expected = 0;
    kernel->content_left = kernel->content_offered;
    int result = 0;
    kernel->number++;
    if (out->failed || kernel->lost)
        result = out->failed ? recap_fail(error, -ENOMEM, "asking core at %s", kernel->address)
                             : lose(kernel, -EPIPE, error);
    for (int tries = type == ASK_HELLO ? HELLOS : ATTEMPTS; result == 0 && tries > 0; tries--) {
        int code = attempt(kernel, type, out, fd, answer);
        if (tries > 1 && fd < 0 && again(answer, code)) {
            remote_answer_clear(answer);
            continue;
        }
        if (code == -EBADMSG)
            result =
                recap_refuse(error, RECAP_FAILED, code,
                             "the answer of core at %s was damaged on its way", kernel->address);
        else if (code < 0)
            result = lose(kernel, code, error);
        else if (answer->message.type == ANSWER_ERROR)
            result = take_error(kernel, answer, error);
        break;
    }
    free(out->data);
    *out = (struct wire_out){0};
    return result;
}

int remote_do(struct remote_kernel *kernel, uint8_t type, struct wire_out *out, int fd,
              struct recap_error *error)
{
    struct remote_answer answer;
    int result = remote_ask(kernel, type, out, fd, &answer, error);
    remote_answer_clear(&answer);
    return result;
}
