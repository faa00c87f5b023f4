/* json_read.c: parsing JSON from outside into trees: jansson reads it, and what it made becomes a
 * tree. Depth is bounded; what Recap never writes (null, numbers that are no integers) is refused.
 */
#include "image/json.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

static int convert(struct recap_arena *arena, const json_t *json, struct recap_value *value,
                   int depth, const char **why);

static struct recap_value *append(struct recap_arena *arena, struct recap_value *into)
{
    struct recap_value *member = recap_arena_alloc(arena, sizeof *member);
    if (!member)
        return NULL;
    if (into->u.items.last)
        into->u.items.last->next = member;
    else
        into->u.items.first = member;
    into->u.items.last = member;
    into->u.items.count++;
    return member;
}

static int convert_list(struct recap_arena *arena, const json_t *json, struct recap_value *value,
                        int depth, const char **why)
{
    for (size_t i = 0; i < json_array_size(json); i++) {
        struct recap_value *member = append(arena, value);
        int result = member ? convert(arena, json_array_get(json, i), member, depth, why) : -ENOMEM;
        if (result < 0)
            return result;
    }
    return 0;
}

static int convert_record(struct recap_arena *arena, json_t *json, struct recap_value *value,
                          int depth, const char **why)
{
    const char *name;
    json_t *inner;
    json_object_foreach(json, name, inner)
    {
        struct recap_value *member = append(arena, value);
        if (!member || !(member->name = recap_arena_text(arena, name)))
            return -ENOMEM;
        int result = convert(arena, inner, member, depth, why);
        if (result < 0)
            return result;
    }
    return 0;
}

static int convert(struct recap_arena *arena, const json_t *json, struct recap_value *value,
                   int depth, const char **why)
{
    if (depth > JSON_DEPTH) {
        *why = "values nest too deeply";
        return -EINVAL;
    }
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        value->type = RECAP_RECORD;
        return convert_record(arena, (json_t *)json, value, depth + 1, why);
    case JSON_ARRAY:
        value->type = RECAP_LIST;
        return convert_list(arena, json, value, depth + 1, why);
    case JSON_STRING:
        value->type = RECAP_TEXT;
        value->u.bytes.length = json_string_length(json);
        value->u.bytes.data =
            recap_arena_copy(arena, json_string_value(json), value->u.bytes.length);
        return value->u.bytes.data ? 0 : -ENOMEM;
    case JSON_INTEGER:
        value->type = RECAP_NUMBER;
        value->u.number = json_integer_value(json);
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        value->type = RECAP_NUMBER;
        value->u.number = json_is_true(json);
        return 0;
    case JSON_REAL:
        *why = "a number is not an integer";
        return -EINVAL;
    default:
        *why = "there is a null";
        return -EINVAL;
    }
}

static void release(json_t **json)
{
    json_decref(*json);
}

int json_parse(const char *text, size_t length, struct recap_arena *arena,
               struct recap_value **value, struct recap_error *error)
{
    json_error_t wrong;
    const char *why = NULL;
    /* jansson takes one for the end. */
    if (length && memchr(text, '\0', length))
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "there is a NUL byte");
    __attribute__((cleanup(release))) json_t *json =
        json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &wrong);
    if (!json && json_error_code(&wrong) == json_error_out_of_memory)
        return recap_fail(error, -ENOMEM, "reading JSON");
    if (!json)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "line %d, column %d: %s", wrong.line,
                            wrong.column, wrong.text);
    struct recap_value *root = recap_arena_alloc(arena, sizeof *root);
    int result = root ? convert(arena, json, root, 0, &why) : -ENOMEM;
    if (result == -ENOMEM)
        return recap_fail(error, result, "reading JSON");
    if (result < 0)
        return recap_refuse(error, RECAP_DAMAGED, result, "%s", why);
    *value = root;
    return 0;
}
