/* graph_json_write.c: the capability graph as JSON: one slot, region, thread or object per line. */
#include "image/graph_json.h"
#include "image/image.h"
#include "image/json.h"

#include <errno.h>
#include <stdlib.h>

/* The words of `bits`; a bit without a word cannot be written. */
static void put_words(struct json_text *text, const struct graph_word *words, uint32_t bits)
{
    const char *separator = "";
    json_raw(text, "[");
    for (; words->word; words++) {
        if (!(bits & words->bit))
            continue;
        json_raw(text, separator);
        json_plain(text, words->word);
        separator = ", ";
        bits &= ~words->bit;
    }
    json_raw(text, "]");
    if (bits && !text->failed)
        text->failed = -EINVAL;
}

static void put_slot(struct json_text *text, const struct recap_slot *slot)
{
    json_raw(text, "{\"selector\": ");
    json_id(text, slot->selector);
    json_raw(text, ", \"object\": ");
    json_id(text, slot->object);
    json_raw(text, ", \"rights\": ");
    put_words(text, graph_rights, slot->rights);
    json_raw(text, ", \"flags\": ");
    put_words(text, graph_slot_flags, slot->flags);
    if (slot->references != 1) {
        json_raw(text, ", \"references\": ");
        json_decimal(text, slot->references);
    }
    json_raw(text, "}");
}

/* [start, length, offset in the core file] of each range. */
static void put_ranges(struct json_text *text, const struct recap_region *region)
{
    json_raw(text, ", \"content\": [");
    for (size_t i = 0; i < region->range_count; i++) {
        json_raw(text, i ? ", [" : "[");
        json_hex(text, region->ranges[i].start);
        json_raw(text, ", ");
        json_id(text, region->ranges[i].length);
        json_raw(text, ", ");
        json_id(text, region->ranges[i].offset);
        json_raw(text, "]");
    }
    json_raw(text, "]");
}

static void put_region(struct json_text *text, const struct recap_region *region)
{
    json_raw(text, "{\"start\": ");
    json_hex(text, region->start);
    json_raw(text, ", \"length\": ");
    json_id(text, region->length);
    json_raw(text, ", \"protection\": ");
    put_words(text, graph_protection, region->protection);
    json_raw(text, region->shared ? ", \"shared\": true" : ", \"shared\": false");
    if (region->object) {
        json_raw(text, ", \"object\": ");
        json_id(text, region->object);
        json_raw(text, ", \"offset\": ");
        json_id(text, region->offset);
    }
    if (region->name) {
        json_raw(text, ", \"name\": ");
        json_plain(text, region->name);
    }
    if (region->state) {
        json_raw(text, ", \"state\": ");
        json_value(text, region->state);
    }
    if (region->range_count)
        put_ranges(text, region);
    json_raw(text, "}");
}

static void put_thread(struct json_text *text, const struct recap_thread *thread)
{
    json_raw(text, "{\"id\": ");
    json_id(text, thread->id);
    if (thread->state) {
        json_raw(text, ", \"state\": ");
        json_value(text, thread->state);
    }
    json_raw(text, "}");
}

static void put_object(struct json_text *text, const struct recap_object *object)
{
    json_raw(text, "{\"id\": ");
    json_id(text, object->id);
    json_raw(text, ", \"kind\": ");
    json_plain(text, object->kind);
    if (object->label) {
        json_raw(text, ", \"label\": ");
        json_plain(text, object->label);
    }
    if (object->external)
        json_raw(text, ", \"external\": true");
    if (object->content) {
        json_raw(text, ", \"content\": ");
        json_id(text, object->content);
        json_raw(text, ", \"checksum\": ");
        json_hex(text, object->content_checksum);
    }
    if (object->state) {
        json_raw(text, ", \"state\": ");
        json_value(text, object->state);
    }
    json_raw(text, "}");
}

/* A list of `count` lines, made by a loop that ends each with next_line. */
static void open_lines(struct json_text *text, const char *name, size_t count)
{
    json_raw(text, name);
    json_raw(text, count ? ": [\n" : ": [");
}

static void next_line(struct json_text *text, bool last)
{
    json_raw(text, last ? "\n" : ",\n");
}

static void put_attributes(struct json_text *text, const struct recap_value *attributes)
{
    /* One member per line; what would look like another form goes on one line as a whole. */
    if (!attributes || attributes->type != RECAP_RECORD || attributes->u.items.count < 2) {
        struct recap_value none = {.type = RECAP_RECORD};
        json_value(text, attributes ? attributes : &none);
        return;
    }
    json_raw(text, "{\n");
    for (const struct recap_value *v = recap_first(attributes); v; v = v->next) {
        json_raw(text, "        ");
        json_name(text, v->name);
        json_value(text, v);
        next_line(text, !v->next);
    }
    json_raw(text, "      }");
}

static void put_pd(struct json_text *text, const struct recap_pd_image *pd)
{
    json_raw(text, "    {\n      \"id\": ");
    json_id(text, pd->id);
    if (pd->name) {
        json_raw(text, ",\n      \"name\": ");
        json_plain(text, pd->name);
    }
    open_lines(text, ",\n      \"slots\"", pd->slot_count);
    for (size_t i = 0; i < pd->slot_count; i++) {
        json_raw(text, "        ");
        put_slot(text, &pd->slots[i]);
        next_line(text, i + 1 == pd->slot_count);
    }
    json_raw(text, pd->slot_count ? "      ]" : "]");
    open_lines(text, ",\n      \"regions\"", pd->region_count);
    for (size_t i = 0; i < pd->region_count; i++) {
        json_raw(text, "        ");
        put_region(text, &pd->regions[i]);
        next_line(text, i + 1 == pd->region_count);
    }
    json_raw(text, pd->region_count ? "      ]" : "]");
    open_lines(text, ",\n      \"threads\"", pd->thread_count);
    for (size_t i = 0; i < pd->thread_count; i++) {
        json_raw(text, "        ");
        put_thread(text, &pd->threads[i]);
        next_line(text, i + 1 == pd->thread_count);
    }
    json_raw(text, pd->thread_count ? "      ]" : "]");
    json_raw(text, ",\n      \"attributes\": ");
    put_attributes(text, pd->attributes);
    json_raw(text, "\n    }");
}

static void put_head(struct json_text *text, const struct recap_graph *graph)
{
    json_raw(text, "{\n  \"format\": \"" GRAPH_FORMAT "\",\n  \"version\": ");
    json_decimal(text, GRAPH_VERSION);
    json_raw(text, ",\n  \"kernel\": ");
    json_plain(text, graph->kernel);
    json_raw(text, ",\n  \"machine\": ");
    json_plain(text, graph->machine);
    json_raw(text, ",\n  \"release\": ");
    json_plain(text, graph->release);
    json_raw(text, ",\n  \"taken\": ");
    json_decimal(text, graph->taken);
}

int recap_graph_to_json(const struct recap_graph *graph, char **result, struct recap_error *error)
{
    struct json_text text = {0};
    put_head(&text, graph);
    open_lines(&text, ",\n  \"pds\"", graph->pd_count);
    for (size_t i = 0; i < graph->pd_count; i++) {
        put_pd(&text, &graph->pds[i]);
        next_line(&text, i + 1 == graph->pd_count);
    }
    json_raw(&text, graph->pd_count ? "  ]" : "]");
    open_lines(&text, ",\n  \"objects\"", graph->object_count);
    for (size_t i = 0; i < graph->object_count; i++) {
        json_raw(&text, "    ");
        put_object(&text, &graph->objects[i]);
        next_line(&text, i + 1 == graph->object_count);
    }
    json_raw(&text, graph->object_count ? "  ]\n}\n" : "]\n}\n");
    json_end(&text);
    if (text.failed) {
        free(text.data);
        return recap_fail(error, text.failed,
                          text.failed == -ENOMEM
                              ? "writing the capability graph"
                              : "the capability graph holds what JSON cannot: an unknown right or "
                                "flag, a name that is not UTF-8, or values that nest too deeply");
    }
    *result = text.data;
    return 0;
}
