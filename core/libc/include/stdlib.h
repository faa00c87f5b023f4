/* stdlib.h: for guests without a libc: memory from what free_pages.h gives. */
#ifndef RECAP_CORE_LIBC_STDLIB_H
#define RECAP_CORE_LIBC_STDLIB_H

#include <stddef.h>

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);
void *reallocarray(void *memory, size_t count, size_t size);
void free(void *memory);

#endif
