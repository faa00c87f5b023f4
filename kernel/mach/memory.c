/* memory.c: a task's address space.
 *
 * Pages that hold only zeros are not in the image: fresh memory has them. A region is filled while
 * it may be written, and gets its protection afterwards.
 */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "mach.user.h"
#include "mach_port.user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, STEP = 64 * PAGE };

struct region {
    vm_address_t start;
    vm_size_t length;
    vm_prot_t protection, maximum;
    vm_inherit_t inheritance;
    boolean_t shared;
};

/* The region at or above `from`: 1, or 0 at the end. */
static int next_region(const struct mach_pd *pd, vm_address_t from, struct region *region,
                       struct recap_error *error)
{
    mach_port_t object = MACH_PORT_NULL;
    vm_offset_t offset;
    region->start = from;
    kern_return_t why =
        vm_region(pd->task, &region->start, &region->length, &region->protection, &region->maximum,
                  &region->inheritance, &region->shared, &object, &offset);
    if (why == KERN_NO_SPACE)
        return 0;
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "reading the memory map of PD %llu",
                         (unsigned long long)pd->pd.id);
    if (object)
        mach_port_deallocate(mach_task_self(), object);
    return 1;
}

int mach_examine_memory(struct mach_pd *pd, struct recap_refusals *refusals,
                        struct recap_error *error)
{
    struct region region;
    int result;
    vm_address_t at = 0;
    for (; (result = next_region(pd, at, &region, error)) > 0; at = region.start + region.length) {
        const char *why = NULL;
        if (region.shared)
            why = "is shared with another task";
        else if (!(region.maximum & VM_PROT_READ))
            why = "can never be read";
        if (why &&
            recap_refusals_say(refusals, NULL, "memory of PD %llu at 0x%lx %s",
                               (unsigned long long)pd->pd.id, (unsigned long)region.start, why) < 0)
            return recap_fail(error, -ENOMEM, "examining memory");
        if (region.start + region.length == 0)
            break;
    }
    return result < 0 ? result : 0;
}

static bool is_zero(const unsigned char *page)
{
    const uint32_t *words = (const uint32_t *)(const void *)page;
    for (size_t i = 0; i < PAGE / sizeof *words; i++)
        if (words[i])
            return false;
    return true;
}

/* Adds page `address`, in order, to the ranges of the region, of which `capacity` have room. */
static bool add_page(struct recap_arena *arena, struct recap_region *region, size_t *capacity,
                     uint64_t address)
{
    struct recap_range *last =
        region->range_count ? &region->ranges[region->range_count - 1] : NULL;
    if (last && last->start + last->length == address) {
        last->length += PAGE;
        return true;
    }
    if (region->range_count == *capacity) {
        size_t larger = *capacity ? *capacity * 2 : 4;
        struct recap_range *moved = recap_arena_alloc(arena, larger * sizeof *moved);
        if (!moved)
            return false;
        if (region->range_count)
            memcpy(moved, region->ranges, region->range_count * sizeof *moved);
        region->ranges = moved;
        *capacity = larger;
    }
    region->ranges[region->range_count++] = (struct recap_range){.start = address, .length = PAGE};
    return true;
}

static kern_return_t readable(const struct mach_pd *pd, const struct region *region, bool yes)
{
    if (region->protection & VM_PROT_READ)
        return KERN_SUCCESS;
    return vm_protect(pd->task, region->start, region->length, FALSE,
                      yes ? region->protection | VM_PROT_READ : region->protection);
}

static int find_ranges(const struct mach_pd *pd, const struct region *from,
                       struct recap_arena *arena, struct recap_region *region,
                       struct recap_error *error)
{
    size_t capacity = 0;
    kern_return_t why = readable(pd, from, true);
    for (vm_size_t done = 0; why == KERN_SUCCESS && done < from->length;) {
        vm_size_t step = from->length - done < STEP ? from->length - done : STEP;
        vm_offset_t data;
        mach_msg_type_number_t count;
        why = vm_read(pd->task, from->start + done, step, &data, &count);
        if (why != KERN_SUCCESS)
            break;
        bool added = true;
        for (vm_size_t at = 0; added && at < step; at += PAGE)
            if (!is_zero((const unsigned char *)data + at))
                added = add_page(arena, region, &capacity, from->start + done + at);
        vm_deallocate(mach_task_self(), data, count);
        if (!added)
            break; /* sticky in the arena */
        done += step;
    }
    readable(pd, from, false);
    return why == KERN_SUCCESS
               ? 0
               : mach_fail(error, why, "reading memory of PD %llu at 0x%lx",
                           (unsigned long long)pd->pd.id, (unsigned long)from->start);
}

static uint32_t protection_of(vm_prot_t protection)
{
    return (protection & VM_PROT_READ ? RECAP_PROT_READ : 0) |
           (protection & VM_PROT_WRITE ? RECAP_PROT_WRITE : 0) |
           (protection & VM_PROT_EXECUTE ? RECAP_PROT_EXECUTE : 0);
}

int mach_regions(struct recap_pd *handle, struct recap_graph *graph, struct recap_pd_image *image,
                 struct recap_error *error)
{
    const struct mach_pd *pd = mach_pd_of(handle);
    struct region found;
    int result;
    vm_address_t at = 0;
    for (; (result = next_region(pd, at, &found, error)) > 0; at = found.start + found.length) {
        struct recap_region *region = recap_graph_add_region(graph, image);
        if (!region)
            return recap_fail(error, -ENOMEM, "reading the memory map");
        *region = (struct recap_region){.start = found.start,
                                        .length = found.length,
                                        .protection = protection_of(found.protection),
                                        .shared = found.shared,
                                        .state = recap_record(graph->arena)};
        recap_put_number(graph->arena, region->state, "maximum", found.maximum);
        recap_put_number(graph->arena, region->state, "inheritance", found.inheritance);
        result = find_ranges(pd, &found, graph->arena, region, error);
        if (result < 0 || found.start + found.length == 0)
            break;
    }
    if (result >= 0 && recap_arena_failed(graph->arena))
        return recap_fail(error, -ENOMEM, "reading the memory map");
    return result < 0 ? result : 0;
}

static bool fits(uint64_t address, size_t size)
{
    return address <= UINT32_MAX && size <= UINT32_MAX - address;
}

static int bad_address(struct recap_error *error, uint64_t address)
{
    return recap_refuse(error, RECAP_FAILED, -EFAULT, "0x%llx is no address of a task",
                        (unsigned long long)address);
}

int mach_read(struct recap_pd *handle, uint64_t address, void *buffer, size_t size,
              struct recap_error *error)
{
    const struct mach_pd *pd = mach_pd_of(handle);
    vm_address_t first = (vm_address_t)address & ~(vm_address_t)(PAGE - 1);
    vm_offset_t data;
    mach_msg_type_number_t count;
    if (!size)
        return 0;
    if (!fits(address, size))
        return bad_address(error, address);
    vm_size_t whole = (((vm_address_t)address - first) + size + PAGE - 1) & ~(vm_size_t)(PAGE - 1);
    struct region region = {0};
    kern_return_t why = vm_read(pd->task, first, whole, &data, &count);
    if (why == KERN_PROTECTION_FAILURE && next_region(pd, first, &region, error) > 0 &&
        readable(pd, &region, true) == KERN_SUCCESS) {
        why = vm_read(pd->task, first, whole, &data, &count);
        readable(pd, &region, false);
    }
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "reading memory of PD %llu at 0x%llx",
                         (unsigned long long)pd->pd.id, (unsigned long long)address);
    memcpy(buffer, (const char *)data + ((vm_address_t)address - first), size);
    vm_deallocate(mach_task_self(), data, count);
    return 0;
}

/* Whole pages: what is at their ends beside the bytes stays. */
int mach_write(struct recap_pd *handle, uint64_t address, const void *buffer, size_t size,
               struct recap_error *error)
{
    const struct mach_pd *pd = mach_pd_of(handle);
    vm_address_t first = (vm_address_t)address & ~(vm_address_t)(PAGE - 1), data = 0;
    if (!size)
        return 0;
    if (!fits(address, size))
        return bad_address(error, address);
    vm_size_t before = (vm_address_t)address - first;
    vm_size_t whole = (before + size + PAGE - 1) & ~(vm_size_t)(PAGE - 1);
    kern_return_t why = vm_allocate(mach_task_self(), &data, whole, TRUE);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "writing memory");
    int result = 0;
    if (before || size % PAGE)
        result = mach_read(handle, first, (void *)data, whole, error);
    if (result == 0) {
        memcpy((char *)data + before, buffer, size);
        why = vm_write(pd->task, first, data, whole);
        if (why != KERN_SUCCESS)
            result = mach_fail(error, why, "writing memory of PD %llu at 0x%llx",
                               (unsigned long long)pd->pd.id, (unsigned long long)address);
    }
    vm_deallocate(mach_task_self(), data, whole);
    return result;
}

int mach_map(struct recap_pd *handle, const struct recap_creation *creation,
             const struct recap_pd_image *image, int fd, struct recap_error *error)
{
    const struct mach_pd *pd = mach_pd_of(handle);
    (void)creation, (void)fd;
    for (size_t i = 0; i < image->region_count; i++) {
        const struct recap_region *region = &image->regions[i];
        vm_address_t start = (vm_address_t)region->start;
        if (region->shared || region->object || !fits(region->start, (size_t)region->length) ||
            region->length > UINT32_MAX)
            return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                                "the region at 0x%llx is none of a Mach task",
                                (unsigned long long)region->start);
        kern_return_t why = vm_allocate(pd->task, &start, (vm_size_t)region->length, FALSE);
        if (why != KERN_SUCCESS)
            return mach_fail(error, why, "mapping memory at 0x%lx", (unsigned long)start);
    }
    return 0;
}

static int protect_one(const struct mach_pd *pd, const struct recap_region *region,
                       struct recap_error *error)
{
    vm_address_t start = (vm_address_t)region->start;
    vm_size_t length = (vm_size_t)region->length;
    int64_t maximum = recap_number_or(region->state, "maximum", -1);
    int64_t inheritance = recap_number_or(region->state, "inheritance", -1);
    vm_prot_t current = (region->protection & RECAP_PROT_READ ? VM_PROT_READ : 0) |
                        (region->protection & RECAP_PROT_WRITE ? VM_PROT_WRITE : 0) |
                        (region->protection & RECAP_PROT_EXECUTE ? VM_PROT_EXECUTE : 0);
    if (maximum < 0 || maximum > VM_PROT_ALL || inheritance < 0 || inheritance > VM_INHERIT_NONE)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "the region at 0x%lx is damaged",
                            (unsigned long)start);
    kern_return_t why = vm_protect(pd->task, start, length, FALSE, current);
    if (why == KERN_SUCCESS)
        why = vm_protect(pd->task, start, length, TRUE, (vm_prot_t)maximum);
    if (why == KERN_SUCCESS)
        why = vm_inherit(pd->task, start, length, (vm_inherit_t)inheritance);
    return why == KERN_SUCCESS
               ? 0
               : mach_fail(error, why, "protecting memory at 0x%lx", (unsigned long)start);
}

int mach_protect(struct mach_pd *pd, const struct recap_pd_image *image, struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < image->region_count; i++)
        result = protect_one(pd, &image->regions[i], error);
    return result;
}
