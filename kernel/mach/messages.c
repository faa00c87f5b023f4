/* messages.c: the body of a Mach message, item by item. */
#include "kernel/mach/messages.h"

#include <string.h>

int mach_next_item(const void *message, size_t size, size_t *at, struct mach_item *item)
{
    mach_msg_type_long_t type;
    size_t start = *at, bits;
    memset(&type, 0, sizeof type);
    if (start == size)
        return 0;
    if (size - start < sizeof type.msgtl_header)
        return -1;
    memcpy(&type.msgtl_header, (const char *)message + start, sizeof type.msgtl_header);
    size_t head = sizeof type.msgtl_header;
    *item = (struct mach_item){.descriptor = start, .in_line = type.msgtl_header.msgt_inline};
    if (type.msgtl_header.msgt_longform) {
        head = sizeof type;
        if (size - start < head)
            return -1;
        memcpy(&type, (const char *)message + start, head);
        item->type = type.msgtl_name;
        item->count = type.msgtl_number;
        bits = type.msgtl_size;
    } else {
        item->type = type.msgtl_header.msgt_name;
        item->count = type.msgtl_header.msgt_number;
        bits = type.msgtl_header.msgt_size;
    }
    uint64_t bytes = ((uint64_t)bits * item->count + 7) / 8;
    item->data = start + head;
    size_t here = item->in_line ? (size_t)((bytes + 3) & ~UINT64_C(3)) : sizeof(vm_offset_t);
    if (bytes > UINT32_MAX / 2 || here > size - item->data)
        return -1;
    item->size = (size_t)bytes;
    *at = item->data + here;
    return 1;
}

void mach_give_memory(void *message, const struct mach_item *item)
{
    mach_msg_type_t type;
    memcpy(&type, (char *)message + item->descriptor, sizeof type);
    type.msgt_deallocate = 1;
    memcpy((char *)message + item->descriptor, &type, sizeof type);
}

void mach_set_type(void *message, const struct mach_item *item, unsigned name)
{
    mach_msg_type_long_t type;
    char *at = (char *)message + item->descriptor;
    memcpy(&type.msgtl_header, at, sizeof type.msgtl_header);
    if (type.msgtl_header.msgt_longform) {
        memcpy(&type, at, sizeof type);
        type.msgtl_name = (unsigned short)name;
        memcpy(at, &type, sizeof type);
    } else {
        type.msgtl_header.msgt_name = name & 0xff;
        memcpy(at, &type.msgtl_header, sizeof type.msgtl_header);
    }
}
