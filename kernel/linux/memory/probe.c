/* probe.c: what of its memory only the process itself can ask the kernel for.
 *
 * Whether future mappings are locked (mlockall) shows nowhere: a page is mapped and looked at. And
 * shared memory that the caller may not open is looked into through the regions that map it.
 */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/memory/placement.h"
#include "kernel/linux/objects/memory/shared_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, MOST_PAGES = 1 << 18 };

#define LOCKED (LINUX_MAPPING_LOCKED | LINUX_MAPPING_LOCKED_ON_FAULT)

static bool any_locked(const struct recap_pd_image *image)
{
    for (size_t i = 0; i < image->region_count; i++) {
        const char *flags = recap_text_or_null(image->regions[i].state, "flags");
        if (flags && linux_mapping_flags(flags) & LOCKED)
            return true;
    }
    return false;
}

/* Locked memory may be all of it (mlockall), or what was locked by itself; memory that a process
 * has locked only from now on may not be there yet, but what we mapped in it is. A page mapped
 * under MCL_FUTURE is locked, and present at once unless under MCL_ONFAULT too. */
static int probe_lock(struct linux_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                      struct recap_error *error)
{
    struct linux_batch *batch = linux_batch_new(pd, 0);
    uint64_t present = linux_batch_put(batch, NULL, 1);
    size_t map = linux_batch_call(batch, SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t look = linux_batch_call(batch, SYS_mincore, 0, PAGE, present);
    /* Only locked memory is EBUSY here. */
    size_t lock = linux_batch_call(batch, SYS_msync, 0, PAGE, MS_INVALIDATE);
    size_t unmap = linux_batch_call(batch, SYS_munmap, 0, PAGE);
    linux_batch_chain(batch, map, look, 0);
    linux_batch_chain(batch, map, lock, 0);
    linux_batch_chain(batch, map, unmap, 0);
    int result = linux_batch_run(batch, error);
    /* A process at its limit of locked memory can map nothing under MCL_FUTURE. */
    int64_t mapped = linux_batch_result(batch, map);
    bool full = mapped == -EAGAIN;
    if (result == 0 && !full)
        result = linux_batch_check(batch, map, "mapping a page", error);
    if (result == 0 && (full || linux_batch_result(batch, lock) == -EBUSY)) {
        const unsigned char *there = linux_batch_data(batch, present);
        bool on_fault = !full && !(there[0] & 1);
        recap_put_number(graph->arena, image->attributes, "lock-future",
                         MCL_FUTURE | (on_fault ? MCL_ONFAULT : 0));
    }
    linux_batch_free(batch);
    return result;
}

/* Whether a byte of the process can be read: beyond the end of an object none can. */
static bool readable(struct linux_pd *pd, uint64_t address)
{
    char byte;
    return linux_read(&pd->base, address, &byte, 1, NULL) == 0;
}

/* How many bytes of a piece lie below the end of the object. */
static uint64_t within_object(struct linux_pd *pd, const struct linux_mapped_piece *piece)
{
    uint64_t low = 0, high = piece->length / PAGE;
    if (readable(pd, piece->start + piece->length - PAGE))
        return piece->length;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (readable(pd, piece->start + middle * PAGE))
            low = middle + 1;
        else
            high = middle;
    }
    return low * PAGE;
}

/* Appends the pages of a piece from `from` (an offset into the object) up to `end` that are in
 * memory; all of them when some are swapped out. */
static int find_pages(struct linux_pd *pd, struct linux_mapped *mapped,
                      const struct linux_mapped_piece *piece, uint64_t from, uint64_t end,
                      struct recap_error *error)
{
    int result = 0;
    for (uint64_t at = from; result == 0 && at < end;) {
        uint64_t pages = (end - at) / PAGE < MOST_PAGES ? (end - at) / PAGE : MOST_PAGES;
        struct linux_batch *batch = linux_batch_new(pd, 0);
        uint64_t vector = linux_batch_put(batch, NULL, pages);
        size_t call = linux_batch_call(batch, SYS_mincore, piece->start + (at - piece->offset),
                                       pages * PAGE, vector);
        result = linux_batch_run(batch, error);
        if (result == 0)
            result = linux_batch_check(batch, call, "looking into shared memory", error);
        const unsigned char *there = linux_batch_data(batch, vector);
        for (uint64_t i = 0; result == 0 && i < pages; i++)
            if ((piece->swapped || there[i] & 1) &&
                linux_extents_add(&mapped->extents, at + i * PAGE, PAGE) < 0)
                result = recap_fail(error, -ENOMEM, "looking into shared memory");
        linux_batch_free(batch);
        at += pages * PAGE;
    }
    return result;
}

/* `from` is where in the object the pieces before this one ended. Looking for the end of the object
 * brings pages in, so which pages are there is asked first, unless it does not matter. */
static int look_into(struct linux_pd *pd, struct linux_mapped *mapped,
                     const struct linux_mapped_piece *piece, uint64_t from,
                     struct recap_error *error)
{
    uint64_t end = piece->offset + piece->length;
    int result = 0;
    from = from > piece->offset ? from : piece->offset;
    if (from >= end)
        return 0;
    if (!piece->swapped)
        result = find_pages(pd, mapped, piece, from, end, error);
    end = piece->offset + within_object(pd, piece);
    if (end > mapped->size)
        mapped->size = end;
    if (result == 0 && piece->swapped && from < end)
        result = find_pages(pd, mapped, piece, from, end, error);
    return result;
}

static int by_offset(const void *a, const void *b)
{
    const struct linux_mapped_piece *left = a, *right = b;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static int probe_shared(struct linux_pd *pd, struct linux_mapped *mapped, struct recap_error *error)
{
    uint64_t from = 0;
    int result = 0;
    mapped->size = 0;
    mapped->extents.count = 0;
    qsort(mapped->pieces, mapped->piece_count, sizeof *mapped->pieces, by_offset);
    for (size_t i = 0; result == 0 && i < mapped->piece_count; i++) {
        const struct linux_mapped_piece *piece = &mapped->pieces[i];
        if (piece->pid != pd->task)
            continue;
        result = look_into(pd, mapped, piece, from, error);
        if (piece->offset + piece->length > from)
            from = piece->offset + piece->length;
    }
    return result;
}

int linux_regions_probe(struct linux_pd *pd, struct recap_graph *graph,
                        struct recap_pd_image *image, struct recap_error *error)
{
    /* What is created has what its image says; and there is nothing to add it to. */
    if (!pd->suspended || pd->created)
        return 0;
    int result = 0;
    if (image->attributes && (pd->locks_later || any_locked(image)))
        result = probe_lock(pd, graph, image, error);
    if (result == 0 && (pd->placed || linux_placement_matters()))
        result = linux_regions_placement(pd, graph, image, error);
    for (size_t i = 0; result == 0 && i < image->region_count; i++) {
        const char *kind;
        uint64_t object = image->regions[i].object;
        int fd;
        if (!object || !linux_badge_is_inner(pd->kernel, object, &kind, NULL, NULL) ||
            strcmp(kind, "shared-memory") != 0)
            continue;
        struct linux_mapped *mapped = linux_mapped_of(pd->kernel, object);
        if (mapped->probed == mapped->pass)
            continue;
        mapped->probed = mapped->pass;
        if (linux_mapped_reach(pd->kernel, mapped, &fd) == 0)
            linux_mapped_let_go(mapped);
        else
            result = probe_shared(pd, mapped, error);
    }
    return result;
}
