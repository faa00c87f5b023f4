/* json.c: what is not exactly JSON of ours, or not exactly a graph, is refused and told by its
 * line where there is one. */
#include "image/json.h"
#include "image/image.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int parse(const char *text, size_t length)
{
    struct recap_arena *arena = recap_arena_new();
    struct recap_value *value = NULL;
    struct recap_error error = {0};
    int result = json_parse(text, length, arena, &value, &error);
    if (result == 0)
        result = json_decode(arena, value);
    else
        assert_true(error.cls == RECAP_DAMAGED && *error.what);
    recap_arena_free(arena);
    return result;
}

static void test_tells_the_line(void **state)
{
    (void)state;
    struct recap_arena *arena = recap_arena_new();
    struct recap_value *value = NULL;
    struct recap_error error = {0};
    static const char text[] = "{\"a\": 1,\n\"b\": [1,\n2,]}";
    assert_int_equal(json_parse(text, strlen(text), arena, &value, &error), -EINVAL);
    assert_non_null(strstr(error.what, "line 3"));
    recap_arena_free(arena);
}

static void test_accepts_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        " \t\r\n-1 ",
        "9223372036854775807",
        "-9223372036854775808",
        "\"\"",
        "\"\\u00e9\\ud83d\\ude00\\n\\/\\\"\"",
        "[]",
        "{}",
        "[1,[2,{\"a\":[]}]]",
        "{\"a\":true,\"b\":false}",
        "{\"object\":\"0xffffffffffffffff\"}",
        "{\"bytes\":\"\"}",
        "{\"bytes\":\"AA==\"}",
        "{\"record\":{\"object\":1}}",
        "\"0x0\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (parse(texts[i], strlen(texts[i])) < 0)
            fail_msg("%s", texts[i]);
}

static void test_refuses_what_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "nul",
        "null",
        "truth",
        "01",
        "-",
        "-01",
        "+1",
        "1.0",
        "1e3",
        "1E3",
        ".5",
        "0x1",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999",
        "1 2",
        "\"",
        "\"\\",
        "\"\\\"",
        "\"\\q\"",
        "\"\\u12\"",
        "\"\\u123",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\x01\"",
        "\"\n\"",
        "\"\xff\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "]",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "{a:1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"\\u0061\":2}",
        "[1}",
        "{\"object\":-1}",
        "{\"object\":\"1\"}",
        "{\"object\":\"0x\"}",
        "{\"object\":\"0x01\"}",
        "{\"object\":\"0xA\"}",
        "{\"object\":\"0x10000000000000000\"}",
        "{\"object\":[]}",
        "{\"bytes\":1}",
        "{\"bytes\":\"A\"}",
        "{\"bytes\":\"AAA\"}",
        "{\"bytes\":\"A===\"}",
        "{\"bytes\":\"====\"}",
        "{\"bytes\":\"AB==\"}",
        "{\"bytes\":\"AAB=\"}",
        "{\"bytes\":\"AA==AAAA\"}",
        "{\"bytes\":\"AA-_\"}",
        "{\"text\":\"AA==\"}",
        "{\"record\":1}",
        "\"0x\"",
        "\"0xg\"",
        "// comment\n1",
        "\xef\xbb\xbf{}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (parse(texts[i], strlen(texts[i])) != -EINVAL)
            fail_msg("accepted: %s", texts[i]);
    assert_int_equal(parse("1\0", 2), -EINVAL);
}

/* Depth is bounded; length is not, and costs as much as it is long. */
static void test_deep_and_long(void **state)
{
    (void)state;
    enum { DEEP = 1000000, LONG = 200000 };
    char *text = malloc(DEEP + LONG * 16);
    memset(text, '[', DEEP);
    assert_int_equal(parse(text, DEEP), -EINVAL);
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    assert_int_equal(parse(text, 200), 0);
    size_t length = (size_t)sprintf(text, "{");
    for (int i = 0; i < LONG; i++)
        length += (size_t)sprintf(text + length, "%s\"m%d\":1", i ? "," : "", i);
    length += (size_t)sprintf(text + length, "}");
    clock_t begin = clock();
    assert_int_equal(parse(text, length), 0);
    assert_true(clock() - begin < 5 * CLOCKS_PER_SEC);
    free(text);
}

static const char whole[] =
    "{\"format\":\"recap-graph\",\"version\":1,\"kernel\":\"linux\",\"machine\":\"x86_64\","
    "\"release\":\"6\",\"taken\":1,\"pds\":[{\"id\":1,\"slots\":[{\"selector\":3,\"object\":1,"
    "\"rights\":[\"read\"],\"flags\":[]},{\"selector\":4,\"object\":2,\"rights\":[],\"flags\":[]}],"
    "\"regions\":[{\"start\":\"0x1000\",\"length\":8192,\"protection\":[],\"shared\":false,"
    "\"content\":[[\"0x1000\",4096,4096],[\"0x2000\",4096,8192]]},{\"start\":\"0x3000\","
    "\"length\":4096,\"protection\":[\"read\"],\"shared\":true,\"object\":1,\"offset\":0}],"
    "\"threads\":[{\"id\":1},{\"id\":2}],\"attributes\":{}}],\"objects\":[{\"id\":1,\"kind\":\"a\","
    "\"state\":{\"on\":{\"object\":2}}},{\"id\":2,\"kind\":\"b\",\"content\":5,"
    "\"checksum\":\"0x1\",\"state\":{\"ties\":[{\"object\":1}]}}]}";

/* The graph above with its first `from` replaced: whether it is refused as damaged. */
static bool refused_with(const char *from, const char *to)
{
    struct recap_graph *graph = NULL;
    struct recap_error error = {0};
    char *text = malloc(sizeof whole + strlen(to));
    const char *at = strstr(whole, from);
    if (!at)
        fail_msg("no %s in the graph", from);
    sprintf(text, "%.*s%s%s", (int)(at - whole), whole, to, at + strlen(from));
    int result = recap_graph_from_json(text, strlen(text), &graph, &error);
    free(text);
    recap_graph_free(graph);
    return result < 0 && error.cls == RECAP_DAMAGED && *error.what;
}

static void test_graphs_that_are_none(void **state)
{
    (void)state;
    static const char *const changes[][2] = {
        {"recap-graph", "other"},
        {"\"version\":1", "\"version\":2"},
        {"\"version\":1", "\"version\":1,\"more\":1"},
        {"\"kernel\":\"linux\",", ""},
        {"\"taken\":1", "\"taken\":\"now\""},
        {"\"pds\":[", "\"pds\":[],\"other\":["},
        {"{\"id\":1,\"slots\"", "{\"slots\""},
        {"\"selector\":4", "\"selector\":3"},
        {"\"selector\":4", "\"selector\":2"},
        {"\"selector\":4", "\"selector\":-4"},
        {"\"selector\":4", "\"selector\":\"0xffffffffffffffff\""},
        {"\"object\":1,\"rights\"", "\"object\":0,\"rights\""},
        {"\"object\":1,\"rights\"", "\"object\":3,\"rights\""},
        {"[\"read\"],\"flags\"", "[\"read\",\"read\"],\"flags\""},
        {"[\"read\"],\"flags\"", "[\"dance\"],\"flags\""},
        {"\"flags\":[]", "\"flags\":[\"read\"]"},
        {"\"flags\":[]", "\"flags\":[],\"references\":4294967296"},
        {"\"start\":\"0x1000\"", "\"start\":\"0x1001\""},
        {"\"start\":\"0x1000\"", "\"start\":\"0x0\""},
        {"\"length\":8192", "\"length\":0"},
        {"\"length\":8192", "\"length\":8193"},
        {"\"length\":8192", "\"length\":12288"},
        {"\"length\":8192", "\"length\":4096"},
        {"\"length\":4096", "\"length\":\"0xffffffffffffe000\""},
        {"\"start\":\"0x3000\"", "\"start\":\"0x2000\""},
        {"\"shared\":false", "\"shared\":2"},
        {"\"shared\":true", "\"shared\":\"true\""},
        {"\"object\":1,\"offset\":0", "\"object\":3,\"offset\":0"},
        {"\"object\":1,\"offset\":0", "\"object\":1"},
        {"\"object\":1,\"offset\":0", "\"offset\":0"},
        {"[\"0x1000\",4096,4096]", "[\"0x0\",4096,4096]"},
        {"[\"0x1000\",4096,4096]", "[\"0x2000\",4096,4096]"},
        {"[\"0x1000\",4096,4096]", "[\"0x1000\",8192,4096]"},
        {"[\"0x1000\",4096,4096]", "[\"0x1000\",0,4096]"},
        {"[\"0x1000\",4096,4096]", "[\"0x1000\",4096]"},
        {"[\"0x2000\",4096,8192]", "[\"0x2000\",8192,8192]"},
        {"[\"0x2000\",4096,8192]", "[\"0x2000\",\"0xfffffffffffff000\",8192]"},
        {"{\"id\":2}", "{\"id\":1}"},
        {"\"attributes\":{}", "\"attributes\":[]"},
        {"\"attributes\":{}", "\"attributes\":{\"object\":1}"},
        {"\"attributes\":{}", "\"attributes\":{\"a\":{\"object\":3}}"},
        {"\"id\":1,\"kind\"", "\"id\":2,\"kind\""},
        {"\"kind\":\"a\"", "\"kind\":\"\""},
        {"\"on\":{\"object\":2}", "\"on\":{\"object\":3}"},
        {"\"on\":{\"object\":2}", "\"on\":{\"object\":1}"},
        {"\"ties\":", "\"knot\":"},
        {"\"content\":5", "\"content\":0"},
        {"\"content\":5,", ""},
        {"\"checksum\":\"0x1\",", ""},
        {"\"machine\":\"x86_64\"", "\"machine\":{\"text\":\"AA==\"}"},
    };
    assert_false(refused_with("x86_64", "x86_64"));
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        if (!refused_with(changes[i][0], changes[i][1]))
            fail_msg("accepted: %s instead of %s", changes[i][1], changes[i][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_the_line),       cmocka_unit_test(test_accepts_json),
        cmocka_unit_test(test_refuses_what_is_none), cmocka_unit_test(test_deep_and_long),
        cmocka_unit_test(test_graphs_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
