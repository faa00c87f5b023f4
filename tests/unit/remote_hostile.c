/* remote_hostile.c: a core that answers without end: its client takes a bounded part of it, says
 * so, and is done with that core. */
#include "engine/engine.h"
#include "kernel/remote/remote.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MIB = 1024 * 1024, PIECE = 32 * 1024 };

enum way {
    ENDLESS,   /* the answer to `victim` has no last frame */
    FITTING,   /* it is as large as it may be, and no larger */
    TOO_LARGE, /* it is whole, and larger than what was asked for */
    WISHING,   /* core wishes for content for ever */
    WALKING,   /* there is always another selector */
    NAMING,    /* each object names one that was not met */
};

/* Makes up what core says as the client reads it. */
struct hostile {
    struct core_stream base;
    enum way way;
    uint8_t victim;
    size_t size;  /* of a FITTING or TOO_LARGE answer */
    uint8_t type; /* of the last request */
    uint32_t number;
    uint64_t next;  /* selector or badge */
    uint16_t place; /* of the frame in an endless answer */
    size_t said, wishes;
    struct wire_out out; /* frames to be read */
    size_t read;
};

static int keep(struct core_stream *base, const void *buffer, size_t size)
{
    struct hostile *hostile = (struct hostile *)base;
    void *room = wire_put_room(&hostile->out, size);
    assert_non_null(room);
    memcpy(room, buffer, size);
    return 0;
}

/* A frame by hand, for a message that has no end. */
static void say_frame(struct hostile *hostile, uint8_t type, bool more, const void *data,
                      size_t size)
{
    struct hostile writer = {.base = {.write = keep}, .out = hostile->out};
    struct wire_channel channel = {.stream = &writer.base, .frame_out = MIB};
    size_t at = hostile->out.length;
    assert_int_equal(wire_send(&channel, type, hostile->number, data, size, -1), 0);
    hostile->out = writer.out;
    unsigned char *header = hostile->out.data + at;
    header[5] = more ? WIRE_MORE : 0;
    header[6] = (unsigned char)hostile->place;
    header[7] = (unsigned char)(hostile->place >> 8);
    uint32_t sum = wire_checksum(header, 20);
    memcpy(header + 20, &sum, sizeof sum);
    hostile->place = (uint16_t)(more ? hostile->place + 1 : 0);
}

static void say(struct hostile *hostile, uint8_t type, struct wire_out *out)
{
    say_frame(hostile, type, false, out->data, out->length);
    free(out->data);
    *out = (struct wire_out){0};
}

static void say_hello(struct hostile *hostile)
{
    struct wire_out out = {0};
    wire_put_number(&out, WIRE_VERSION);
    wire_put_text(&out, "linux");
    wire_put_text(&out, "x86_64");
    wire_put_text(&out, "1.0");
    wire_put_number(&out, MIB);
    wire_put_number(&out, 0);
    say(hostile, ANSWER_DONE, &out);
}

static void say_walk(struct hostile *hostile)
{
    struct wire_out out = {0};
    for (int i = 0; i < 1000; i++) {
        uint64_t selector = hostile->way == WALKING ? hostile->next++ : 0;
        const struct recap_cap cap = {.badge = 1, .kind = "k", .references = 1};
        wire_put_number(&out, selector);
        wire_put_cap(&out, &cap);
        wire_put_number(&out, hostile->way == WALKING ? selector + 1 : RECAP_NO_SELECTOR);
        if (hostile->way != WALKING)
            break;
    }
    say(hostile, ANSWER_DONE, &out);
}

/* A kind, a label, a state that is another object. */
static void say_object(struct hostile *hostile)
{
    struct wire_out out = {0};
    struct recap_arena *arena = recap_arena_new();
    struct recap_value *state = recap_record(arena);
    recap_put_object(arena, state, "next", 2 + hostile->next++);
    const struct recap_object object = {.kind = "k", .label = "l", .state = state};
    wire_put_number(&out, 1);
    wire_put_object(&out, &object);
    recap_arena_free(arena);
    say(hostile, ANSWER_DONE, &out);
}

static void say_wish(struct hostile *hostile)
{
    struct wire_out out = {0};
    hostile->wishes++;
    wire_put_number(&out, 1);
    wire_put_number(&out, 0);
    wire_put_number(&out, 1);
    say(hostile, ANSWER_WANTS_CONTENT, &out);
}

static void say_something(struct hostile *hostile)
{
    static const char zeros[PIECE];
    struct wire_out out = {0};
    if (hostile->type == ASK_HELLO) {
        say_hello(hostile);
    } else if (hostile->type == hostile->victim && hostile->way == ENDLESS) {
        say_frame(hostile, ANSWER_DONE, true, zeros, sizeof zeros);
    } else if (hostile->type == hostile->victim &&
               (hostile->way == FITTING || hostile->way == TOO_LARGE)) {
        memset(wire_put_room(&out, hostile->size), 0, hostile->size);
        say(hostile, ANSWER_DONE, &out);
    } else if (hostile->type == ASK_CREATE && hostile->way == WISHING) {
        say_wish(hostile);
    } else if (hostile->type == ASK_REQUEST) {
        say_walk(hostile);
    } else if (hostile->type == ASK_DESCRIBE) {
        say_object(hostile);
    } else {
        wire_put_number(&out, 1);
        if (hostile->type == ASK_GRAPH || hostile->type == ASK_SUSPEND ||
            hostile->type == ASK_CLOSE)
            out.length = 0;
        say(hostile, ANSWER_DONE, &out);
    }
}

static int take(struct core_stream *base, const void *buffer, size_t size)
{
    struct hostile *hostile = (struct hostile *)base;
    const uint8_t *header = buffer;
    if (size < FRAME_HEADER || memcmp(header, "\xf5Rcp", 4) != 0)
        return 0; /* the rest of a long one */
    hostile->type = header[4];
    memcpy(&hostile->number, header + 8, sizeof hostile->number);
    if (hostile->type == ANSWER_CONTENT)
        hostile->type = ASK_CREATE;
    hostile->out.length = hostile->read = 0;
    hostile->place = 0;
    if (!(header[5] & WIRE_MORE))
        say_something(hostile);
    return 0;
}

static ssize_t give(struct core_stream *base, void *buffer, size_t size)
{
    struct hostile *hostile = (struct hostile *)base;
    if (hostile->read == hostile->out.length && hostile->place) {
        hostile->out.length = hostile->read = 0;
        say_something(hostile);
    }
    size_t left = hostile->out.length - hostile->read;
    left = left < size ? left : size;
    assert_true((hostile->said += left) < 64 * MIB); /* the client should have had enough */
    memcpy(buffer, hostile->out.data + hostile->read, left);
    hostile->read += left;
    return (ssize_t)left;
}

static struct remote_kernel *meet(struct hostile *hostile)
{
    struct remote_kernel *kernel = NULL;
    hostile->base = (struct core_stream){.read = give, .write = take};
    setenv("RECAP_MEMORY", "1", 1);
    assert_int_equal(remote_connect(&hostile->base, "test", &kernel, NULL), 0);
    unsetenv("RECAP_MEMORY");
    return kernel;
}

static void part(struct hostile *hostile, struct remote_kernel *kernel)
{
    kernel->base.ops->close(&kernel->base);
    free(hostile->out.data);
}

/* One request of each type. */
static int ask(struct remote_kernel *kernel, uint8_t type, struct recap_error *error)
{
    struct wire_out out = {0};
    struct remote_answer answer;
    wire_put_number(&out, 1);
    int result = remote_ask(kernel, type, &out, -1, &answer, error);
    remote_answer_clear(&answer);
    return result;
}

static void test_answers_without_end(void **state)
{
    (void)state;
    for (unsigned type = ASK_LIST; type < ASK_END; type++) {
        struct hostile hostile = {.way = ENDLESS, .victim = (uint8_t)type};
        struct remote_kernel *kernel = meet(&hostile);
        struct recap_error error = {0};
        assert_int_equal(ask(kernel, (uint8_t)type, &error), -EMSGSIZE);
        assert_non_null(strstr(error.what, "core at test"));
        assert_true(hostile.said < 4 * MIB);
        /* It is done with this core. */
        assert_int_equal(ask(kernel, ASK_LIST, &error), -EPIPE);
        part(&hostile, kernel);
    }
}

static int read_some(struct remote_kernel *kernel, size_t size, struct recap_error *error)
{
    struct recap_pd *pd = NULL;
    char *buffer = malloc(size);
    assert_non_null(buffer);
    assert_int_equal(kernel->base.ops->pd_open(&kernel->base, 1, &pd, error), 0);
    int result = kernel->base.ops->read(pd, 0, buffer, size, error);
    kernel->base.ops->pd_close(pd);
    free(buffer);
    return result;
}

/* What was asked for with its size comes, however little memory there is for lists. */
static void test_as_much_as_was_asked_for(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 4096, MIB / 2};
    for (size_t i = 0; i < 3; i++) {
        struct hostile fitting = {.way = FITTING, .victim = ASK_READ, .size = sizes[i]};
        struct hostile larger = {.way = TOO_LARGE, .victim = ASK_READ, .size = sizes[i] + 1};
        struct recap_error error = {0};
        struct remote_kernel *kernel = meet(&fitting);
        assert_int_equal(read_some(kernel, sizes[i], &error), 0);
        part(&fitting, kernel);
        kernel = meet(&larger);
        assert_int_equal(read_some(kernel, sizes[i], &error), -EBADMSG);
        part(&larger, kernel);
    }
}

static ssize_t content(void *context, uint64_t id, uint64_t offset, void *buffer, size_t size)
{
    (void)context;
    (void)id;
    (void)offset;
    memset(buffer, 'c', size);
    return (ssize_t)size;
}

static void test_wishes_without_end(void **state)
{
    (void)state;
    struct hostile hostile = {.way = WISHING};
    struct recap_error error = {0};
    struct recap_graph *graph = recap_graph_new();
    struct recap_object *object = recap_graph_add_object(graph);
    recap_badge badges[2] = {0}, badge = 0;
    const struct recap_creation creation = {.graph = graph, .badges = badges, .content = content};
    object->kind = "k";
    object->content = 1000;
    graph->kernel = "linux";
    graph->machine = "x86_64";
    struct remote_kernel *kernel = meet(&hostile);
    assert_int_equal(remote_push(kernel, graph, &error), 0);
    assert_int_equal(remote_create(&kernel->base, &creation, 1, &badge, &error), -EPROTO);
    assert_non_null(strstr(error.what, "wishes for more content"));
    assert_int_equal(badge, 0);
    /* Enough to have it byte by byte, and again where a question was lost. */
    assert_in_range(hostile.wishes, 4 * 1000, 100 * 1000);
    part(&hostile, kernel);
    recap_graph_free(graph);
}

static void walk(enum way way)
{
    struct hostile hostile = {.way = way};
    struct recap_error error = {0};
    struct recap_refusals refusals = {0};
    struct recap_pd *pd = NULL;
    struct recap_walk walk;
    struct recap_graph *graph = recap_graph_new();
    struct recap_pd_image *image = recap_graph_add_pd(graph);
    struct remote_kernel *kernel = meet(&hostile);
    assert_int_equal(kernel->base.ops->pd_open(&kernel->base, 1, &pd, &error), 0);
    recap_walk_init(&walk, &kernel->base, graph);
    int result = recap_walk_slots(&walk, pd, image, &error);
    if (way == NAMING) {
        assert_int_equal(result, 0);
        result = recap_walk_objects(&walk, NULL, 0, &refusals, &error);
    }
    assert_true(result < 0);
    recap_walk_clear(&walk);
    recap_refusals_clear(&refusals);
    kernel->base.ops->pd_close(pd);
    part(&hostile, kernel);
    recap_graph_free(graph);
}

static void test_components_without_end(void **state)
{
    (void)state;
    walk(WALKING);
    walk(NAMING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_without_end),
        cmocka_unit_test(test_as_much_as_was_asked_for),
        cmocka_unit_test(test_wishes_without_end),
        cmocka_unit_test(test_components_without_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
