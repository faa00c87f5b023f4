/* pages.c: which pages of a process are its own.
 *
 * The page tables say so: an anonymous page is its process's, present or swapped out; every other
 * present page belongs to a file or is shared memory. Where the kernel has it, PAGEMAP_SCAN finds
 * the runs; elsewhere the 64-bit entries of /proc/PID/pagemap are read for every mapping that smaps
 * says has such pages.
 */
#include "kernel/linux/abi.h"
#include "kernel/linux/memory/mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { VECTOR = 512, ENTRIES = 4096, PAGE = 4096 };

/* Bits of an entry of /proc/PID/pagemap. */
#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_SWAPPED (1ull << 62)
#define ENTRY_FILE (1ull << 61)
#define ENTRY_GUARD (1ull << 58)

struct linux_pages {
    int fd;
    bool scan; /* PAGEMAP_SCAN works; `guards` and with PAGE_IS_GUARD */
    bool guards;
    uint64_t at; /* everything below was asked for */
    uint64_t end;
    size_t next; /* the answer that comes next */
    size_t count;
    const struct linux_mappings *mappings;
    size_t mapping; /* the one that `at` is in or before; without `scan` */
    union {
        struct page_region regions[VECTOR];
        uint64_t entries[ENTRIES];
    } answer;
    uint64_t answer_start; /* of entries[0] */
};

int linux_pages_open(int proc, const struct linux_mappings *mappings, struct linux_pages **pages,
                     struct recap_error *error)
{
    struct linux_pages *new = malloc(sizeof *new);
    if (!new)
        return recap_fail(error, -ENOMEM, "looking for pages");
    memset(new, 0, offsetof(struct linux_pages, answer));
    new->scan = new->guards = true;
    new->mappings = mappings;
    if (mappings->count) {
        new->at = mappings->items[0].start;
        new->end = mappings->items[mappings->count - 1].end;
    }
    new->fd = openat(proc, "pagemap", O_RDONLY | O_CLOEXEC);
    if (new->fd < 0) {
        int code = -errno;
        free(new);
        return recap_fail(error, code, "opening the page map (/proc/PID/pagemap)");
    }
    *pages = new;
    return 0;
}

void linux_pages_free(struct linux_pages *pages)
{
    if (!pages)
        return;
    close(pages->fd);
    free(pages);
}

static int scan_more(struct linux_pages *pages)
{
    const uint64_t guard = pages->guards ? PAGE_IS_GUARD : 0;
    struct pm_scan_arg argument = {
        .size = sizeof argument,
        .start = pages->at,
        .end = pages->end,
        .vec = (uintptr_t)pages->answer.regions,
        .vec_len = VECTOR,
        .category_inverted = PAGE_IS_FILE,
        .category_mask = PAGE_IS_FILE,
        .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
        .return_mask = PAGE_IS_PFNZERO | guard,
    };
    int count = ioctl(pages->fd, PAGEMAP_SCAN, &argument);
    if (count < 0)
        return -errno;
    pages->at = argument.walk_end;
    pages->count = (size_t)count;
    pages->next = 0;
    return 0;
}

/* 1 and a run, 0 at the end, -ENOTTY when the kernel cannot scan. */
static int scan_next(struct linux_pages *pages, struct linux_page_run *run)
{
    while (pages->next == pages->count) {
        if (pages->at >= pages->end)
            return 0;
        int result = scan_more(pages);
        if (result == -EINVAL && pages->guards) {
            pages->guards = false;
            continue;
        }
        if (result < 0)
            return result == -EINVAL ? -ENOTTY : result;
    }
    const struct page_region *region = &pages->answer.regions[pages->next++];
    *run = (struct linux_page_run){
        .start = region->start,
        .end = region->end,
        .kind = region->categories & PAGE_IS_GUARD     ? LINUX_PAGE_GUARD
                : region->categories & PAGE_IS_PFNZERO ? LINUX_PAGE_ZERO
                                                       : LINUX_PAGE_OWN,
    };
    return 1;
}

/* Reads entries from `at` on, skipping mappings that have no page of their own. 1, or 0 at the
 * end. */
static int read_more(struct linux_pages *pages)
{
    const struct linux_mappings *all = pages->mappings;
    while (pages->mapping < all->count &&
           (all->items[pages->mapping].end <= pages->at || !all->items[pages->mapping].own_pages))
        pages->mapping++;
    if (pages->mapping == all->count)
        return 0;
    const struct linux_mapping *mapping = &all->items[pages->mapping];
    if (pages->at < mapping->start)
        pages->at = mapping->start;
    size_t wanted = (mapping->end - pages->at) / PAGE;
    if (wanted > ENTRIES)
        wanted = ENTRIES;
    ssize_t got = pread(pages->fd, pages->answer.entries, wanted * sizeof(uint64_t),
                        (off_t)(pages->at / PAGE * sizeof(uint64_t)));
    if (got < 0)
        return -errno;
    if (got < (ssize_t)sizeof(uint64_t))
        return -EIO;
    pages->count = (size_t)got / sizeof(uint64_t);
    pages->next = 0;
    pages->answer_start = pages->at;
    pages->at += pages->count * PAGE;
    return 1;
}

static int entry_kind(uint64_t entry)
{
    if (entry & ENTRY_GUARD)
        return LINUX_PAGE_GUARD;
    return entry & (ENTRY_PRESENT | ENTRY_SWAPPED) && !(entry & ENTRY_FILE) ? LINUX_PAGE_OWN : -1;
}

static int read_next(struct linux_pages *pages, struct linux_page_run *run)
{
    for (;;) {
        while (pages->next < pages->count && entry_kind(pages->answer.entries[pages->next]) < 0)
            pages->next++;
        if (pages->next < pages->count)
            break;
        int result = read_more(pages);
        if (result <= 0)
            return result;
    }
    int kind = entry_kind(pages->answer.entries[pages->next]);
    run->kind = (enum linux_page)kind;
    run->start = pages->answer_start + pages->next * PAGE;
    while (pages->next < pages->count && entry_kind(pages->answer.entries[pages->next]) == kind)
        pages->next++;
    run->end = pages->answer_start + pages->next * PAGE;
    return 1;
}

int linux_pages_next(struct linux_pages *pages, struct linux_page_run *run,
                     struct recap_error *error)
{
    int result = pages->scan ? scan_next(pages, run) : read_next(pages, run);
    if (result == -ENOTTY && pages->scan) {
        pages->scan = false;
        pages->at = 0;
        pages->next = pages->count = 0;
        result = read_next(pages, run);
    }
    return result < 0 ? recap_fail(error, result, "asking which pages have content") : result;
}
