/* messages.h: the body of a Mach message, item by item. */
#ifndef RECAP_KERNEL_MACH_MESSAGES_H
#define RECAP_KERNEL_MACH_MESSAGES_H

#include "graph/state.h"
#include <mach/message.h>

/* One item: a descriptor, and data behind it or elsewhere. */
struct mach_item {
    size_t descriptor; /* offsets in the message */
    size_t data;
    unsigned type;
    size_t size; /* bytes of data */
    size_t count;
    bool in_line;
};

/* The item at `*at`, which moves behind it: 1, 0 at the end, -1 when it is malformed. */
int mach_next_item(const void *message, size_t size, size_t *at, struct mach_item *item);
/* Marks out-of-line memory of the item as given away with the message. */
void mach_give_memory(void *message, const struct mach_item *item);
/* Has the item carry its rights as `type`. */
void mach_set_type(void *message, const struct mach_item *item, unsigned type);
static inline bool mach_is_right(unsigned type)
{
    return MACH_MSG_TYPE_PORT_ANY(type);
}

#endif
