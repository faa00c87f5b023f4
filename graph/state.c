/* state.c: trees of named values in an arena. */
#include "graph/state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 64 * 1024, ALIGNMENT = 16 };

struct block {
    struct block *next;
    size_t used;
    size_t size;
    _Alignas(ALIGNMENT) unsigned char data[];
};

struct recap_arena {
    struct block *blocks; /* the newest first: only that one has room */
    size_t total;         /* bytes of them all */
    size_t limit;         /* 0: none */
    bool failed;
};

struct recap_arena *recap_arena_new(void)
{
    return calloc(1, sizeof(struct recap_arena));
}

void recap_arena_free(struct recap_arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

void *recap_arena_alloc(struct recap_arena *arena, size_t size)
{
    if (!arena || arena->failed)
        return NULL;
    if (size > SIZE_MAX / 2) {
        arena->failed = true;
        return NULL;
    }
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    struct block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t capacity = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        bool allowed = !arena->limit ||
                       (arena->total <= arena->limit && capacity <= arena->limit - arena->total);
        block = allowed ? calloc(1, sizeof *block + capacity) : NULL;
        if (!block) {
            arena->failed = true;
            return NULL;
        }
        arena->total += capacity;
        block->size = capacity;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *result = block->data + block->used;
    block->used += size;
    return result;
}

void recap_arena_limit(struct recap_arena *arena, size_t bytes)
{
    if (arena)
        arena->limit = bytes;
}

void *recap_arena_copy(struct recap_arena *arena, const void *data, size_t size)
{
    char *copy = recap_arena_alloc(arena, size + 1);
    if (copy && size)
        memcpy(copy, data, size);
    return copy;
}

char *recap_arena_text(struct recap_arena *arena, const char *text)
{
    return text ? recap_arena_copy(arena, text, strlen(text)) : NULL;
}

char *recap_arena_printf(struct recap_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : recap_arena_alloc(arena, (size_t)length + 1);
    if (text) {
        va_start(arguments, format);
        vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    return text;
}

bool recap_arena_failed(const struct recap_arena *arena)
{
    return !arena || arena->failed;
}

struct recap_value *recap_record(struct recap_arena *arena)
{
    struct recap_value *record = recap_arena_alloc(arena, sizeof *record);
    if (record)
        record->type = RECAP_RECORD;
    return record;
}

static struct recap_value *append(struct recap_arena *arena, struct recap_value *into,
                                  const char *name, enum recap_type type)
{
    if (!into)
        return NULL;
    struct recap_value *value = recap_arena_alloc(arena, sizeof *value);
    if (!value)
        return NULL;
    value->name = recap_arena_text(arena, name);
    value->type = type;
    if (into->u.items.last)
        into->u.items.last->next = value;
    else
        into->u.items.first = value;
    into->u.items.last = value;
    into->u.items.count++;
    return value;
}

void recap_put_number(struct recap_arena *arena, struct recap_value *into, const char *name,
                      int64_t number)
{
    struct recap_value *value = append(arena, into, name, RECAP_NUMBER);
    if (value)
        value->u.number = number;
}

void recap_put_hex(struct recap_arena *arena, struct recap_value *into, const char *name,
                   uint64_t hex)
{
    struct recap_value *value = append(arena, into, name, RECAP_HEX);
    if (value)
        value->u.hex = hex;
}

static void put_bytes(struct recap_arena *arena, struct recap_value *into, const char *name,
                      enum recap_type type, const void *data, size_t length)
{
    struct recap_value *value = append(arena, into, name, type);
    if (!value)
        return;
    value->u.bytes.data = recap_arena_copy(arena, data, length);
    value->u.bytes.length = value->u.bytes.data ? length : 0;
}

void recap_put_text(struct recap_arena *arena, struct recap_value *into, const char *name,
                    const char *text)
{
    put_bytes(arena, into, name, RECAP_TEXT, text, strlen(text));
}

void recap_put_bytes(struct recap_arena *arena, struct recap_value *into, const char *name,
                     const void *data, size_t length)
{
    put_bytes(arena, into, name, RECAP_BYTES, data, length);
}

void recap_put_object(struct recap_arena *arena, struct recap_value *into, const char *name,
                      uint64_t object)
{
    struct recap_value *value = append(arena, into, name, RECAP_OBJECT);
    if (value)
        value->u.object = object;
}

struct recap_value *recap_put_record(struct recap_arena *arena, struct recap_value *into,
                                     const char *name)
{
    return append(arena, into, name, RECAP_RECORD);
}

struct recap_value *recap_put_list(struct recap_arena *arena, struct recap_value *into,
                                   const char *name)
{
    return append(arena, into, name, RECAP_LIST);
}

const struct recap_value *recap_first(const struct recap_value *items)
{
    if (!items || (items->type != RECAP_LIST && items->type != RECAP_RECORD))
        return NULL;
    return items->u.items.first;
}

const struct recap_value *recap_member(const struct recap_value *record, const char *name)
{
    if (!record || record->type != RECAP_RECORD)
        return NULL;
    for (const struct recap_value *v = record->u.items.first; v; v = v->next)
        if (v->name && strcmp(v->name, name) == 0)
            return v;
    return NULL;
}

const struct recap_value *recap_items(const struct recap_value *record, const char *name)
{
    return recap_first(recap_member(record, name));
}

int recap_get_number(const struct recap_value *record, const char *name, int64_t *value)
{
    const struct recap_value *member = recap_member(record, name);
    if (!member)
        return -ENOENT;
    if (member->type == RECAP_NUMBER)
        *value = member->u.number;
    else if (member->type == RECAP_HEX && member->u.hex <= INT64_MAX)
        *value = (int64_t)member->u.hex;
    else
        return -EINVAL;
    return 0;
}

int recap_get_hex(const struct recap_value *record, const char *name, uint64_t *value)
{
    const struct recap_value *member = recap_member(record, name);
    if (!member)
        return -ENOENT;
    if (member->type == RECAP_HEX)
        *value = member->u.hex;
    else if (member->type == RECAP_NUMBER && member->u.number >= 0)
        *value = (uint64_t)member->u.number;
    else
        return -EINVAL;
    return 0;
}

int recap_get_text(const struct recap_value *record, const char *name, const char **value)
{
    const struct recap_value *member = recap_member(record, name);
    if (!member)
        return -ENOENT;
    if (member->type != RECAP_TEXT)
        return -EINVAL;
    *value = member->u.bytes.data;
    return 0;
}

int recap_get_bytes(const struct recap_value *record, const char *name, const void **data,
                    size_t *length)
{
    const struct recap_value *member = recap_member(record, name);
    if (!member)
        return -ENOENT;
    if (member->type != RECAP_BYTES && member->type != RECAP_TEXT)
        return -EINVAL;
    *data = member->u.bytes.data;
    *length = member->u.bytes.length;
    return 0;
}

int recap_get_object(const struct recap_value *record, const char *name, uint64_t *value)
{
    const struct recap_value *member = recap_member(record, name);
    if (!member)
        return -ENOENT;
    if (member->type != RECAP_OBJECT)
        return -EINVAL;
    *value = member->u.object;
    return 0;
}

int64_t recap_number_or(const struct recap_value *record, const char *name, int64_t otherwise)
{
    int64_t value = otherwise;
    recap_get_number(record, name, &value);
    return value;
}

const char *recap_text_or_null(const struct recap_value *record, const char *name)
{
    const char *value = NULL;
    recap_get_text(record, name, &value);
    return value;
}

static void copy_into(struct recap_arena *arena, struct recap_value *into,
                      const struct recap_value *from,
                      uint64_t (*translate)(void *context, uint64_t object), void *context)
{
    switch (from->type) {
    case RECAP_NUMBER:
    case RECAP_HEX:
        into->u = from->u;
        break;
    case RECAP_OBJECT:
        into->u.object = translate ? translate(context, from->u.object) : from->u.object;
        break;
    case RECAP_TEXT:
    case RECAP_BYTES:
        into->u.bytes.data = recap_arena_copy(arena, from->u.bytes.data, from->u.bytes.length);
        into->u.bytes.length = into->u.bytes.data ? from->u.bytes.length : 0;
        break;
    case RECAP_LIST:
    case RECAP_RECORD:
        for (const struct recap_value *v = from->u.items.first; v; v = v->next) {
            struct recap_value *member = append(arena, into, v->name, v->type);
            if (!member)
                return;
            copy_into(arena, member, v, translate, context);
        }
        break;
    }
}

struct recap_value *recap_value_copy(struct recap_arena *arena, const struct recap_value *value,
                                     uint64_t (*translate)(void *context, uint64_t object),
                                     void *context)
{
    if (!value)
        return NULL;
    struct recap_value *copy = recap_arena_alloc(arena, sizeof *copy);
    if (!copy)
        return NULL;
    copy->type = value->type;
    copy->name = recap_arena_text(arena, value->name);
    copy_into(arena, copy, value, translate, context);
    return copy;
}

static int visit_objects(const struct recap_value *value, bool tie,
                         int (*visit)(void *context, uint64_t object, bool tie), void *context)
{
    if (value->type == RECAP_OBJECT)
        return visit(context, value->u.object, tie);
    for (const struct recap_value *v = recap_first(value); v; v = v->next) {
        bool below = tie || (v->name && strcmp(v->name, "ties") == 0);
        int result = visit_objects(v, below, visit, context);
        if (result)
            return result;
    }
    return 0;
}

int recap_value_objects(const struct recap_value *value,
                        int (*visit)(void *context, uint64_t object, bool tie), void *context)
{
    return value ? visit_objects(value, false, visit, context) : 0;
}

void recap_value_translate(struct recap_value *value,
                           uint64_t (*translate)(void *context, uint64_t object), void *context)
{
    if (!value)
        return;
    if (value->type == RECAP_OBJECT)
        value->u.object = translate(context, value->u.object);
    else if (value->type == RECAP_LIST || value->type == RECAP_RECORD)
        for (struct recap_value *v = value->u.items.first; v; v = v->next)
            recap_value_translate(v, translate, context);
}

bool recap_value_equal(const struct recap_value *a, const struct recap_value *b)
{
    if (!a || !b)
        return a == b;
    if (a->type != b->type || !a->name != !b->name || (a->name && strcmp(a->name, b->name) != 0))
        return false;
    switch (a->type) {
    case RECAP_NUMBER:
        return a->u.number == b->u.number;
    case RECAP_HEX:
        return a->u.hex == b->u.hex;
    case RECAP_OBJECT:
        return a->u.object == b->u.object;
    case RECAP_TEXT:
    case RECAP_BYTES:
        return a->u.bytes.length == b->u.bytes.length &&
               memcmp(a->u.bytes.data, b->u.bytes.data, a->u.bytes.length) == 0;
    case RECAP_LIST:
    case RECAP_RECORD:
        break;
    }
    const struct recap_value *m = a->u.items.first, *n = b->u.items.first;
    while (m && n && recap_value_equal(m, n)) {
        m = m->next;
        n = n->next;
    }
    return !m && !n;
}
