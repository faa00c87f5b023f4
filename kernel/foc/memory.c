/* memory.c: core is the pager of its components and has all of their memory mapped itself. */
#include "foc.h"

#include <errno.h>
#include <l4/re/env.h>
#include <l4/sys/task.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

uint8_t *foc_pages(uint64_t length)
{
    /* Nobody can hand on a right that he has not got: hence the right to execute. */
    void *pages =
        mmap(NULL, length, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        return NULL;
    /* Touched, since what core has not got itself it cannot map to others. */
    return memset(pages, 0, length);
}

void foc_pages_free(uint8_t *pages, uint64_t length)
{
    if (pages)
        munmap(pages, length);
}

static struct foc_region *region_at(const struct foc_pd *pd, uint64_t address)
{
    for (struct foc_region *region = pd->regions; region; region = region->next)
        if (address >= region->start && address - region->start < region->length)
            return region;
    return NULL;
}

int foc_region_add(struct foc_pd *pd, uint64_t start, uint64_t length, uint32_t protection,
                   struct foc_object *memory, struct recap_error *error)
{
    if (!length || (start | length) % FOC_PAGE || start >= FOC_SPACE_END ||
        length > FOC_SPACE_END - start || (memory && length > memory->size))
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "no region can be at 0x%llx",
                            (unsigned long long)start);
    struct foc_region **place = &pd->regions;
    while (*place && (*place)->start + (*place)->length <= start)
        place = &(*place)->next;
    if (*place && (*place)->start < start + length)
        return recap_refuse(error, RECAP_USAGE, -EEXIST, "there is a region at 0x%llx already",
                            (unsigned long long)(*place)->start);
    struct foc_region *region = calloc(1, sizeof *region);
    uint8_t *bytes = memory ? memory->bytes : foc_pages(length);
    if (!region || !bytes) {
        free(region);
        if (!memory)
            foc_pages_free(bytes, length);
        return recap_fail(error, -ENOMEM, "making a region");
    }
    *region = (struct foc_region){.start = start,
                                  .length = length,
                                  .protection = protection,
                                  .memory = memory,
                                  .bytes = bytes,
                                  .next = *place};
    *place = region;
    return 0;
}

void foc_regions_free(struct foc_pd *pd)
{
    while (pd->regions) {
        struct foc_region *region = pd->regions;
        pd->regions = region->next;
        if (!region->memory)
            foc_pages_free(region->bytes, region->length);
        free(region);
    }
}

void foc_regions_forget(struct foc *foc, const struct foc_object *memory)
{
    for (struct foc_pd *pd = foc->pds; pd; pd = pd->next)
        for (struct foc_region **place = &pd->regions; *place;) {
            struct foc_region *region = *place;
            if (region->memory != memory) {
                place = &region->next;
                continue;
            }
            *place = region->next;
            free(region);
        }
}

bool foc_page_fault(struct foc_pd *pd, uint64_t address, bool write)
{
    struct foc_region *region = region_at(pd, address);
    if (!region || (write && !(region->protection & RECAP_PROT_WRITE)))
        return false;
    uint64_t page = address & ~(uint64_t)(FOC_PAGE - 1);
    unsigned rights = L4_FPAGE_RO;
    rights |= region->protection & RECAP_PROT_WRITE ? L4_FPAGE_W : 0;
    rights |= region->protection & RECAP_PROT_EXECUTE ? L4_FPAGE_X : 0;
    l4_addr_t from = (l4_addr_t)region->bytes + (page - region->start);
    l4_msgtag_t tag = l4_task_map(pd->task->cap, L4_BASE_TASK_CAP,
                                  l4_fpage(from, L4_PAGESHIFT, (unsigned char)rights),
                                  l4_map_control(page, 0, 0));
    return l4_msgtag_label(tag) == 0;
}

int foc_copy(struct foc_pd *pd, uint64_t address, void *buffer, size_t size, bool write)
{
    uint8_t *at = buffer;
    while (size) {
        struct foc_region *region = region_at(pd, address);
        if (!region)
            return -EFAULT;
        uint64_t inside = address - region->start;
        size_t part = region->length - inside < size ? region->length - inside : size;
        if (write)
            memcpy(region->bytes + inside, at, part);
        else
            memcpy(at, region->bytes + inside, part);
        at += part;
        address += part;
        size -= part;
    }
    return 0;
}

static int transfer(struct recap_pd *handle, uint64_t address, void *buffer, size_t size,
                    bool write, struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    int result = pd ? foc_copy(pd, address, buffer, size, write) : -ESRCH;
    return result ? recap_fail(error, result, "%s memory at 0x%llx", write ? "writing" : "reading",
                               (unsigned long long)address)
                  : 0;
}

int foc_read(struct recap_pd *handle, uint64_t address, void *buffer, size_t size,
             struct recap_error *error)
{
    return transfer(handle, address, buffer, size, false, error);
}

int foc_write(struct recap_pd *handle, uint64_t address, const void *buffer, size_t size,
              struct recap_error *error)
{
    return transfer(handle, address, (void *)buffer, size, true, error);
}

static bool is_zero(const uint8_t *page)
{
    return !page[0] && !memcmp(page, page + 1, FOC_PAGE - 1);
}

/* The runs of pages that have something in them. */
static int add_ranges(struct recap_graph *graph, const struct foc_region *from,
                      struct recap_region *region)
{
    size_t runs = 0;
    for (uint64_t at = 0; at < from->length; at += FOC_PAGE)
        runs += !is_zero(from->bytes + at) && (at == 0 || is_zero(from->bytes + at - FOC_PAGE));
    region->ranges = runs ? recap_arena_alloc(graph->arena, runs * sizeof *region->ranges) : NULL;
    if (runs && !region->ranges)
        return -ENOMEM;
    for (uint64_t at = 0; at < from->length; at += FOC_PAGE) {
        if (is_zero(from->bytes + at))
            continue;
        if (at == 0 || is_zero(from->bytes + at - FOC_PAGE))
            region->ranges[region->range_count++].start = from->start + at;
        region->ranges[region->range_count - 1].length += FOC_PAGE;
    }
    return 0;
}

int foc_regions(struct recap_pd *handle, struct recap_graph *graph, struct recap_pd_image *image,
                struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    if (!pd)
        return recap_fail(error, -ESRCH, "listing regions");
    for (const struct foc_region *from = pd->regions; from; from = from->next) {
        struct recap_region *region = recap_graph_add_region(graph, image);
        if (!region)
            return recap_fail(error, -ENOMEM, "listing regions");
        region->start = from->start;
        region->length = from->length;
        region->protection = from->protection;
        region->shared = from->memory != NULL;
        region->object = from->memory ? from->memory->badge : 0;
        /* What is attached has its content with the object. */
        if (!from->memory && add_ranges(graph, from, region) < 0)
            return recap_fail(error, -ENOMEM, "listing regions");
    }
    return 0;
}

int foc_map(struct recap_pd *handle, const struct recap_creation *creation,
            const struct recap_pd_image *image, int fd, struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    if (!pd || fd >= 0)
        return recap_fail(error, pd ? -EOPNOTSUPP : -ESRCH, "mapping regions");
    for (size_t i = 0; i < image->region_count; i++) {
        const struct recap_region *region = &image->regions[i];
        struct foc_object *memory = NULL;
        if (region->object) {
            memory = foc_object(pd->foc, creation->badges[region->object]);
            if (!memory || memory->kind != FOC_MEMORY || region->offset)
                return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                                    "the region at 0x%llx maps what is not memory",
                                    (unsigned long long)region->start);
        }
        int result =
            foc_region_add(pd, region->start, region->length, region->protection, memory, error);
        if (result < 0)
            return result;
    }
    return 0;
}
