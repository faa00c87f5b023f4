/* shared_memory.h: what memory/read.c and memory/map.c need of shared anonymous memory, which only
 * the process that maps it can look into and make. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_MEMORY_SHARED_MEMORY_H
#define RECAP_KERNEL_LINUX_OBJECTS_MEMORY_SHARED_MEMORY_H

#include "kernel/linux/memory/mapped.h"

/* Whether an object of a graph is shared anonymous memory, which is made while mapping. */
bool linux_shared_memory_is_anonymous(const struct recap_object *object);
/* Hands every page with content (none of zeros only) of an object of a graph to `write`. */
int linux_shared_memory_fill(const struct recap_creation *creation,
                             const struct recap_object *object,
                             int (*write)(void *context, uint64_t offset, const void *data,
                                          size_t size, struct recap_error *error),
                             void *context, struct recap_error *error);

/* The kind's create and tie. */
int linux_shared_memory_create(struct linux_kernel *kernel, const struct recap_creation *creation,
                               const struct recap_object *object, recap_badge *badge,
                               struct recap_error *error);
int linux_shared_memory_tie(struct linux_pd *pd, const struct recap_creation *creation,
                            const struct recap_object *object, struct recap_error *error);

#endif
