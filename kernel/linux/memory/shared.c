/* shared.c: making shared anonymous memory where it is mapped.
 *
 * Only a process that maps such memory can make it. Each object is mapped aside once, as large as
 * it was, and filled; every region becomes another mapping of it (mremap with an old size of 0), so
 * regions that shared an object share it again, at whatever offsets they had.
 */
#include "kernel/linux/memory/map.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/objects/memory/shared_memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

struct filling {
    struct linux_mapper *mapper;
    uint64_t aside;
};

static int write_aside(void *context, uint64_t offset, const void *data, size_t size,
                       struct recap_error *error)
{
    const struct filling *filling = context;
    return linux_write(&filling->mapper->pd->base, filling->aside + offset, data, size, error);
}

/* How many bytes the object's regions reach over, and whether they reserve; false: it has none. */
static bool look_at_regions(const struct linux_mapper *mapper, uint64_t id, uint64_t *reach,
                            bool *reserve)
{
    bool found = false;
    *reach = 0;
    *reserve = true;
    for (size_t i = 0; i < mapper->image->region_count; i++) {
        const struct recap_region *region = &mapper->image->regions[i];
        if (region->object != id)
            continue;
        found = true;
        if (region->length > INT64_MAX - region->offset)
            *reach = UINT64_MAX;
        else if (region->offset + region->length > *reach)
            *reach = region->offset + region->length;
        if (linux_region_flags(region) & LINUX_MAPPING_NO_RESERVE)
            *reserve = false;
    }
    return found;
}

static int map_pieces(struct linux_mapper *mapper, uint64_t id, uint64_t aside)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < mapper->image->region_count; i++) {
        const struct recap_region *region = &mapper->image->regions[i];
        if (region->object != id)
            continue;
        result = linux_calls_start(&mapper->calls);
        if (result < 0)
            break;
        linux_calls_add(&mapper->calls, "mapping", region->start, region->length, region->start,
                        LINUX_CALL(SYS_mremap, aside + region->offset, 0, region->length,
                                   MREMAP_MAYMOVE | MREMAP_FIXED, region->start));
        int protection = linux_protection(region->protection);
        if (protection != (PROT_READ | PROT_WRITE))
            linux_calls_add(&mapper->calls, "protecting", region->start, region->length, 0,
                            LINUX_CALL(SYS_mprotect, region->start, region->length, protection));
    }
    return result;
}

static int make(struct linux_mapper *mapper, const struct recap_object *object, uint64_t aside,
                uint64_t room)
{
    int64_t size;
    uint64_t reach;
    bool reserve;
    if (!look_at_regions(mapper, object->id, &reach, &reserve))
        return 0;
    if (recap_get_number(object->state, "size", &size) < 0 || size <= 0 ||
        size % LINUX_PAGE_SIZE != 0)
        return recap_refuse(mapper->error, RECAP_DAMAGED, -EINVAL,
                            "shared memory in the image has no size");
    uint64_t whole = (uint64_t)size > reach ? (uint64_t)size : reach;
    if (whole > room)
        return recap_fail(mapper->error, -ENOMEM, "making %lld bytes of shared memory",
                          (long long)size);
    int result = linux_calls_start(&mapper->calls);
    if (result < 0)
        return result;
    linux_calls_add(
        &mapper->calls, "making shared", aside, (uint64_t)size, aside,
        LINUX_CALL(SYS_mmap, aside, size, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | (reserve ? 0 : MAP_NORESERVE),
                   -1, 0));
    /* Regions may reach beyond the end of the object. */
    if (whole > (uint64_t)size)
        linux_calls_add(&mapper->calls, "making shared", aside, whole, aside,
                        LINUX_CALL(SYS_mremap, aside, size, whole, 0, 0));
    result = linux_calls_run(&mapper->calls);
    struct filling filling = {mapper, aside};
    if (result == 0)
        result = linux_shared_memory_fill(mapper->creation, object, write_aside, &filling,
                                          mapper->error);
    if (result == 0)
        result = map_pieces(mapper, object->id, aside);
    if (result == 0)
        result = linux_calls_start(&mapper->calls);
    if (result < 0)
        return result;
    linux_calls_add(&mapper->calls, "unmapping", aside, whole, 0,
                    LINUX_CALL(SYS_munmap, aside, whole));
    return linux_calls_run(&mapper->calls);
}

int linux_map_shared_anonymous(struct linux_mapper *mapper, uint64_t aside, uint64_t room)
{
    const struct recap_graph *graph = mapper->creation->graph;
    int result = 0;
    for (size_t i = 0; result == 0 && i < graph->object_count; i++)
        if (linux_shared_memory_is_anonymous(&graph->objects[i]))
            result = make(mapper, &graph->objects[i], aside, room);
    return result;
}
