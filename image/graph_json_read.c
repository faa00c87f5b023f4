/* graph_json_read.c: a capability graph from JSON, every member checked. What is missing, of
 * another type or not known to this version is damage: a graph that is half understood is not
 * restored. */
#include "image/graph_json.h"
#include "image/image.h"
#include "image/json.h"

#include <errno.h>
#include <string.h>

struct reading {
    struct recap_graph *graph;
    struct recap_error *error;
};

static int damaged(struct reading *reading, const char *what, const char *member)
{
    return recap_refuse(reading->error, RECAP_DAMAGED, -EINVAL, "%s has no proper \"%s\"", what,
                        member);
}

static int out_of_memory(struct reading *reading)
{
    return recap_fail(reading->error, -ENOMEM, "reading the capability graph");
}

/* One member that is expected: where its value goes, NULL when it is absent. */
struct field {
    const char *name;
    struct recap_value *value;
};

/* Finds the fields among the members of `record`, and refuses members that are none. */
static int take(struct reading *reading, const struct recap_value *record, const char *what,
                struct field *fields, size_t count)
{
    if (!record || record->type != RECAP_RECORD)
        return recap_refuse(reading->error, RECAP_DAMAGED, -EINVAL, "%s is not a record", what);
    for (struct recap_value *v = record->u.items.first; v; v = v->next) {
        size_t i = 0;
        while (i < count && strcmp(v->name, fields[i].name) != 0)
            i++;
        if (i == count)
            return recap_refuse(reading->error, RECAP_DAMAGED, -EINVAL,
                                "%s has a member that this version does not know", what);
        fields[i].value = v;
    }
    return 0;
}

#define TAKE(reading, record, what, fields)                                                        \
    take(reading, record, what, fields, sizeof fields / sizeof *fields)

static bool get_text(struct reading *reading, struct recap_value *value, const char **text)
{
    const char *got = json_decode_plain(reading->graph->arena, value);
    if (got)
        *text = got;
    return got;
}

/* An optional text: false only when it is there and is none. */
static bool get_text_or_null(struct reading *reading, struct recap_value *value, const char **text)
{
    return !value || get_text(reading, value, text);
}

static bool get_truth(const struct recap_value *value, bool *truth)
{
    if (!value || value->type != RECAP_NUMBER || (uint64_t)value->u.number > 1)
        return false;
    *truth = value->u.number;
    return true;
}

static bool get_words(const struct recap_value *list, const struct graph_word *words,
                      uint32_t *bits)
{
    uint32_t found = 0;
    if (!list || list->type != RECAP_LIST)
        return false;
    for (const struct recap_value *v = recap_first(list); v; v = v->next) {
        const struct graph_word *word = words;
        while (v->type == RECAP_TEXT && word->word && strcmp(v->u.bytes.data, word->word) != 0)
            word++;
        if (v->type != RECAP_TEXT || !word->word || (found & word->bit))
            return false;
        found |= word->bit;
    }
    *bits = found;
    return true;
}

/* An optional record of state. */
static bool get_state(struct reading *reading, struct recap_value *value,
                      struct recap_value **state)
{
    if (!value)
        return true;
    if (json_decode(reading->graph->arena, value) < 0 || value->type != RECAP_RECORD)
        return false;
    value->name = NULL;
    value->next = NULL;
    *state = value;
    return true;
}

static int read_slot(struct reading *reading, const struct recap_value *from,
                     struct recap_slot *slot)
{
    static const char what[] = "a slot";
    enum { SELECTOR, OBJECT, RIGHTS, FLAGS, REFERENCES };
    struct field f[] = {
        {"selector", 0}, {"object", 0}, {"rights", 0}, {"flags", 0}, {"references", 0}};
    int result = TAKE(reading, from, what, f);
    if (result < 0)
        return result;
    uint64_t references = 1;
    if (json_decode_id(f[SELECTOR].value, &slot->selector) < 0)
        return damaged(reading, what, "selector");
    if (json_decode_id(f[OBJECT].value, &slot->object) < 0)
        return damaged(reading, what, "object");
    if (!get_words(f[RIGHTS].value, graph_rights, &slot->rights))
        return damaged(reading, what, "rights");
    if (!get_words(f[FLAGS].value, graph_slot_flags, &slot->flags))
        return damaged(reading, what, "flags");
    if (f[REFERENCES].value &&
        (json_decode_id(f[REFERENCES].value, &references) < 0 || references > UINT32_MAX))
        return damaged(reading, what, "references");
    slot->references = (uint32_t)references;
    return 0;
}

static bool read_range(const struct recap_value *from, struct recap_range *range)
{
    uint64_t numbers[3];
    size_t count = 0;
    if (from->type != RECAP_LIST || from->u.items.count != 3)
        return false;
    for (const struct recap_value *v = recap_first(from); v; v = v->next)
        if (json_decode_id(v, &numbers[count++]) < 0)
            return false;
    *range = (struct recap_range){numbers[0], numbers[1], numbers[2]};
    return true;
}

static int read_ranges(struct reading *reading, const struct recap_value *list,
                       struct recap_region *region)
{
    if (!list)
        return 0;
    if (list->type != RECAP_LIST || !list->u.items.count)
        return damaged(reading, "a region", "content");
    region->ranges =
        recap_arena_alloc(reading->graph->arena, list->u.items.count * sizeof *region->ranges);
    if (!region->ranges)
        return out_of_memory(reading);
    for (const struct recap_value *v = recap_first(list); v; v = v->next)
        if (!read_range(v, &region->ranges[region->range_count++]))
            return damaged(reading, "a region", "content");
    return 0;
}

static int read_region(struct reading *reading, const struct recap_value *from,
                       struct recap_region *region)
{
    static const char what[] = "a region";
    enum { START, LENGTH, PROTECTION, SHARED, OBJECT, OFFSET, NAME, STATE, CONTENT };
    struct field f[] = {{"start", 0},  {"length", 0}, {"protection", 0},
                        {"shared", 0}, {"object", 0}, {"offset", 0},
                        {"name", 0},   {"state", 0},  {"content", 0}};
    int result = TAKE(reading, from, what, f);
    if (result < 0)
        return result;
    if (json_decode_id(f[START].value, &region->start) < 0)
        return damaged(reading, what, "start");
    if (json_decode_id(f[LENGTH].value, &region->length) < 0)
        return damaged(reading, what, "length");
    if (!get_words(f[PROTECTION].value, graph_protection, &region->protection))
        return damaged(reading, what, "protection");
    if (!get_truth(f[SHARED].value, &region->shared))
        return damaged(reading, what, "shared");
    if (f[OBJECT].value &&
        (json_decode_id(f[OBJECT].value, &region->object) < 0 || !region->object))
        return damaged(reading, what, "object");
    if (region->object ? json_decode_id(f[OFFSET].value, &region->offset) < 0
                       : f[OFFSET].value != NULL)
        return damaged(reading, what, "offset");
    if (!get_text_or_null(reading, f[NAME].value, &region->name))
        return damaged(reading, what, "name");
    if (!get_state(reading, f[STATE].value, &region->state))
        return damaged(reading, what, "state");
    return read_ranges(reading, f[CONTENT].value, region);
}

static int read_thread(struct reading *reading, const struct recap_value *from,
                       struct recap_thread *thread)
{
    static const char what[] = "a thread";
    enum { ID, STATE };
    struct field f[] = {{"id", 0}, {"state", 0}};
    int result = TAKE(reading, from, what, f);
    if (result < 0)
        return result;
    if (json_decode_id(f[ID].value, &thread->id) < 0)
        return damaged(reading, what, "id");
    return get_state(reading, f[STATE].value, &thread->state) ? 0 : damaged(reading, what, "state");
}

static int read_object(struct reading *reading, const struct recap_value *from,
                       struct recap_object *object)
{
    static const char what[] = "an object";
    enum { ID, KIND, LABEL, EXTERNAL, CONTENT, CHECKSUM, STATE };
    struct field f[] = {{"id", 0},      {"kind", 0},     {"label", 0}, {"external", 0},
                        {"content", 0}, {"checksum", 0}, {"state", 0}};
    uint64_t place = object->id;
    int result = TAKE(reading, from, what, f);
    if (result < 0)
        return result;
    if (json_decode_id(f[ID].value, &object->id) < 0 || object->id != place)
        return damaged(reading, what, "id");
    if (!get_text(reading, f[KIND].value, &object->kind))
        return damaged(reading, what, "kind");
    if (!get_text_or_null(reading, f[LABEL].value, &object->label))
        return damaged(reading, what, "label");
    if (f[EXTERNAL].value && !get_truth(f[EXTERNAL].value, &object->external))
        return damaged(reading, what, "external");
    if (f[CONTENT].value &&
        (json_decode_id(f[CONTENT].value, &object->content) < 0 || !object->content))
        return damaged(reading, what, "content");
    if (object->content ? json_decode_id(f[CHECKSUM].value, &object->content_checksum) < 0
                        : f[CHECKSUM].value != NULL)
        return damaged(reading, what, "checksum");
    return get_state(reading, f[STATE].value, &object->state) ? 0 : damaged(reading, what, "state");
}

/* The first of a list's items; `count` is theirs. */
static int open_list(struct reading *reading, const struct recap_value *list, const char *what,
                     const char *member, const struct recap_value **first)
{
    if (!list || list->type != RECAP_LIST)
        return damaged(reading, what, member);
    *first = recap_first(list);
    return 0;
}

static int read_slots(struct reading *reading, const struct recap_value *list,
                      struct recap_pd_image *pd)
{
    const struct recap_value *v = NULL;
    int result = open_list(reading, list, "a PD", "slots", &v);
    for (; result == 0 && v; v = v->next) {
        struct recap_slot *slot = recap_graph_add_slot(reading->graph, pd);
        result = slot ? read_slot(reading, v, slot) : out_of_memory(reading);
    }
    return result;
}

static int read_regions(struct reading *reading, const struct recap_value *list,
                        struct recap_pd_image *pd)
{
    const struct recap_value *v = NULL;
    int result = open_list(reading, list, "a PD", "regions", &v);
    for (; result == 0 && v; v = v->next) {
        struct recap_region *region = recap_graph_add_region(reading->graph, pd);
        result = region ? read_region(reading, v, region) : out_of_memory(reading);
    }
    return result;
}

static int read_threads(struct reading *reading, const struct recap_value *list,
                        struct recap_pd_image *pd)
{
    const struct recap_value *v = NULL;
    int result = open_list(reading, list, "a PD", "threads", &v);
    for (; result == 0 && v; v = v->next) {
        struct recap_thread *thread = recap_graph_add_thread(reading->graph, pd);
        result = thread ? read_thread(reading, v, thread) : out_of_memory(reading);
    }
    return result;
}

static int read_pd(struct reading *reading, const struct recap_value *from,
                   struct recap_pd_image *pd)
{
    static const char what[] = "a PD";
    enum { ID, NAME, SLOTS, REGIONS, THREADS, ATTRIBUTES };
    struct field f[] = {{"id", 0},      {"name", 0},    {"slots", 0},
                        {"regions", 0}, {"threads", 0}, {"attributes", 0}};
    int result = TAKE(reading, from, what, f);
    if (result < 0)
        return result;
    if (json_decode_id(f[ID].value, &pd->id) < 0)
        return damaged(reading, what, "id");
    if (!get_text_or_null(reading, f[NAME].value, &pd->name))
        return damaged(reading, what, "name");
    if (!f[ATTRIBUTES].value || !get_state(reading, f[ATTRIBUTES].value, &pd->attributes))
        return damaged(reading, what, "attributes");
    result = read_slots(reading, f[SLOTS].value, pd);
    if (result == 0)
        result = read_regions(reading, f[REGIONS].value, pd);
    return result ? result : read_threads(reading, f[THREADS].value, pd);
}

static int read_pds(struct reading *reading, const struct recap_value *list)
{
    const struct recap_value *v = NULL;
    int result = open_list(reading, list, "the graph", "pds", &v);
    for (; result == 0 && v; v = v->next) {
        struct recap_pd_image *pd = recap_graph_add_pd(reading->graph);
        result = pd ? read_pd(reading, v, pd) : out_of_memory(reading);
    }
    return result;
}

static int read_objects(struct reading *reading, const struct recap_value *list)
{
    const struct recap_value *v = NULL;
    int result = open_list(reading, list, "the graph", "objects", &v);
    for (; result == 0 && v; v = v->next) {
        struct recap_object *object = recap_graph_add_object(reading->graph);
        result = object ? read_object(reading, v, object) : out_of_memory(reading);
    }
    return result;
}

static int read_graph(struct reading *reading, const struct recap_value *from)
{
    static const char what[] = "the graph";
    struct recap_graph *graph = reading->graph;
    enum { FORMAT, VERSION, KERNEL, MACHINE, RELEASE, TAKEN, PDS, OBJECTS };
    struct field f[] = {{"format", 0},  {"version", 0}, {"kernel", 0}, {"machine", 0},
                        {"release", 0}, {"taken", 0},   {"pds", 0},    {"objects", 0}};
    const char *format;
    int result = TAKE(reading, from, what, f);
    if (result < 0)
        return result;
    if (!get_text(reading, f[FORMAT].value, &format) || strcmp(format, GRAPH_FORMAT) != 0)
        return damaged(reading, what, "format");
    if (!f[VERSION].value || f[VERSION].value->type != RECAP_NUMBER ||
        f[VERSION].value->u.number != GRAPH_VERSION)
        return damaged(reading, what, "version");
    if (!get_text(reading, f[KERNEL].value, &graph->kernel))
        return damaged(reading, what, "kernel");
    if (!get_text(reading, f[MACHINE].value, &graph->machine))
        return damaged(reading, what, "machine");
    if (!get_text(reading, f[RELEASE].value, &graph->release))
        return damaged(reading, what, "release");
    if (!f[TAKEN].value || f[TAKEN].value->type != RECAP_NUMBER)
        return damaged(reading, what, "taken");
    graph->taken = f[TAKEN].value->u.number;
    result = read_pds(reading, f[PDS].value);
    return result ? result : read_objects(reading, f[OBJECTS].value);
}

int recap_graph_from_json(const char *text, size_t length, struct recap_graph **result,
                          struct recap_error *error)
{
    struct reading reading = {.graph = recap_graph_new(), .error = error};
    if (!reading.graph)
        return out_of_memory(&reading);
    struct recap_value *root = NULL;
    int failed = json_parse(text, length, reading.graph->arena, &root, error);
    if (failed == 0)
        failed = read_graph(&reading, root);
    if (failed == 0 && recap_arena_failed(reading.graph->arena))
        failed = out_of_memory(&reading);
    if (failed == 0)
        failed = recap_graph_check(reading.graph, error);
    if (failed < 0) {
        recap_graph_free(reading.graph);
        return failed;
    }
    *result = reading.graph;
    return 0;
}
