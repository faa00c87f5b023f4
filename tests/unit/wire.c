/* wire.c: what is encoded is decoded as it was, and nothing else is decoded at all. */
#include "core/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A stream in memory: what is written can be read. */
struct memory_stream {
    struct core_stream base;
    unsigned char *bytes;
    size_t length, at;
    size_t step; /* at most so many bytes at a read; 0: all */
};

static ssize_t memory_read(struct core_stream *base, void *buffer, size_t size)
{
    struct memory_stream *stream = (struct memory_stream *)base;
    size_t left = stream->length - stream->at;
    left = left < size ? left : size;
    left = stream->step && left > stream->step ? stream->step : left;
    memcpy(buffer, stream->bytes + stream->at, left);
    stream->at += left;
    return (ssize_t)left;
}

static int memory_write(struct core_stream *base, const void *buffer, size_t size)
{
    struct memory_stream *stream = (struct memory_stream *)base;
    stream->bytes = realloc(stream->bytes, stream->length + size + 1);
    assert_non_null(stream->bytes);
    memcpy(stream->bytes + stream->length, buffer, size);
    stream->length += size;
    return 0;
}

static struct memory_stream new_stream(void)
{
    return (struct memory_stream){.base = {.read = memory_read, .write = memory_write}};
}

static struct wire_channel channel_on(struct memory_stream *stream)
{
    return (struct wire_channel){.stream = &stream->base, .frame_in = 4096, .frame_out = 4096};
}

static void fill(unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 256);
}

static void test_messages_come_as_they_went(void **state)
{
    (void)state;
    static unsigned char bytes[50000];
    const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, sizeof bytes};
    fill(bytes, sizeof bytes);
    for (size_t step = 0; step < 3; step++) {
        struct memory_stream stream = new_stream();
        struct wire_channel channel = channel_on(&stream);
        stream.step = step;
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            assert_int_equal(wire_send(&channel, 7, (uint32_t)i, bytes, sizes[i], -1), 0);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct wire_message message;
            assert_int_equal(wire_receive(&channel, &message), 1);
            assert_int_equal(message.type, 7);
            assert_int_equal(message.number, i);
            assert_int_equal(message.length, sizes[i]);
            if (sizes[i])
                assert_memory_equal(message.data, bytes, sizes[i]);
            free(message.data);
        }
        struct wire_message none;
        assert_int_equal(wire_receive(&channel, &none), 0);
        assert_int_equal(channel.skipped, 0);
        wire_channel_clear(&channel);
        free(stream.bytes);
    }
}

/* Two messages, one byte of the first one changed: the second one comes whole, the first one never
 * comes changed. */
static void test_every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    unsigned char bytes[100];
    fill(bytes, sizeof bytes);
    for (size_t at = 0; at < FRAME_HEADER + sizeof bytes; at++)
        for (unsigned change = 1; change < 256; change <<= 1) {
            struct memory_stream stream = new_stream();
            struct wire_channel channel = channel_on(&stream);
            wire_send(&channel, 7, 1, bytes, sizeof bytes, -1);
            wire_send(&channel, 8, 2, bytes, 10, -1);
            stream.bytes[at] ^= (unsigned char)change;
            struct wire_message message = {0};
            int result = wire_receive(&channel, &message);
            if (result == -EBADMSG)
                result = wire_receive(&channel, &message);
            assert_int_equal(result, 1);
            assert_int_equal(message.type, 8);
            assert_int_equal(message.number, 2);
            assert_memory_equal(message.data, bytes, 10);
            free(message.data);
            wire_channel_clear(&channel);
            free(stream.bytes);
        }
}

/* A kernel that prints on the same line, within a frame too. */
static void test_finds_the_next_frame_behind_noise(void **state)
{
    (void)state;
    static const char noise[] = "panic: \xf5Rcp not really\n\xf5R";
    unsigned char bytes[300];
    fill(bytes, sizeof bytes);
    struct memory_stream stream = new_stream();
    struct wire_channel channel = channel_on(&stream);
    struct wire_message message;
    memory_write(&stream.base, noise, sizeof noise);
    wire_send(&channel, 7, 1, bytes, sizeof bytes, -1);
    size_t whole = stream.length;
    wire_send(&channel, 7, 2, bytes, sizeof bytes, -1);
    /* The second frame is broken open, and its rest stays. */
    unsigned char tail[256];
    memcpy(tail, stream.bytes + whole + 100, stream.length - whole - 100);
    size_t rest = stream.length - whole - 100;
    stream.length = whole + 100;
    memory_write(&stream.base, noise, sizeof noise);
    memory_write(&stream.base, tail, rest);
    wire_send(&channel, 7, 3, bytes, sizeof bytes, -1);
    assert_int_equal(wire_receive(&channel, &message), 1);
    assert_int_equal(message.number, 1);
    free(message.data);
    assert_int_equal(wire_receive(&channel, &message), -EBADMSG);
    assert_int_equal(message.number, 2);
    assert_int_equal(wire_receive(&channel, &message), 1);
    assert_int_equal(message.number, 3);
    assert_memory_equal(message.data, bytes, sizeof bytes);
    free(message.data);
    assert_true(channel.skipped > 0);
    wire_channel_clear(&channel);
    free(stream.bytes);
}

static void test_a_message_is_bounded(void **state)
{
    (void)state;
    static unsigned char bytes[20000];
    struct memory_stream stream = new_stream();
    struct wire_channel channel = channel_on(&stream);
    struct wire_message message;
    channel.message_in = 10000;
    wire_send(&channel, 7, 1, bytes, sizeof bytes, -1);
    wire_send(&channel, 7, 2, bytes, 10000, -1);
    assert_int_equal(wire_receive(&channel, &message), -EMSGSIZE);
    assert_int_equal(message.number, 1);
    assert_int_equal(wire_receive(&channel, &message), 1);
    assert_int_equal(message.length, 10000);
    free(message.data);
    /* A frame that is longer than any may be is none. */
    channel.frame_out = 8192;
    wire_send(&channel, 7, 3, bytes, 8000, -1);
    assert_int_equal(wire_receive(&channel, &message), 0);
    wire_channel_clear(&channel);
    free(stream.bytes);
}

static void test_numbers(void **state)
{
    (void)state;
    const uint64_t numbers[] = {
        0, 1, 127, 128, 300, UINT32_MAX, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    struct wire_out out = {0};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        wire_put_number(&out, numbers[i]);
        wire_put_signed(&out, (int64_t)numbers[i]);
    }
    struct wire_in in = {out.data, out.data + out.length, false};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        assert_true(wire_get_number(&in) == numbers[i]);
        assert_true(wire_get_signed(&in) == (int64_t)numbers[i]);
    }
    assert_true(wire_done(&in));
    free(out.data);
    /* Longer than needed, and larger than there is. */
    const unsigned char wrong[][11] = {
        {0x80, 0x00},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        in = (struct wire_in){wrong[i], wrong[i] + sizeof wrong[i], false};
        wire_get_number(&in);
        assert_true(in.failed);
    }
}

static struct recap_value *sample_tree(struct recap_arena *arena)
{
    struct recap_value *tree = recap_record(arena);
    recap_put_number(arena, tree, "number", -5);
    recap_put_hex(arena, tree, "hex", UINT64_MAX);
    recap_put_text(arena, tree, "text", "na\xc3\xafve \xff");
    recap_put_bytes(arena, tree, "bytes", "a\0b", 3);
    recap_put_bytes(arena, tree, "none", "", 0);
    recap_put_object(arena, tree, "object", 17);
    struct recap_value *list = recap_put_list(arena, tree, "list");
    recap_put_number(arena, list, NULL, INT64_MIN);
    recap_put_record(arena, list, NULL);
    return tree;
}

struct sample {
    struct recap_object object;
    struct recap_region region;
    struct recap_thread thread;
    struct recap_slot slot;
    struct recap_cap cap;
    struct recap_error error;
};

static struct sample new_sample(struct recap_arena *arena)
{
    static struct recap_range ranges[] = {{0x1000, 0x1000, 5}, {0x4000, 0x2000, 77}};
    struct sample sample = {
        .object = {.kind = "pipe", .label = NULL, .external = true, .content = 9},
        .region = {0x1000, 0x9000, 3, true, 4, 0x2000, "[heap]", NULL, ranges, 2},
        .thread = {7, "registers", 9, "", 0, NULL},
        .slot = {12, 3, 1, 1, UINT32_MAX},
        .cap = {99, "pipe", 2, 1, 4},
    };
    sample.object.state = sample_tree(arena);
    sample.thread.state = sample_tree(arena);
    recap_refuse(&sample.error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "it is %s", "strange");
    recap_error_at(&sample.error, UINT64_MAX - 1);
    recap_error_object(&sample.error, "thing");
    recap_error_remedy(&sample.error, "do without");
    return sample;
}

static void put_sample(struct wire_out *out, const struct sample *sample)
{
    wire_put_object(out, &sample->object);
    wire_put_region(out, &sample->region);
    wire_put_thread(out, &sample->thread);
    wire_put_slot(out, &sample->slot);
    wire_put_cap(out, &sample->cap);
    wire_put_error(out, &sample->error);
}

static void get_sample(struct wire_in *in, struct recap_arena *arena, struct sample *sample)
{
    *sample = (struct sample){0};
    wire_get_object(in, arena, &sample->object);
    wire_get_region(in, arena, &sample->region);
    wire_get_thread(in, arena, &sample->thread);
    wire_get_slot(in, &sample->slot);
    wire_get_cap(in, arena, &sample->cap);
    wire_get_error(in, &sample->error);
}

static void test_parts_of_a_graph(void **state)
{
    (void)state;
    struct recap_arena *arena = recap_arena_new();
    struct sample had = new_sample(arena), has;
    struct wire_out out = {0};
    put_sample(&out, &had);
    assert_false(out.failed);
    struct wire_in in = {out.data, out.data + out.length, false};
    get_sample(&in, arena, &has);
    assert_true(wire_done(&in));
    assert_string_equal(has.object.kind, "pipe");
    assert_null(has.object.label);
    assert_true(has.object.external && has.object.content == 9);
    assert_true(recap_value_equal(has.object.state, had.object.state));
    assert_int_equal(has.region.range_count, 2);
    assert_memory_equal(has.region.ranges, had.region.ranges, 2 * sizeof *has.region.ranges);
    assert_string_equal(has.region.name, "[heap]");
    assert_true(has.region.shared && has.region.object == 4 && has.region.offset == 0x2000);
    assert_int_equal(has.thread.registers_length, 9);
    assert_memory_equal(has.thread.registers, "registers", 9);
    assert_int_equal(has.thread.extended_length, 0);
    assert_true(recap_value_equal(has.thread.state, had.thread.state));
    assert_memory_equal(&has.slot, &had.slot, sizeof has.slot);
    assert_true(has.cap.badge == 99 && has.cap.references == 4);
    assert_string_equal(has.cap.kind, "pipe");
    assert_int_equal(has.error.code, -EOPNOTSUPP);
    assert_int_equal(has.error.cls, RECAP_UNSUPPORTED);
    assert_true(has.error.has_selector && has.error.selector == UINT64_MAX - 1);
    assert_string_equal(has.error.what, "it is strange");
    assert_string_equal(has.error.object, "thing");
    assert_string_equal(has.error.remedy, "do without");
    free(out.data);
    recap_arena_free(arena);
}

/* Cut off anywhere, it is malformed; with any byte changed, it is decoded or not, but in bounds. */
static void test_malformed_parts(void **state)
{
    (void)state;
    struct recap_arena *arena = recap_arena_new();
    struct sample had = new_sample(arena), has;
    struct wire_out out = {0};
    put_sample(&out, &had);
    for (size_t length = 0; length < out.length; length++) {
        unsigned char *copy = malloc(length + 1); /* of that size, for the sanitizer */
        memcpy(copy, out.data, length);
        struct wire_in in = {copy, copy + length, false};
        get_sample(&in, arena, &has);
        assert_true(in.failed);
        free(copy);
    }
    for (size_t at = 0; at < out.length; at++)
        for (unsigned value = 0; value < 256; value += 15) {
            unsigned char *copy = malloc(out.length);
            memcpy(copy, out.data, out.length);
            copy[at] = (unsigned char)value;
            struct wire_in in = {copy, copy + out.length, false};
            get_sample(&in, arena, &has);
            assert_true(in.at <= in.end);
            free(copy);
        }
    free(out.data);
    recap_arena_free(arena);
}

static void test_a_tree_is_not_too_deep(void **state)
{
    (void)state;
    struct recap_arena *arena = recap_arena_new();
    struct wire_out out = {0};
    for (int i = 0; i < 100000; i++) {
        wire_put_number(&out, RECAP_LIST + 1);
        wire_put_number(&out, 1);
    }
    wire_put_number(&out, RECAP_LIST + 1);
    wire_put_number(&out, 0);
    struct wire_in in = {out.data, out.data + out.length, false};
    assert_null(wire_get_value(&in, arena));
    assert_true(in.failed);
    free(out.data);
    recap_arena_free(arena);
}

static void test_an_arena_has_its_limit(void **state)
{
    (void)state;
    struct recap_arena *arena = recap_arena_new();
    recap_arena_limit(arena, 1000000);
    size_t got = 0;
    while (recap_arena_alloc(arena, 10000))
        got += 10000;
    assert_in_range(got, 800000, 1000000);
    assert_true(recap_arena_failed(arena));
    recap_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_come_as_they_went),
        cmocka_unit_test(test_every_damaged_byte_is_noticed),
        cmocka_unit_test(test_finds_the_next_frame_behind_noise),
        cmocka_unit_test(test_a_message_is_bounded),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_parts_of_a_graph),
        cmocka_unit_test(test_malformed_parts),
        cmocka_unit_test(test_a_tree_is_not_too_deep),
        cmocka_unit_test(test_an_arena_has_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
