/* json_write.c: writing trees of values as JSON. */
#include "image/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `size` more bytes, or NULL. */
static char *extend(struct json_text *text, size_t size)
{
    if (text->failed)
        return NULL;
    if (text->capacity - text->length < size) {
        size_t capacity = text->capacity ? text->capacity : 4096;
        while (capacity - text->length < size && capacity <= SIZE_MAX / 2)
            capacity *= 2;
        char *data = capacity - text->length < size ? NULL : realloc(text->data, capacity);
        if (!data) {
            text->failed = -ENOMEM;
            return NULL;
        }
        text->data = data;
        text->capacity = capacity;
    }
    char *room = text->data + text->length;
    text->length += size;
    return room;
}

static void raw(struct json_text *text, const char *bytes, size_t size)
{
    char *room = extend(text, size);
    if (room)
        memcpy(room, bytes, size);
}

void json_raw(struct json_text *text, const char *bytes)
{
    raw(text, bytes, strlen(bytes));
}

void json_decimal(struct json_text *text, int64_t number)
{
    char digits[24];
    raw(text, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, number));
}

void json_hex(struct json_text *text, uint64_t number)
{
    char digits[24];
    raw(text, digits, (size_t)snprintf(digits, sizeof digits, "\"0x%" PRIx64 "\"", number));
}

void json_id(struct json_text *text, uint64_t number)
{
    if (number <= INT64_MAX)
        json_decimal(text, (int64_t)number);
    else
        json_hex(text, number);
}

static void base64(struct json_text *text, const char *form, const void *data, size_t size)
{
    json_raw(text, "{\"");
    json_raw(text, form);
    json_raw(text, "\": \"");
    char *room = extend(text, json_base64_length(size));
    if (room)
        json_base64_encode(data, size, room);
    json_raw(text, "\"}");
}

/* Whether the string would be taken for a number. */
static bool looks_like_hex(const char *string, size_t length)
{
    return length >= 2 && string[0] == '0' && string[1] == 'x';
}

/* What a terminal would act on is escaped, not only what JSON asks for. */
static bool is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code <= 0x9f) || (code >= 0x200e && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static bool is_plain(const char *string, size_t length)
{
    uint32_t code;
    for (size_t at = 0, size; at < length; at += size)
        if (!(size = json_utf8(string + at, length - at, &code)) || code == 0)
            return false;
    return true;
}

static void quoted(struct json_text *text, const char *string, size_t length)
{
    size_t begin = 0;
    json_raw(text, "\"");
    for (size_t at = 0, size; at < length; at += size) {
        uint32_t code = 0;
        size = json_utf8(string + at, length - at, &code);
        if (code != '"' && code != '\\' && !is_control(code))
            continue;
        raw(text, string + begin, at - begin);
        begin = at + size;
        char escape[8];
        if (code == '"' || code == '\\')
            snprintf(escape, sizeof escape, "\\%c", (char)code);
        else
            snprintf(escape, sizeof escape, "\\u%04" PRIx32, code);
        json_raw(text, escape);
    }
    raw(text, string + begin, length - begin);
    json_raw(text, "\"");
}

static void string_value(struct json_text *text, const char *string, size_t length)
{
    if (looks_like_hex(string, length) || !is_plain(string, length))
        base64(text, "text", string, length);
    else
        quoted(text, string, length);
}

void json_plain(struct json_text *text, const char *string)
{
    string_value(text, string, strlen(string));
}

/* Whether reading back the record itself would give something else. */
static bool looks_special(const struct recap_value *record)
{
    static const char *const forms[] = {"object", "bytes", "text", "record"};
    if (record->u.items.count != 1 || !record->u.items.first->name)
        return false;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(record->u.items.first->name, forms[i]) == 0)
            return true;
    return false;
}

static void value_at(struct json_text *text, const struct recap_value *value, int depth);

void json_name(struct json_text *text, const char *name)
{
    size_t length = name ? strlen(name) : 0;
    if (!name || !is_plain(name, length)) {
        text->failed = text->failed ? text->failed : -EINVAL;
        return;
    }
    quoted(text, name, length);
    json_raw(text, ": ");
}

void json_end(struct json_text *text)
{
    raw(text, "", 1);
    text->length -= !text->failed;
}

static void members(struct json_text *text, const struct recap_value *value, int depth)
{
    for (const struct recap_value *v = value->u.items.first; v; v = v->next) {
        if (v != value->u.items.first)
            json_raw(text, ", ");
        if (value->type == RECAP_RECORD)
            json_name(text, v->name);
        value_at(text, v, depth + 1);
    }
}

static void value_at(struct json_text *text, const struct recap_value *value, int depth)
{
    if (depth > JSON_DEPTH - 8) {
        text->failed = text->failed ? text->failed : -E2BIG;
        return;
    }
    switch (value->type) {
    case RECAP_NUMBER:
        json_decimal(text, value->u.number);
        break;
    case RECAP_HEX:
        json_hex(text, value->u.hex);
        break;
    case RECAP_TEXT:
        string_value(text, value->u.bytes.data, value->u.bytes.length);
        break;
    case RECAP_BYTES:
        base64(text, "bytes", value->u.bytes.data, value->u.bytes.length);
        break;
    case RECAP_OBJECT:
        json_raw(text, "{\"object\": ");
        json_id(text, value->u.object);
        json_raw(text, "}");
        break;
    case RECAP_LIST:
        json_raw(text, "[");
        members(text, value, depth);
        json_raw(text, "]");
        break;
    case RECAP_RECORD:
        json_raw(text, looks_special(value) ? "{\"record\": {" : "{");
        members(text, value, depth + 1);
        json_raw(text, looks_special(value) ? "}}" : "}");
        break;
    }
}

void json_value(struct json_text *text, const struct recap_value *value)
{
    value_at(text, value, 0);
}
