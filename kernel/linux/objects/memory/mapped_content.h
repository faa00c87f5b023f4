/* mapped_content.h: the bytes of a removed file that regions map, for those who may not open it. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_MEMORY_MAPPED_CONTENT_H
#define RECAP_KERNEL_LINUX_OBJECTS_MEMORY_MAPPED_CONTENT_H

#include "kernel/linux/memory/mapped.h"

/* Looks for a selector of the processes that map it that also holds it; notes it in `mapped`: 1, 0,
 * or a negative errno. */
int linux_mapped_find_holder(struct linux_mapped *mapped);
/* How many bytes of the file can be seen through its mappings: up to the end of the last one. */
int linux_mapped_seen(const struct linux_mapped *mapped, uint64_t *size);
/* Finds which stretches those are. */
int linux_mapped_survey_seen(struct linux_mapped *mapped);
/* Reads what can be seen. What nobody maps, and what nobody sees of the file since every mapping of
 * it has changed its page for itself, reads as zeros. Returns the bytes read, 0 at the end. */
ssize_t linux_mapped_look(const struct linux_mapped *mapped, uint64_t offset, void *buffer,
                          size_t size);

#endif
