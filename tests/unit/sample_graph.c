/* sample_graph.c: a graph with something of everything, and an image of it. */
#include "tests/unit/sample_graph.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE = 4096, REGISTERS = 216 };

static void add_slot(struct recap_graph *graph, struct recap_pd_image *pd, uint64_t selector,
                     uint64_t object, uint32_t rights, uint32_t flags)
{
    *recap_graph_add_slot(graph, pd) = (struct recap_slot){
        .selector = selector, .object = object, .rights = rights, .flags = flags, .references = 1};
}

static void add_object(struct recap_graph *graph, const char *kind, const char *label,
                       struct recap_value *state)
{
    struct recap_object *object = recap_graph_add_object(graph);
    object->kind = kind;
    object->label = label;
    object->state = state;
}

/* `count` ranges of one page each, `stride` bytes apart. */
static struct recap_region *add_region(struct recap_graph *graph, struct recap_pd_image *pd,
                                       uint64_t start, uint64_t length, size_t count,
                                       uint64_t stride)
{
    struct recap_region *region = recap_graph_add_region(graph, pd);
    *region = (struct recap_region){.start = start,
                                    .length = length,
                                    .protection = RECAP_PROT_READ | RECAP_PROT_WRITE,
                                    .range_count = count};
    region->ranges = recap_arena_alloc(graph->arena, count * sizeof *region->ranges);
    for (size_t i = 0; i < count; i++)
        region->ranges[i] =
            (struct recap_range){.start = start + i * stride, .length = stride ? PAGE : length};
    return region;
}

static void add_thread(struct recap_graph *graph, struct recap_pd_image *pd, uint64_t id,
                       size_t extended)
{
    struct recap_thread *thread = recap_graph_add_thread(graph, pd);
    unsigned char *registers = recap_arena_alloc(graph->arena, REGISTERS);
    unsigned char *more = recap_arena_alloc(graph->arena, extended + 1);
    memset(registers, (int)id, REGISTERS);
    memset(more, (int)id + 1, extended);
    if (extended >= 576) {
        /* Which parts of an XSAVE area are there: debuggers look. */
        memset(more + 464, 0, 112);
        more[464] = more[512] = 7;
    }
    *thread = (struct recap_thread){.id = id,
                                    .registers = registers,
                                    .registers_length = REGISTERS,
                                    .extended = more,
                                    .extended_length = extended,
                                    .state = recap_record(graph->arena)};
    recap_put_hex(graph->arena, thread->state, "signal_mask", 0x8000000000000000);
    recap_put_text(graph->arena, thread->state, "name", "worker");
}

/* Every type of value, and every value that JSON could confuse with another. */
static struct recap_value *every_value(struct recap_arena *arena)
{
    struct recap_value *record = recap_record(arena);
    recap_put_number(arena, record, "least", INT64_MIN);
    recap_put_number(arena, record, "most", INT64_MAX);
    recap_put_hex(arena, record, "zero", 0);
    recap_put_hex(arena, record, "all ones", UINT64_MAX);
    recap_put_text(arena, record, "empty", "");
    recap_put_text(arena, record, "like hex", "0x1f");
    recap_put_text(arena, record, "almost hex", "0x");
    recap_put_text(arena, record, "quotes", "a \"b\" \\ / \t\n\x1b[31m");
    recap_put_text(arena, record, "greek", "\xce\xb1\xe2\x82\xac\xf0\x9f\x98\x80");
    recap_put_text(arena, record, "latin 1", "caf\xe9");
    recap_put_text(arena, record, "overlong", "\xc0\xaf");
    recap_put_text(arena, record, "surrogate", "\xed\xa0\x80");
    recap_put_text(arena, record, "right to left", "\xe2\x80\xae");
    recap_put_bytes(arena, record, "no bytes", "", 0);
    recap_put_bytes(arena, record, "1 byte", "\0", 1);
    recap_put_bytes(arena, record, "2 bytes", "\xff\xfe", 2);
    recap_put_bytes(arena, record, "3 bytes", "a\0b", 3);
    recap_put_object(arena, record, "object", 2);
    struct recap_value *lists = recap_put_list(arena, record, "list");
    recap_put_number(arena, lists, NULL, 1);
    recap_put_list(arena, lists, NULL);
    recap_put_record(arena, lists, NULL);
    static const char *const forms[] = {"object", "bytes", "text", "record"};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        recap_put_number(arena, recap_put_record(arena, lists, NULL), forms[i], 1);
        recap_put_record(arena, recap_put_record(arena, lists, NULL), forms[i]);
        recap_put_text(arena, recap_put_record(arena, lists, NULL), forms[i], "AAAA");
    }
    return record;
}

static void fill_first_pd(struct recap_graph *graph)
{
    struct recap_pd_image *pd = recap_graph_add_pd(graph);
    pd->id = 4711;
    pd->name = "worker";
    pd->attributes = every_value(graph->arena);
    add_slot(graph, pd, 0, 1, RECAP_RIGHT_READ, 0);
    add_slot(graph, pd, 1, 1, RECAP_RIGHT_READ | RECAP_RIGHT_WRITE, RECAP_SLOT_CLOSE_ON_EXEC);
    add_slot(graph, pd, 1000000, 3, 0, 0);
    add_slot(graph, pd, UINT64_MAX - 1, 4, RECAP_RIGHT_SEND | RECAP_RIGHT_SPECIAL, 0);
    pd->slots[3].references = 7;
    struct recap_region *text = add_region(graph, pd, 0x400000, 16 * PAGE, 0, 0);
    text->protection = RECAP_PROT_READ | RECAP_PROT_EXECUTE;
    text->object = 1;
    text->offset = 8192;
    text->name = "/usr/bin/caf\xe9";
    add_region(graph, pd, 0x500000, 64 * PAGE, 32, 2 * PAGE);
    add_region(graph, pd, 0x600000, 600 * PAGE, 1, 0)->state = every_value(graph->arena);
    add_region(graph, pd, 0x7ffffff00000, 16 * PAGE, 4, 4 * PAGE)->name = "[stack]";
    add_thread(graph, pd, 4711, 2696);
    add_thread(graph, pd, 4712, 512);
    add_thread(graph, pd, 4713, 0);
    add_thread(graph, pd, 4714, 77);
}

struct recap_graph *sample_graph(void)
{
    struct recap_graph *graph = recap_graph_new();
    graph->kernel = "linux";
    graph->machine = "x86_64";
    graph->release = "6.18.0";
    graph->taken = 1795000000;
    fill_first_pd(graph);
    struct recap_pd_image *second = recap_graph_add_pd(graph);
    second->id = 4800;
    second->attributes = recap_record(graph->arena);
    recap_put_number(graph->arena, second->attributes, "object", 3);
    add_slot(graph, second, 5, 2, RECAP_RIGHT_WRITE, 0);
    add_region(graph, second, 0x10000, PAGE, 1, 0);
    add_thread(graph, second, 4800, 576);
    second->threads[0].registers_length = 100;
    add_object(graph, "eventfd", "event counter", every_value(graph->arena));
    add_object(graph, "pipe", "pipe", recap_record(graph->arena));
    add_object(graph, "epoll", NULL, recap_record(graph->arena));
    add_object(graph, "socket", "TCP socket to elsewhere", NULL);
    graph->objects[1].content = strlen("hello pipe\n");
    graph->objects[3].external = true;
    /* A circle through a tie is none. */
    struct recap_value *ties = recap_put_list(graph->arena, graph->objects[2].state, "ties");
    recap_put_object(graph->arena, recap_put_record(graph->arena, ties, NULL), "target", 3);
    assert_false(recap_arena_failed(graph->arena));
    return graph;
}

unsigned char sample_byte(uint64_t address)
{
    return (unsigned char)((address >> 12) * 31 + (address & 0xff) * 7 + (address >> 20));
}

static void put_range(struct recap_image_writer *writer, const struct recap_range *range)
{
    struct recap_error error;
    for (uint64_t at = 0; at < range->length;) {
        void *buffer = NULL;
        size_t size = range->length - at < 1 << 20 ? (size_t)(range->length - at) : 1 << 20;
        assert_int_equal(recap_image_room(writer, &buffer, &error), 0);
        for (size_t i = 0; i < size; i++)
            ((unsigned char *)buffer)[i] = sample_byte(range->start + at + i);
        assert_int_equal(recap_image_put(writer, buffer, range->offset + at, size, &error), 0);
        at += size;
    }
}

void sample_write(const char *path, struct recap_graph *graph)
{
    struct recap_image_writer *writer = NULL;
    struct recap_error error = {0};
    int result = recap_image_create(path, &writer, &error);
    if (result == 0)
        result = recap_image_content(writer, 2, "hello ", 6, &error);
    if (result == 0)
        result = recap_image_content(writer, 2, "pipe\n", 5, &error);
    for (size_t p = 0; result == 0 && p < graph->pd_count; p++) {
        struct recap_pd_image *pd = &graph->pds[p];
        result = recap_image_begin_core(writer, pd, &error);
        /* The last region first: not every writer has the bytes in order. */
        for (size_t r = pd->region_count; result == 0 && r--;)
            for (size_t i = 0; i < pd->regions[r].range_count; i++)
                put_range(writer, &pd->regions[r].ranges[i]);
    }
    for (size_t p = 0; result == 0 && p < graph->pd_count; p++)
        result = recap_image_end_core(writer, graph, &graph->pds[p], &error);
    if (result == 0)
        result = recap_image_commit(writer, graph, &error);
    recap_image_discard(writer);
    if (result < 0)
        fail_msg("%s", error.what);
}

static void assert_same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a)
        assert_string_equal(a, b);
}

static void assert_same_region(const struct recap_region *a, const struct recap_region *b)
{
    assert_true(a->start == b->start && a->length == b->length && a->object == b->object);
    assert_true(a->offset == b->offset && a->protection == b->protection && a->shared == b->shared);
    assert_same_text(a->name, b->name);
    assert_true(recap_value_equal(a->state, b->state));
    assert_int_equal(a->range_count, b->range_count);
    if (a->range_count)
        assert_memory_equal(a->ranges, b->ranges, a->range_count * sizeof *a->ranges);
}

static void assert_same_thread(const struct recap_thread *a, const struct recap_thread *b)
{
    assert_int_equal(a->id, b->id);
    assert_true(recap_value_equal(a->state, b->state));
    if (!b->registers)
        return;
    assert_int_equal(a->registers_length, b->registers_length);
    assert_memory_equal(a->registers, b->registers, a->registers_length);
    assert_int_equal(a->extended_length, b->extended_length);
    if (a->extended_length)
        assert_memory_equal(a->extended, b->extended, a->extended_length);
}

static void assert_same_pd(const struct recap_pd_image *a, const struct recap_pd_image *b)
{
    assert_int_equal(a->id, b->id);
    assert_same_text(a->name, b->name);
    assert_true(recap_value_equal(a->attributes, b->attributes));
    assert_int_equal(a->slot_count, b->slot_count);
    for (size_t i = 0; i < a->slot_count; i++)
        assert_memory_equal(&a->slots[i], &b->slots[i], sizeof a->slots[i]);
    assert_int_equal(a->region_count, b->region_count);
    for (size_t i = 0; i < a->region_count; i++)
        assert_same_region(&a->regions[i], &b->regions[i]);
    assert_int_equal(a->thread_count, b->thread_count);
    for (size_t i = 0; i < a->thread_count; i++)
        assert_same_thread(&a->threads[i], &b->threads[i]);
}

void sample_assert_same(const struct recap_graph *a, const struct recap_graph *b)
{
    assert_string_equal(a->kernel, b->kernel);
    assert_string_equal(a->machine, b->machine);
    assert_string_equal(a->release, b->release);
    assert_int_equal(a->taken, b->taken);
    assert_int_equal(a->object_count, b->object_count);
    for (size_t i = 0; i < a->object_count; i++) {
        const struct recap_object *x = &a->objects[i], *y = &b->objects[i];
        assert_int_equal(x->id, y->id);
        assert_string_equal(x->kind, y->kind);
        assert_same_text(x->label, y->label);
        assert_int_equal(x->external, y->external);
        assert_int_equal(x->content, y->content);
        assert_true(x->content_checksum == y->content_checksum);
        assert_true(recap_value_equal(x->state, y->state));
    }
    assert_int_equal(a->pd_count, b->pd_count);
    for (size_t i = 0; i < a->pd_count; i++)
        assert_same_pd(&a->pds[i], &b->pds[i]);
}

void sample_assert_pages(struct recap_image *image)
{
    const struct recap_graph *graph = recap_image_graph(image);
    unsigned char page[PAGE];
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t r = 0; r < graph->pds[p].region_count; r++)
            for (size_t i = 0; i < graph->pds[p].regions[r].range_count; i++) {
                const struct recap_range *range = &graph->pds[p].regions[r].ranges[i];
                int core = recap_image_core(image, &graph->pds[p]);
                assert_int_equal(range->offset % PAGE, 0);
                for (uint64_t at = 0; at < range->length; at += PAGE) {
                    assert_int_equal(pread(core, page, PAGE, (off_t)(range->offset + at)), PAGE);
                    for (size_t b = 0; b < PAGE; b++)
                        assert_int_equal(page[b], sample_byte(range->start + at + b));
                }
            }
}

int sample_folder(void **state)
{
    static char folder[64];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.40s/recap-test-XXXXXX", base ? base : "/tmp");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

int sample_remove_folder(void **state)
{
    return nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

char *sample_path(const char *folder, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}
