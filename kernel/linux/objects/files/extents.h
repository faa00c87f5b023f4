/* extents.h: the stretches of a file or memory that were ever written. Only those are kept, one
 * after the other, so that what is large and sparse stays so: in the image, on the way, and
 * afterwards. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_EXTENTS_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_EXTENTS_H

#include "kernel/linux/linux.h"

struct linux_extent {
    uint64_t offset;
    uint64_t length;
    uint64_t at; /* where it begins in the content that is kept */
};

struct linux_extents {
    struct linux_extent *items; /* ascending; room is for the next power of two */
    size_t count;
};

void linux_extents_clear(struct linux_extents *extents);
/* Appends one: they ascend. 0 or -ENOMEM. */
int linux_extents_add(struct linux_extents *extents, uint64_t offset, uint64_t length);
/* Asks the file system which stretches of [0, size) were written. Moves the offset of `fd`. */
int linux_extents_find(struct linux_extents *extents, int fd, uint64_t size);
/* The same without moving it; -EBUSY where the file system tells that to nobody. */
int linux_extents_map(struct linux_extents *extents, int fd, uint64_t size);
/* Writes them into the state of an object, and how long they are together as its content. */
void linux_extents_put(const struct linux_extents *extents, struct recap_arena *arena,
                       struct recap_object *object);
/* Finds the place of a byte of the content that is kept: how many bytes follow in one piece, 0 at
 * the end. */
uint64_t linux_extents_place(const struct linux_extents *extents, uint64_t at, uint64_t *offset);
/* Hands every page with content (none of zeros only) of an object of a graph, which is `size` bytes
 * long, to `write`. What is not written stays a hole. An image whose stretches are not inside, do
 * not ascend or are not as long as the content is damaged, which shows before anything is written.
 */
int linux_extents_fill(const struct recap_creation *creation, const struct recap_object *object,
                       uint64_t size,
                       int (*write)(void *context, uint64_t offset, const void *data, size_t size,
                                    struct recap_error *error),
                       void *context, struct recap_error *error);
/* Such a function, for a context that is a pointer to a descriptor. */
int linux_extents_write(void *context, uint64_t offset, const void *data, size_t size,
                        struct recap_error *error);

#endif
