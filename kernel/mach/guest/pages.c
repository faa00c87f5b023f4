/* pages.c: memory of this task for the allocator. */
#include "core/libc/pages.h"
#include "kernel/mach/guest/traps.h"
#include "mach.user.h"

void *libc_pages(size_t size)
{
    vm_address_t address = 0;
    return vm_allocate(mach_task_self(), &address, size, TRUE) == KERN_SUCCESS ? (void *)address
                                                                               : NULL;
}

void libc_pages_free(void *memory, size_t size)
{
    vm_deallocate(mach_task_self(), (vm_address_t)memory, size);
}
