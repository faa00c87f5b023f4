/* read.c: the regions of a process with their own content, and reading and writing it. */
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/memory/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

/* Ranges and guards of the region at hand, before they are copied to its arena. */
struct runs {
    struct recap_range *items;
    size_t count;
    size_t room;
};

struct reading {
    struct linux_pd *pd;
    struct recap_graph *graph;
    struct recap_pd_image *image;
    struct linux_mappings mappings;
    struct linux_pages *pages;
    struct linux_page_run run; /* what the walk over pages is at */
    bool more;                 /* whether `run` is one */
    struct runs ranges;
    struct runs guards;
    uint64_t shared_memory; /* device */
    uint64_t zero_device;   /* device and inode of /dev/zero as the process sees it, 0: none */
    uint64_t zero_inode;
    uint64_t pass;
    struct obstacle *obstacles;
    size_t obstacle_count;
    struct recap_refusals *refusals; /* takes what cannot be restored; NULL: that is an error */
    struct recap_error *error;
};

static void clear_reading(struct reading *reading)
{
    linux_mappings_clear(&reading->mappings);
    linux_pages_free(reading->pages);
    free(reading->ranges.items);
    free(reading->guards.items);
    free(reading->obstacles);
}

static int out_of_memory(struct reading *reading)
{
    return recap_fail(reading->error, -ENOMEM, "listing the regions of PID %lld",
                      (long long)reading->pd->base.id);
}

static int add_run(struct reading *reading, struct runs *runs, uint64_t start, uint64_t end)
{
    if (runs->count &&
        runs->items[runs->count - 1].start + runs->items[runs->count - 1].length == start) {
        runs->items[runs->count - 1].length += end - start;
        return 0;
    }
    if (runs->count == runs->room) {
        size_t room = runs->room ? runs->room * 2 : 64;
        void *more = reallocarray(runs->items, room, sizeof *runs->items);
        if (!more)
            return out_of_memory(reading);
        runs->items = more;
        runs->room = room;
    }
    runs->items[runs->count++] = (struct recap_range){.start = start, .length = end - start};
    return 0;
}

static bool has_file(const struct linux_mapping *mapping)
{
    return mapping->device || mapping->inode;
}

/* A private mapping of /dev/zero is anonymous memory that happens to have a name. */
static bool is_zero_device(struct reading *reading, const struct linux_mapping *mapping)
{
    if (mapping->shared || !mapping->name || strcmp(mapping->name, "/dev/zero") != 0)
        return false;
    if (!reading->zero_inode) {
        struct stat status;
        if (fstatat(reading->pd->proc, "root/dev/zero", &status, 0) < 0 ||
            !S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 5))
            return false;
        reading->zero_device = status.st_dev;
        reading->zero_inode = status.st_ino;
    }
    return mapping->device == reading->zero_device && mapping->inode == reading->zero_inode;
}

/* Takes the runs of pages that are in this mapping. They ascend like the mappings, and a run may
 * reach into the next mapping. */
static int take_runs(struct reading *reading, const struct linux_mapping *mapping, bool anonymous)
{
    reading->ranges.count = reading->guards.count = 0;
    while (reading->more && reading->run.start < mapping->end) {
        struct linux_page_run *run = &reading->run;
        uint64_t start = run->start > mapping->start ? run->start : mapping->start;
        uint64_t end = run->end < mapping->end ? run->end : mapping->end;
        /* A zero page over a file hides what the file has there. */
        bool own = run->kind == LINUX_PAGE_OWN || (run->kind == LINUX_PAGE_ZERO && !anonymous);
        int result = 0;
        if (start < end && run->kind == LINUX_PAGE_GUARD)
            result = add_run(reading, &reading->guards, start, end);
        else if (start < end && own && !mapping->shared)
            result = add_run(reading, &reading->ranges, start, end);
        if (result < 0)
            return result;
        if (run->end > mapping->end)
            break;
        result = linux_pages_next(reading->pages, run, reading->error);
        if (result < 0)
            return result;
        reading->more = result == 1;
    }
    return 0;
}

static int enter_object(struct reading *reading, const struct linux_mapping *mapping,
                        struct recap_region *region)
{
    const struct linux_mapped_piece piece = {.pid = reading->pd->task,
                                             .start = mapping->start,
                                             .length = mapping->end - mapping->start,
                                             .offset = mapping->offset,
                                             .may_write = mapping->shared &&
                                                          mapping->flags & LINUX_MAPPING_MAY_WRITE,
                                             .swapped = mapping->own_pages,
                                             .pass = reading->pass};
    const char *kind = mapping->device == reading->shared_memory ? "shared-memory" : "mapped-file";
    return linux_mapped_enter(reading->pd->kernel, kind, mapping->device, mapping->inode,
                              mapping->name, &piece, &region->object, reading->error);
}

/* What cannot be checkpointed, and how many mappings there are of it: each is said once. */
struct obstacle {
    struct linux_mapping first;
    const char *why;
    size_t count;
};

static const char *name_of(const struct linux_mapping *mapping)
{
    return mapping->name ? mapping->name : "memory";
}

static int refuse(struct reading *reading, const struct linux_mapping *mapping, const char *why)
{
    enum { LOOK_BACK = 64 }; /* what is mapped in turn with more than these is said again */
    if (!reading->refusals)
        return recap_refuse(reading->error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s, mapped from 0x%llx to 0x%llx, cannot be checkpointed: %s",
                            name_of(mapping), (unsigned long long)mapping->start,
                            (unsigned long long)mapping->end, why);
    size_t count = reading->obstacle_count;
    for (size_t i = count; i-- > 0 && count - i <= LOOK_BACK;) {
        struct obstacle *obstacle = &reading->obstacles[i];
        if (obstacle->why == why && obstacle->first.device == mapping->device &&
            obstacle->first.inode == mapping->inode &&
            strcmp(name_of(&obstacle->first), name_of(mapping)) == 0) {
            obstacle->count++;
            return 0;
        }
    }
    if ((count & (count - 1)) == 0) {
        void *more =
            reallocarray(reading->obstacles, count ? count * 2 : 1, sizeof *reading->obstacles);
        if (!more)
            return out_of_memory(reading);
        reading->obstacles = more;
    }
    reading->obstacles[reading->obstacle_count++] =
        (struct obstacle){.first = *mapping, .why = why, .count = 1};
    return 0;
}

static int say_obstacles(struct reading *reading)
{
    for (size_t i = 0; i < reading->obstacle_count; i++) {
        const struct obstacle *obstacle = &reading->obstacles[i];
        char more[48] = "";
        if (obstacle->count > 1)
            snprintf(more, sizeof more, " and in %zu more places", obstacle->count - 1);
        if (recap_refusals_say(reading->refusals, NULL,
                               "%s, mapped from 0x%llx to 0x%llx%s, cannot be checkpointed: %s",
                               name_of(&obstacle->first), (unsigned long long)obstacle->first.start,
                               (unsigned long long)obstacle->first.end, more, obstacle->why) < 0)
            return out_of_memory(reading);
    }
    return 0;
}

static int add_region(struct reading *reading, const struct linux_mapping *mapping)
{
    const char *obstacle = linux_mapping_obstacle(mapping);
    if (obstacle)
        return refuse(reading, mapping, obstacle);
    struct recap_arena *arena = reading->graph->arena;
    struct recap_region *region = recap_graph_add_region(reading->graph, reading->image);
    if (!region)
        return out_of_memory(reading);
    bool zero = is_zero_device(reading, mapping);
    bool anonymous = !has_file(mapping) || zero;
    region->start = mapping->start;
    region->length = mapping->end - mapping->start;
    region->protection = mapping->protection;
    region->shared = mapping->shared;
    region->offset = anonymous ? 0 : mapping->offset;
    region->name = mapping->name ? recap_arena_text(arena, mapping->name) : NULL;
    region->state = recap_record(arena);
    recap_put_text(arena, region->state, "flags", mapping->flags_text);
    if (!has_file(mapping) && linux_mapping_is_kernels(mapping->name))
        recap_put_number(arena, region->state, "kernel-made", 1);
    if (zero)
        recap_put_number(arena, region->state, "zero-device", 1);
    int result = anonymous ? 0 : enter_object(reading, mapping, region);
    if (result < 0)
        return result;
    if (!has_file(mapping) && linux_mapping_is_kernels(mapping->name)) {
        result = take_runs(reading, mapping, true);
        reading->ranges.count = 0;
        if (result == 0 && strcmp(mapping->name, "[vdso]") == 0)
            result = add_run(reading, &reading->ranges, mapping->start, mapping->end);
    } else {
        result = take_runs(reading, mapping, anonymous);
    }
    if (result < 0)
        return result;
    struct recap_value *guards =
        reading->guards.count ? recap_put_list(arena, region->state, "guards") : NULL;
    for (size_t i = 0; i < reading->guards.count; i++) {
        struct recap_value *guard = recap_put_record(arena, guards, NULL);
        recap_put_hex(arena, guard, "start", reading->guards.items[i].start);
        recap_put_hex(arena, guard, "length", reading->guards.items[i].length);
    }
    region->range_count = reading->ranges.count;
    region->ranges = recap_arena_copy(arena, reading->ranges.items,
                                      reading->ranges.count * sizeof *region->ranges);
    return recap_arena_failed(arena) ? out_of_memory(reading) : 0;
}

/* Adds a mapping without what is ours in it: the kernel may have merged the foothold with memory of
 * the process. */
static int add_mapping(struct reading *reading, const struct linux_mapping *mapping)
{
    struct linux_mapping piece = *mapping;
    uint64_t from, to;
    int result = 0;
    while (result == 0 && linux_foothold_takes(reading->pd, piece.start, &from, &to) &&
           from < mapping->end) {
        reading->pd->locks_later |= mapping->flags & LINUX_MAPPING_LOCKED;
        piece.end = from;
        if (piece.start < piece.end)
            result = add_region(reading, &piece);
        piece.start = to;
    }
    piece.end = mapping->end;
    return result == 0 && piece.start < piece.end ? add_region(reading, &piece) : result;
}

int linux_regions_listed(struct recap_pd *pd, struct recap_graph *graph,
                         struct recap_pd_image *image, struct recap_refusals *refusals,
                         struct recap_error *error)
{
    static _Atomic uint64_t passes;
    __attribute__((cleanup(clear_reading))) struct reading reading = {.pd = linux_pd(pd),
                                                                      .graph = graph,
                                                                      .image = image,
                                                                      .pass = ++passes,
                                                                      .refusals = refusals,
                                                                      .error = error};
    /* Of a process that was just made from an image only the layout is of interest. */
    bool whole = !reading.pd->created;
    int result = linux_shared_memory_device(&reading.shared_memory, error);
    if (result == 0)
        result = linux_mappings_read(reading.pd->proc, whole, &reading.mappings, error);
    if (result == 0 && whole)
        result = linux_pages_open(reading.pd->proc, &reading.mappings, &reading.pages, error);
    if (result == 0 && whole)
        result = linux_pages_next(reading.pages, &reading.run, error);
    if (result < 0)
        return result;
    reading.more = result == 1;
    result = 0;
    for (size_t i = 0; result == 0 && i < reading.mappings.count; i++)
        result = add_mapping(&reading, &reading.mappings.items[i]);
    return result ? result : say_obstacles(&reading);
}

int linux_regions(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                  struct recap_error *error)
{
    int result = linux_regions_listed(pd, graph, image, NULL, error);
    return result ? result : linux_regions_probe(linux_pd(pd), graph, image, error);
}

/* What process_vm_readv and process_vm_writev may not touch (memory without the permission),
 * /proc/PID/mem may. */
static int transfer(struct recap_pd *pd, uint64_t address, void *buffer, size_t size, bool write,
                    struct recap_error *error)
{
    const struct linux_pd *p = linux_pd(pd);
    int mem = -1;
    int result = 0;
    for (size_t done = 0; result == 0 && done < size;) {
        const struct iovec ours = {(char *)buffer + done, size - done};
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process */
        const struct iovec theirs = {(void *)(uintptr_t)(address + done), size - done};
        ssize_t moved = -1;
        if (mem < 0)
            moved = write ? process_vm_writev(p->task, &ours, 1, &theirs, 1, 0)
                          : process_vm_readv(p->task, &ours, 1, &theirs, 1, 0);
        if (moved <= 0 && mem < 0)
            mem = openat(p->proc, "mem", (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (moved <= 0 && mem >= 0)
            moved = write ? pwrite(mem, ours.iov_base, ours.iov_len, (off_t)(address + done))
                          : pread(mem, ours.iov_base, ours.iov_len, (off_t)(address + done));
        if (moved <= 0)
            result =
                recap_fail(error, moved < 0 ? -errno : -EIO, "%s the memory of PID %lld at 0x%llx",
                           write ? "writing" : "reading", (long long)pd->id,
                           (unsigned long long)(address + done));
        else
            done += (size_t)moved;
    }
    if (mem >= 0)
        close(mem);
    return result;
}

/* The padding of the vDSO in which stubs lie while the process is suspended is zero otherwise. */
static void hide_stubs(const struct linux_pd *pd, uint64_t address, void *buffer, size_t size)
{
    const struct linux_foothold *foothold = pd->foothold;
    if (!foothold || foothold->moved || address >= foothold->area + foothold->area_size ||
        address + size <= foothold->area)
        return;
    uint64_t start = address > foothold->area ? address : foothold->area;
    uint64_t end = foothold->area + foothold->area_size;
    if (end > address + size)
        end = address + size;
    memset((char *)buffer + (start - address), 0, end - start);
}

int linux_read(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
               struct recap_error *error)
{
    int result = transfer(pd, address, buffer, size, false, error);
    if (result == 0)
        hide_stubs(linux_pd(pd), address, buffer, size);
    return result;
}

int linux_write(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                struct recap_error *error)
{
    return transfer(pd, address, (void *)(uintptr_t)buffer, size, true, error);
}
