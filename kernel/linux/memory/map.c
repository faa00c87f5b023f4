/* map.c: mapping every region of an image in a created process.
 *
 * The process starts with memory of its own. What acts in it moves to the largest gap of the
 * image's address space first; then everything else goes, the kernel's pages move to their places,
 * and every region is mapped at its address. MAP_FIXED_NOREPLACE: a region never takes the place of
 * something that was not seen.
 */
#include "kernel/linux/memory/map.h"
#include "kernel/linux/abi.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/objects/memory/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Addresses that every process has: above the lowest that mmap gives, and 47 bits. */
#define LOWEST 0x10000ull
#define HIGHEST 0x7ffffffff000ull

/* In the gap: the foothold, then room for the kernel's pages, then for shared memory. */
enum { FOOTHOLD_ROOM = 1 << 26, KERNELS_ROOM = 1 << 24 };

/* Ranges below this many bytes are read at once also when pages come in on touch: their faults
 * would cost more, and every mapping counts against the kernel's limit. */
enum { LAZY_LEAST = 64 * 1024 };

int linux_protection(uint32_t protection)
{
    return (protection & RECAP_PROT_READ ? PROT_READ : 0) |
           (protection & RECAP_PROT_WRITE ? PROT_WRITE : 0) |
           (protection & RECAP_PROT_EXECUTE ? PROT_EXEC : 0);
}

uint32_t linux_region_flags(const struct recap_region *region)
{
    const char *flags = recap_text_or_null(region->state, "flags");
    return flags ? linux_mapping_flags(flags) : 0;
}

bool linux_region_is_kernels(const struct recap_region *region)
{
    return recap_number_or(region->state, "kernel-made", 0) != 0;
}

int linux_protection_while_built(const struct recap_region *region)
{
    /* The kernel accounts private memory once it was writable, and remembers. */
    if (!region->shared &&
        (region->range_count || linux_region_flags(region) & LINUX_MAPPING_ACCOUNTED))
        return PROT_READ | PROT_WRITE;
    return linux_protection(region->protection);
}

bool linux_range_is_lazy(const struct recap_region *region, const struct recap_range *range)
{
    const uint32_t stay = LINUX_MAPPING_GROWS_DOWN | LINUX_MAPPING_LOCKED |
                          LINUX_MAPPING_DROPPABLE | LINUX_MAPPING_WIPE_ON_FORK;
    return range->length >= LAZY_LEAST && !(linux_region_flags(region) & stay);
}

static int damaged(struct linux_mapper *mapper, const struct recap_region *region, const char *why)
{
    return recap_refuse(mapper->error, RECAP_DAMAGED, -EINVAL,
                        "the image's memory from 0x%llx on %s", (unsigned long long)region->start,
                        why);
}

static bool whole_pages(uint64_t start, uint64_t length)
{
    return start % LINUX_PAGE_SIZE == 0 && length % LINUX_PAGE_SIZE == 0 && length &&
           length <= UINT64_MAX - start;
}

static int check_regions(struct linux_mapper *mapper)
{
    uint64_t end = 0;
    for (size_t i = 0; i < mapper->image->region_count; i++) {
        const struct recap_region *region = &mapper->image->regions[i];
        if (!whole_pages(region->start, region->length) || region->start < end)
            return damaged(mapper, region, "overlaps other memory or is no whole pages");
        end = region->start + region->length;
        if (end > INT64_MAX || region->offset % LINUX_PAGE_SIZE != 0)
            return damaged(mapper, region, "is outside of what a process can map");
        if (region->object > mapper->creation->graph->object_count)
            return damaged(mapper, region, "maps an object that does not exist");
        uint64_t at = region->start;
        for (size_t r = 0; r < region->range_count; r++) {
            const struct recap_range *range = &region->ranges[r];
            if (region->shared || !whole_pages(range->start, range->length) || range->start < at ||
                range->start + range->length > end || range->offset % LINUX_PAGE_SIZE != 0 ||
                range->offset > INT64_MAX)
                return damaged(mapper, region, "has content outside of itself");
            at = range->start + range->length;
        }
    }
    return 0;
}

/* A stretch of addresses. */
struct stretch {
    uint64_t start;
    uint64_t end;
};

static int by_start(const void *a, const void *b)
{
    const struct stretch *left = a, *right = b;
    return left->start < right->start ? -1 : left->start > right->start;
}

/* The largest gap between the image's regions and what the process has now. */
static int find_gap(struct linux_mapper *mapper, const struct linux_mappings *now,
                    struct stretch *gap)
{
    size_t count = mapper->image->region_count + now->count;
    struct stretch *used = calloc(count + 1, sizeof *used);
    if (!used)
        return recap_fail(mapper->error, -ENOMEM, "looking for free addresses");
    for (size_t i = 0; i < now->count; i++)
        used[i] = (struct stretch){now->items[i].start, now->items[i].end};
    for (size_t i = 0; i < mapper->image->region_count; i++) {
        const struct recap_region *region = &mapper->image->regions[i];
        used[now->count + i] = (struct stretch){region->start, region->start + region->length};
    }
    used[count] = (struct stretch){HIGHEST, HIGHEST};
    qsort(used, count + 1, sizeof *used, by_start);
    *gap = (struct stretch){LOWEST, LOWEST};
    for (uint64_t i = 0, at = LOWEST; i <= count && at < HIGHEST; i++) {
        if (used[i].start > at && used[i].start <= HIGHEST &&
            used[i].start - at > gap->end - gap->start)
            *gap = (struct stretch){at, used[i].start};
        at = used[i].end > at ? used[i].end : at;
    }
    free(used);
    /* Away from its ends, where a stack may grow down into it or a heap up. */
    uint64_t margin = (gap->end - gap->start) / 8 / LINUX_PAGE_SIZE * LINUX_PAGE_SIZE;
    gap->start += margin;
    gap->end -= margin;
    if (gap->end - gap->start < 2ull * FOOTHOLD_ROOM)
        return recap_fail(mapper->error, -ENOMEM,
                          "the image leaves no addresses free to work from");
    return 0;
}

static int unmap(struct linux_mapper *mapper, uint64_t start, uint64_t end)
{
    int result = start < end ? linux_calls_start(&mapper->calls) : 0;
    if (result == 0 && start < end)
        linux_calls_add(&mapper->calls, "unmapping", start, end - start, 0,
                        LINUX_CALL(SYS_munmap, start, end - start));
    return result;
}

/* Unmaps what the process started with, but for the kernel's pages and what acts in it. */
static int clear_process(struct linux_mapper *mapper, const struct linux_mappings *now)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < now->count; i++) {
        const struct linux_mapping *mapping = &now->items[i];
        uint64_t at = mapping->start, from, to;
        if (linux_mapping_is_kernels(mapping->name))
            continue;
        while (result == 0 && linux_foothold_takes(mapper->pd, at, &from, &to) &&
               from < mapping->end) {
            result = unmap(mapper, at, from);
            at = to;
        }
        if (result == 0)
            result = unmap(mapper, at, mapping->end);
    }
    return result;
}

static int map_flags(const struct recap_region *region)
{
    uint32_t flags = linux_region_flags(region);
    int result = MAP_FIXED_NOREPLACE;
    if (flags & LINUX_MAPPING_DROPPABLE)
        result |= MAP_DROPPABLE;
    else
        result |= region->shared ? MAP_SHARED : MAP_PRIVATE;
    if (flags & LINUX_MAPPING_GROWS_DOWN)
        result |= MAP_GROWSDOWN;
    if (flags & LINUX_MAPPING_NO_RESERVE && !(flags & LINUX_MAPPING_DROPPABLE))
        result |= MAP_NORESERVE;
    return result;
}

static void map_anonymous(struct linux_mapper *mapper, const struct recap_region *region)
{
    linux_calls_add(&mapper->calls, "mapping", region->start, region->length, region->start,
                    LINUX_CALL(SYS_mmap, region->start, region->length,
                               linux_protection_while_built(region),
                               map_flags(region) | MAP_ANONYMOUS, -1, 0));
}

static bool is_zero_device(const struct stat *status)
{
    return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 5);
}

/* A descriptor for an object's regions. Regions that may never write get one that cannot. */
static int open_object(struct linux_mapper *mapper, const struct recap_region *region,
                       bool read_only, int *fd)
{
    int own;
    int result = linux_badge_fd(mapper->pd->kernel, mapper->creation->badges[region->object], &own,
                                mapper->error);
    if (result < 0)
        return result;
    struct stat status;
    if (fstat(own, &status) < 0 || (!S_ISREG(status.st_mode) && !is_zero_device(&status))) {
        close(own);
        return damaged(mapper, region, "maps what is no file");
    }
    int mode = fcntl(own, F_GETFL);
    if (!read_only || mode < 0 || (mode & O_ACCMODE) == O_RDONLY) {
        *fd = own;
        return 0;
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", own);
    int again = open(path, O_RDONLY | O_CLOEXEC);
    int code = -errno;
    close(own);
    if (again < 0)
        return recap_fail(mapper->error, code, "opening %s for reading only",
                          region->name ? region->name : "a mapped file");
    *fd = again;
    return 0;
}

static int map_object(struct linux_mapper *mapper, const struct recap_region *region)
{
    const struct recap_object *object = recap_graph_object(mapper->creation->graph, region->object);
    uint32_t flags = linux_region_flags(region);
    /* Only a seal that is in force already keeps a description that writes from giving a region
     * that may. */
    bool read_only =
        region->shared && !(flags & LINUX_MAPPING_MAY_WRITE) &&
        (!(flags & LINUX_MAPPING_WRITES_THROUGH) || recap_member(object->state, "ties"));
    uint64_t key = region->object * 2 + read_only;
    int fd = -1;
    int result =
        linux_calls_has_fd(&mapper->calls, key) ? 0 : open_object(mapper, region, read_only, &fd);
    if (result < 0)
        return result;
    size_t call = linux_calls_add(
        &mapper->calls, "mapping", region->start, region->length, region->start,
        LINUX_CALL(SYS_mmap, region->start, region->length, linux_protection_while_built(region),
                   map_flags(region), -1, region->offset));
    return linux_calls_use_fd(&mapper->calls, key, fd, call, 4);
}

static int map_zero_device(struct linux_mapper *mapper, const struct recap_region *region)
{
    const uint64_t key = UINT64_MAX;
    int fd = -1;
    if (!linux_calls_has_fd(&mapper->calls, key)) {
        fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
        if (fd < 0)
            return recap_fail(mapper->error, -errno, "opening /dev/zero");
    }
    size_t call =
        linux_calls_add(&mapper->calls, "mapping", region->start, region->length, region->start,
                        LINUX_CALL(SYS_mmap, region->start, region->length,
                                   linux_protection_while_built(region), map_flags(region), -1, 0));
    return linux_calls_use_fd(&mapper->calls, key, fd, call, 4);
}

/* Puts the core file's pages over a region's content: they come in when they are touched. */
static int map_core(struct linux_mapper *mapper, const struct recap_region *region)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < region->range_count; i++) {
        const struct recap_range *range = &region->ranges[i];
        if (!linux_range_is_lazy(region, range))
            continue;
        result = linux_calls_start(&mapper->calls);
        if (result < 0)
            break;
        int reserve = linux_region_flags(region) & LINUX_MAPPING_NO_RESERVE ? MAP_NORESERVE : 0;
        size_t call = linux_calls_add(
            &mapper->calls, "mapping", range->start, range->length, range->start,
            LINUX_CALL(SYS_mmap, range->start, range->length, linux_protection_while_built(region),
                       MAP_FIXED | MAP_PRIVATE | reserve, -1, range->offset));
        int fd =
            linux_calls_has_fd(&mapper->calls, 0) ? -1 : fcntl(mapper->core, F_DUPFD_CLOEXEC, 3);
        result = linux_calls_use_fd(&mapper->calls, 0, fd, call, 4);
    }
    return result;
}

static int map_region(struct linux_mapper *mapper, const struct recap_region *region)
{
    const struct recap_object *object = recap_graph_object(mapper->creation->graph, region->object);
    if (linux_region_is_kernels(region))
        return 0;
    int result = linux_calls_start(&mapper->calls);
    if (result == 0 && object && !linux_shared_memory_is_anonymous(object))
        result = map_object(mapper, region);
    else if (result == 0 && recap_number_or(region->state, "zero-device", 0))
        result = map_zero_device(mapper, region);
    else if (result == 0 && !object)
        map_anonymous(mapper, region);
    if (result == 0 && mapper->core >= 0)
        result = map_core(mapper, region);
    if (result == 0)
        result = linux_calls_start(&mapper->calls);
    return result ? result : linux_advise_before_filling(mapper, region);
}

static int map_all(struct linux_mapper *mapper)
{
    struct linux_mappings now = {0};
    struct stretch gap = {0};
    int result = linux_mappings_read(mapper->pd->proc, false, &now, mapper->error);
    if (result == 0)
        result = find_gap(mapper, &now, &gap);
    if (result == 0)
        result = linux_foothold_move(mapper->pd, gap.start, FOOTHOLD_ROOM, mapper->error);
    if (result == 0)
        result = clear_process(mapper, &now);
    if (result == 0)
        result = linux_move_kernels_pages(mapper, &now, gap.start + FOOTHOLD_ROOM);
    linux_mappings_clear(&now);
    if (result == 0) {
        uint64_t aside = gap.start + FOOTHOLD_ROOM + KERNELS_ROOM;
        result = linux_map_shared_anonymous(mapper, aside, gap.end - aside);
    }
    for (size_t i = 0; result == 0 && i < mapper->image->region_count; i++)
        result = map_region(mapper, &mapper->image->regions[i]);
    return result ? result : linux_calls_run(&mapper->calls);
}

/* What is left to do once the content is there to be read. */
static int fill(struct linux_mapper *mapper, bool lazy)
{
    int result = linux_load_ranges(mapper, lazy);
    if (result == 0)
        result = linux_place_kernels_pages(mapper);
    return result ? result : linux_settle_regions(mapper);
}

int linux_map(struct recap_pd *pd, const struct recap_creation *creation,
              const struct recap_pd_image *image, int fd, struct recap_error *error)
{
    struct linux_mapper mapper = {.pd = linux_pd(pd),
                                  .creation = creation,
                                  .image = image,
                                  .core = fd,
                                  .calls = {.pd = linux_pd(pd), .error = error},
                                  .error = error};
    int result = check_regions(&mapper);
    if (result == 0)
        result = map_all(&mapper);
    if (result == 0 && fd >= 0)
        result = fill(&mapper, true);
    linux_calls_clear(&mapper.calls);
    return result;
}

int linux_load(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
               struct recap_error *error)
{
    struct linux_mapper mapper = {.pd = linux_pd(pd),
                                  .image = image,
                                  .core = fd,
                                  .calls = {.pd = linux_pd(pd), .error = error},
                                  .error = error};
    int result = fill(&mapper, false);
    linux_calls_clear(&mapper.calls);
    return result;
}
