/* state.c: trees of values: what is written is read back, copies translate, errors stick. */
#include "graph/graph.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static uint64_t plus_one(void *context, uint64_t object)
{
    (void)context;
    return object + 1;
}

static int sum(void *context, uint64_t object, bool tie)
{
    uint64_t *sums = context;
    sums[tie] += object;
    return 0;
}

static void test_reads_what_was_written(void **state)
{
    (void)state;
    struct recap_arena *arena = recap_arena_new();
    struct recap_value *record = recap_record(arena);
    recap_put_number(arena, record, "count", -7);
    recap_put_hex(arena, record, "mask", UINT64_MAX);
    recap_put_text(arena, record, "path", "/dev/null");
    recap_put_bytes(arena, record, "raw", "a\0b", 3);
    int64_t number;
    uint64_t hex;
    const char *text;
    const void *data;
    size_t length;
    assert_int_equal(recap_get_number(record, "count", &number), 0);
    assert_int_equal(number, -7);
    assert_int_equal(recap_get_hex(record, "mask", &hex), 0);
    assert_true(hex == UINT64_MAX);
    assert_int_equal(recap_get_number(record, "mask", &number), -EINVAL);
    assert_int_equal(recap_get_hex(record, "count", &hex), -EINVAL);
    assert_int_equal(recap_get_text(record, "path", &text), 0);
    assert_string_equal(text, "/dev/null");
    assert_int_equal(recap_get_bytes(record, "raw", &data, &length), 0);
    assert_int_equal(length, 3);
    assert_memory_equal(data, "a\0b", 3);
    assert_int_equal(recap_get_text(record, "absent", &text), -ENOENT);
    assert_false(recap_arena_failed(arena));
    recap_arena_free(arena);
}

static void test_copies_and_finds_objects(void **state)
{
    (void)state;
    struct recap_arena *arena = recap_arena_new();
    struct recap_value *record = recap_record(arena);
    recap_put_object(arena, record, "pipe", 10);
    struct recap_value *ties = recap_put_list(arena, record, "ties");
    struct recap_value *tie = recap_put_record(arena, ties, NULL);
    recap_put_object(arena, tie, "target", 20);
    uint64_t sums[2] = {0, 0};
    struct recap_value *copy = recap_value_copy(arena, record, plus_one, NULL);
    assert_false(recap_value_equal(record, copy));
    assert_int_equal(recap_value_objects(copy, sum, sums), 0);
    assert_int_equal(sums[false], 11);
    assert_int_equal(sums[true], 21);
    assert_true(recap_value_equal(record, recap_value_copy(arena, record, NULL, NULL)));
    recap_arena_free(arena);
}

static void test_graph_arrays_grow(void **state)
{
    (void)state;
    struct recap_graph *graph = recap_graph_new();
    struct recap_pd_image *pd = recap_graph_add_pd(graph);
    for (uint64_t i = 0; i < 1000; i++)
        recap_graph_add_slot(graph, pd)->selector = i * 3;
    assert_int_equal(pd->slot_count, 1000);
    assert_int_equal(recap_graph_slot(pd, 999)->selector, 999);
    assert_null(recap_graph_slot(pd, 1000));
    recap_graph_free(graph);
}

static void test_running_out_of_memory_sticks(void **state)
{
    (void)state;
    struct recap_arena *arena = recap_arena_new();
    assert_null(recap_arena_alloc(arena, SIZE_MAX));
    assert_null(recap_record(arena));
    recap_put_number(arena, NULL, "ignored", 1);
    assert_true(recap_arena_failed(arena));
    recap_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_was_written),
        cmocka_unit_test(test_copies_and_finds_objects),
        cmocka_unit_test(test_graph_arrays_grow),
        cmocka_unit_test(test_running_out_of_memory_sticks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
