/* json_decode.c: from parsed JSON back to the values that were written. */
#include "image/json.h"

#include <errno.h>
#include <string.h>

/* 0x and 1 to 16 digits as json_hex writes them. */
static int decode_hex(const char *text, size_t length, uint64_t *number)
{
    if (length < 3 || length > 18 || text[0] != '0' || text[1] != 'x' ||
        (text[2] == '0' && length > 3))
        return -EINVAL;
    uint64_t value = 0;
    for (size_t i = 2; i < length; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return -EINVAL;
    }
    *number = value;
    return 0;
}

int json_decode_id(const struct recap_value *value, uint64_t *number)
{
    if (!value)
        return -EINVAL;
    if (value->type == RECAP_TEXT)
        return decode_hex(value->u.bytes.data, value->u.bytes.length, number);
    if (value->type != RECAP_NUMBER || value->u.number < 0)
        return -EINVAL;
    *number = (uint64_t)value->u.number;
    return 0;
}

static int decode_base64(struct recap_arena *arena, const struct recap_value *inner,
                         enum recap_type type, struct recap_value *value)
{
    const void *data;
    size_t size;
    if (inner->type != RECAP_TEXT)
        return -EINVAL;
    int result =
        json_base64_decode(inner->u.bytes.data, inner->u.bytes.length, arena, &data, &size);
    if (result < 0)
        return result;
    if (type == RECAP_TEXT && memchr(data, '\0', size))
        return -EINVAL;
    value->type = type;
    value->u.bytes.data = data;
    value->u.bytes.length = size;
    return 0;
}

/* A record with one member may be one of the special forms: 1 if it was and `value` is final. */
static int decode_form(struct recap_arena *arena, struct recap_value *value)
{
    struct recap_value *inner = value->u.items.first;
    if (value->u.items.count != 1)
        return 0;
    int result;
    if (strcmp(inner->name, "object") == 0) {
        uint64_t object;
        result = json_decode_id(inner, &object);
        if (result == 0) {
            value->type = RECAP_OBJECT;
            value->u.object = object;
        }
    } else if (strcmp(inner->name, "bytes") == 0) {
        result = decode_base64(arena, inner, RECAP_BYTES, value);
    } else if (strcmp(inner->name, "text") == 0) {
        result = decode_base64(arena, inner, RECAP_TEXT, value);
    } else if (strcmp(inner->name, "record") == 0) {
        if (inner->type != RECAP_RECORD)
            return -EINVAL;
        value->u = inner->u;
        return 0;
    } else {
        return 0;
    }
    return result < 0 ? result : 1;
}

int json_decode(struct recap_arena *arena, struct recap_value *value)
{
    if (value->type == RECAP_TEXT) {
        uint64_t hex;
        const char *text = value->u.bytes.data;
        if (value->u.bytes.length < 2 || text[0] != '0' || text[1] != 'x')
            return 0;
        if (decode_hex(text, value->u.bytes.length, &hex) < 0)
            return -EINVAL;
        value->type = RECAP_HEX;
        value->u.hex = hex;
        return 0;
    }
    if (value->type == RECAP_RECORD) {
        int result = decode_form(arena, value);
        if (result != 0)
            return result < 0 ? result : 0;
    }
    if (value->type != RECAP_RECORD && value->type != RECAP_LIST)
        return 0;
    for (struct recap_value *v = value->u.items.first; v; v = v->next) {
        int result = json_decode(arena, v);
        if (result < 0)
            return result;
    }
    return 0;
}

const char *json_decode_plain(struct recap_arena *arena, struct recap_value *value)
{
    if (!value || json_decode(arena, value) < 0 || value->type != RECAP_TEXT)
        return NULL;
    return value->u.bytes.data;
}
