/* pages.h: what the allocator wants from the guest that it is linked into. */
#ifndef RECAP_CORE_LIBC_PAGES_H
#define RECAP_CORE_LIBC_PAGES_H

#include <stddef.h>

enum { LIBC_PAGE = 4096 };

/* `size` bytes (whole pages) of zeroed memory, page-aligned, or NULL. */
void *libc_pages(size_t size);
/* Gives back what libc_pages gave, all of it. */
void libc_pages_free(void *memory, size_t size);

#endif
