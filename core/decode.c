/* decode.c: from the bytes of a message to numbers, trees and parts of a graph. Nothing that comes
 * is trusted: lengths and counts are compared with what is left before anything is allocated. */
#include "core/wire.h"

#include <string.h>

enum { DEEPEST = 64 }; /* of trees: decoding recurses */

uint64_t wire_get_number(struct wire_in *in)
{
    uint64_t number = 0;
    for (unsigned shift = 0; !in->failed; shift += 7) {
        if (in->at == in->end || shift > 63)
            break;
        unsigned char byte = *in->at++;
        /* The tenth byte holds the topmost bit alone; a last byte of 0 would say nothing. */
        if ((shift == 63 && byte > 1) || (shift && !byte))
            break;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return number;
    }
    in->failed = true;
    return 0;
}

int64_t wire_get_signed(struct wire_in *in)
{
    uint64_t number = wire_get_number(in);
    return (int64_t)(number >> 1 ^ (number & 1 ? UINT64_MAX : 0));
}

uint32_t wire_get_number32(struct wire_in *in)
{
    uint64_t number = wire_get_number(in);
    in->failed |= number > UINT32_MAX;
    return in->failed ? 0 : (uint32_t)number;
}

static bool get_truth(struct wire_in *in)
{
    uint64_t number = wire_get_number(in);
    in->failed |= number > 1;
    return number == 1;
}

size_t wire_get_count(struct wire_in *in)
{
    uint64_t count = wire_get_number(in);
    in->failed |= count > (size_t)(in->end - in->at);
    return in->failed ? 0 : (size_t)count;
}

static const void *take(struct wire_in *in, uint64_t length)
{
    if (in->failed || length > (size_t)(in->end - in->at)) {
        in->failed = true;
        return NULL;
    }
    const void *bytes = in->at;
    in->at += (size_t)length;
    return bytes;
}

const void *wire_get_bytes(struct wire_in *in, size_t *length)
{
    uint64_t wanted = wire_get_number(in);
    const void *bytes = take(in, wanted);
    *length = bytes ? (size_t)wanted : 0;
    return bytes;
}

static bool has_nul(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!text[i])
            return true;
    return false;
}

/* The text's bytes, or NULL for no text. */
static const char *get_text(struct wire_in *in, size_t *length)
{
    uint64_t wanted = wire_get_number(in);
    *length = 0;
    if (in->failed || !wanted)
        return NULL;
    const char *text = take(in, wanted - 1);
    if (text && has_nul(text, (size_t)wanted - 1)) {
        in->failed = true;
        return NULL;
    }
    *length = text ? (size_t)wanted - 1 : 0;
    return text;
}

static void *copy(struct wire_in *in, struct recap_arena *arena, const void *data, size_t length)
{
    void *made = data ? recap_arena_copy(arena, data, length) : NULL;
    in->failed |= data && !made;
    return made;
}

const char *wire_get_text(struct wire_in *in, struct recap_arena *arena)
{
    size_t length;
    const char *text = get_text(in, &length);
    return copy(in, arena, text, length);
}

void wire_get_text_into(struct wire_in *in, char *buffer, size_t size)
{
    size_t length;
    const char *text = get_text(in, &length);
    if (length >= size)
        length = size - 1;
    if (text)
        memcpy(buffer, text, length);
    buffer[text ? length : 0] = '\0';
}

void wire_get_cap(struct wire_in *in, struct recap_arena *arena, struct recap_cap *cap)
{
    cap->badge = wire_get_number(in);
    cap->kind = wire_get_text(in, arena);
    cap->rights = wire_get_number32(in);
    cap->slot_flags = wire_get_number32(in);
    cap->references = wire_get_number32(in);
}

void wire_get_error(struct wire_in *in, struct recap_error *error)
{
    int64_t code = wire_get_signed(in);
    uint64_t class = wire_get_number(in);
    if (code >= 0 || code < -4095 || class < RECAP_FAILED || class > RECAP_DAMAGED)
        in->failed = true;
    *error = (struct recap_error){.code = (int)code, .cls = (enum recap_class) class};
    error->has_selector = get_truth(in);
    error->selector = wire_get_number(in);
    wire_get_text_into(in, error->object, sizeof error->object);
    wire_get_text_into(in, error->what, sizeof error->what);
    wire_get_text_into(in, error->remedy, sizeof error->remedy);
}

static struct recap_value *get_tree(struct wire_in *in, struct recap_arena *arena, int depth);

static void get_items(struct wire_in *in, struct recap_arena *arena, struct recap_value *value,
                      int depth)
{
    size_t count = wire_get_count(in);
    for (size_t i = 0; !in->failed && i < count; i++) {
        const char *name = value->type == RECAP_RECORD ? wire_get_text(in, arena) : NULL;
        struct recap_value *item = get_tree(in, arena, depth + 1);
        if (!item || (value->type == RECAP_RECORD && !name)) {
            in->failed = true;
            return;
        }
        item->name = name;
        if (value->u.items.last)
            value->u.items.last->next = item;
        else
            value->u.items.first = item;
        value->u.items.last = item;
        value->u.items.count++;
    }
}

static struct recap_value *get_tree(struct wire_in *in, struct recap_arena *arena, int depth)
{
    uint64_t type = wire_get_number(in);
    if (in->failed || !type)
        return NULL;
    struct recap_value *value = recap_arena_alloc(arena, sizeof *value);
    if (!value || depth > DEEPEST || type > RECAP_RECORD + 1) {
        in->failed = true;
        return NULL;
    }
    value->type = (enum recap_type)(type - 1);
    switch (value->type) {
    case RECAP_NUMBER:
        value->u.number = wire_get_signed(in);
        break;
    case RECAP_HEX:
        value->u.hex = wire_get_number(in);
        break;
    case RECAP_OBJECT:
        value->u.object = wire_get_number(in);
        break;
    case RECAP_TEXT:
    case RECAP_BYTES: {
        size_t length;
        const void *data = wire_get_bytes(in, &length);
        if (value->type == RECAP_TEXT && data && has_nul(data, length))
            in->failed = true;
        value->u.bytes.data = copy(in, arena, data, length);
        value->u.bytes.length = length;
        break;
    }
    case RECAP_LIST:
    case RECAP_RECORD:
        get_items(in, arena, value, depth);
        break;
    }
    return value;
}

struct recap_value *wire_get_value(struct wire_in *in, struct recap_arena *arena)
{
    struct recap_value *value = get_tree(in, arena, 0);
    return in->failed ? NULL : value;
}

/* What stands for an object, a thread or a PD as a whole is a record. */
static struct recap_value *get_record(struct wire_in *in, struct recap_arena *arena)
{
    struct recap_value *value = wire_get_value(in, arena);
    in->failed |= value && value->type != RECAP_RECORD;
    return in->failed ? NULL : value;
}

void wire_get_object(struct wire_in *in, struct recap_arena *arena, struct recap_object *object)
{
    object->kind = wire_get_text(in, arena);
    object->label = wire_get_text(in, arena);
    object->external = get_truth(in);
    object->state = get_record(in, arena);
    object->content = wire_get_number(in);
}

void wire_get_slot(struct wire_in *in, struct recap_slot *slot)
{
    slot->selector = wire_get_number(in);
    slot->object = wire_get_number(in);
    slot->rights = wire_get_number32(in);
    slot->flags = wire_get_number32(in);
    slot->references = wire_get_number32(in);
}

void wire_get_region(struct wire_in *in, struct recap_arena *arena, struct recap_region *region)
{
    region->start = wire_get_number(in);
    region->length = wire_get_number(in);
    region->protection = wire_get_number32(in);
    region->shared = get_truth(in);
    region->object = wire_get_number(in);
    region->offset = wire_get_number(in);
    region->name = wire_get_text(in, arena);
    region->state = get_record(in, arena);
    size_t count = wire_get_count(in);
    in->failed |= count > SIZE_MAX / sizeof *region->ranges;
    if (in->failed || !count)
        return;
    region->ranges = recap_arena_alloc(arena, count * sizeof *region->ranges);
    if (!region->ranges) {
        in->failed = true;
        return;
    }
    region->range_count = count;
    for (size_t i = 0; i < count; i++) {
        region->ranges[i].start = wire_get_number(in);
        region->ranges[i].length = wire_get_number(in);
        region->ranges[i].offset = wire_get_number(in);
    }
}

void wire_get_thread(struct wire_in *in, struct recap_arena *arena, struct recap_thread *thread)
{
    thread->id = wire_get_number(in);
    const void *registers = wire_get_bytes(in, &thread->registers_length);
    thread->registers = copy(in, arena, registers, thread->registers_length);
    const void *extended = wire_get_bytes(in, &thread->extended_length);
    thread->extended = copy(in, arena, extended, thread->extended_length);
    thread->state = get_record(in, arena);
}

bool wire_done(const struct wire_in *in)
{
    return !in->failed && in->at == in->end;
}
