/* link.c: a core of no kernel, which is never run: that it links shows that a core wants nothing
 * but what is in core/freestanding.list and here, and pages. */
#include "core/libc/pages.h"
#include "core/server.h"

void _start(void);

void *libc_pages(size_t size)
{
    (void)size;
    return NULL;
}

void libc_pages_free(void *memory, size_t size)
{
    (void)memory, (void)size;
}

void _start(void)
{
    struct recap_kernel kernel = {0};
    struct core_stream stream = {0};
    core_serve(&kernel, &stream, NULL);
}
