/* encode.c: from numbers, trees and parts of a graph to the bytes of a message. */
#include "core/wire.h"

#include <stdlib.h>
#include <string.h>

void *wire_put_room(struct wire_out *out, size_t size)
{
    if (out->failed)
        return NULL;
    if (size > out->capacity - out->length) {
        size_t capacity = out->capacity ? out->capacity : 256;
        while (!out->failed && capacity - out->length < size) {
            out->failed = capacity > SIZE_MAX / 2;
            capacity *= 2;
        }
        unsigned char *larger = out->failed ? NULL : realloc(out->data, capacity);
        if (!larger) {
            out->failed = true;
            return NULL;
        }
        out->data = larger;
        out->capacity = capacity;
    }
    void *room = out->data + out->length;
    out->length += size;
    return room;
}

void wire_put_number(struct wire_out *out, uint64_t number)
{
    unsigned char bytes[10];
    size_t count = 0;
    do {
        bytes[count++] = (unsigned char)((number & 0x7f) | (number > 0x7f ? 0x80 : 0));
        number >>= 7;
    } while (number);
    void *room = wire_put_room(out, count);
    if (room)
        memcpy(room, bytes, count);
}

void wire_put_signed(struct wire_out *out, int64_t number)
{
    wire_put_number(out, (uint64_t)number << 1 ^ (number < 0 ? UINT64_MAX : 0));
}

void wire_put_bytes(struct wire_out *out, const void *data, size_t length)
{
    wire_put_number(out, length);
    void *room = wire_put_room(out, length);
    if (room && length)
        memcpy(room, data, length);
}

void wire_put_text(struct wire_out *out, const char *text)
{
    /* One more than the length, so that 0 is no text at all. */
    size_t length = text ? strlen(text) : 0;
    wire_put_number(out, text ? (uint64_t)length + 1 : 0);
    void *room = wire_put_room(out, length);
    if (room && length)
        memcpy(room, text, length);
}

void wire_put_cap(struct wire_out *out, const struct recap_cap *cap)
{
    wire_put_number(out, cap->badge);
    wire_put_text(out, cap->kind);
    wire_put_number(out, cap->rights);
    wire_put_number(out, cap->slot_flags);
    wire_put_number(out, cap->references);
}

void wire_put_error(struct wire_out *out, const struct recap_error *error)
{
    wire_put_signed(out, error->code);
    wire_put_number(out, error->cls);
    wire_put_number(out, error->has_selector);
    wire_put_number(out, error->has_selector ? error->selector : 0);
    wire_put_text(out, error->object);
    wire_put_text(out, error->what);
    wire_put_text(out, error->remedy);
}

/* A tree: type, then what it holds. Members of a record have their names before them. */
static void put_tree(struct wire_out *out, const struct recap_value *value)
{
    wire_put_number(out, (uint64_t)value->type + 1);
    switch (value->type) {
    case RECAP_NUMBER:
        wire_put_signed(out, value->u.number);
        return;
    case RECAP_HEX:
        wire_put_number(out, value->u.hex);
        return;
    case RECAP_OBJECT:
        wire_put_number(out, value->u.object);
        return;
    case RECAP_TEXT:
    case RECAP_BYTES:
        wire_put_bytes(out, value->u.bytes.data, value->u.bytes.length);
        return;
    case RECAP_LIST:
    case RECAP_RECORD:
        wire_put_number(out, value->u.items.count);
        for (const struct recap_value *v = value->u.items.first; v; v = v->next) {
            if (value->type == RECAP_RECORD)
                wire_put_text(out, v->name ? v->name : "");
            put_tree(out, v);
        }
        return;
    }
}

void wire_put_value(struct wire_out *out, const struct recap_value *value)
{
    if (value)
        put_tree(out, value);
    else
        wire_put_number(out, 0);
}

void wire_put_object(struct wire_out *out, const struct recap_object *object)
{
    wire_put_text(out, object->kind);
    wire_put_text(out, object->label);
    wire_put_number(out, object->external);
    wire_put_value(out, object->state);
    wire_put_number(out, object->content);
}

void wire_put_slot(struct wire_out *out, const struct recap_slot *slot)
{
    wire_put_number(out, slot->selector);
    wire_put_number(out, slot->object);
    wire_put_number(out, slot->rights);
    wire_put_number(out, slot->flags);
    wire_put_number(out, slot->references);
}

void wire_put_region(struct wire_out *out, const struct recap_region *region)
{
    wire_put_number(out, region->start);
    wire_put_number(out, region->length);
    wire_put_number(out, region->protection);
    wire_put_number(out, region->shared);
    wire_put_number(out, region->object);
    wire_put_number(out, region->offset);
    wire_put_text(out, region->name);
    wire_put_value(out, region->state);
    wire_put_number(out, region->range_count);
    for (size_t i = 0; i < region->range_count; i++) {
        wire_put_number(out, region->ranges[i].start);
        wire_put_number(out, region->ranges[i].length);
        wire_put_number(out, region->ranges[i].offset);
    }
}

void wire_put_thread(struct wire_out *out, const struct recap_thread *thread)
{
    wire_put_number(out, thread->id);
    wire_put_bytes(out, thread->registers, thread->registers_length);
    wire_put_bytes(out, thread->extended, thread->extended_length);
    wire_put_value(out, thread->state);
}
