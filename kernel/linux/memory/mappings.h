/* mappings.h: the mappings of a process as the kernel lists them, and which pages are their own. */
#ifndef RECAP_KERNEL_LINUX_MEMORY_MAPPINGS_H
#define RECAP_KERNEL_LINUX_MEMORY_MAPPINGS_H

#include "kernel/linux/linux.h"

/* Properties of a mapping that have no place in struct recap_region; behind each what the kernel
 * calls it in smaps. */
enum linux_mapping_flag {
    LINUX_MAPPING_MAY_WRITE = 1 << 0,       /* mw */
    LINUX_MAPPING_GROWS_DOWN = 1 << 1,      /* gd */
    LINUX_MAPPING_LOCKED = 1 << 2,          /* lo */
    LINUX_MAPPING_LOCKED_ON_FAULT = 1 << 3, /* lf */
    LINUX_MAPPING_SEQUENTIAL = 1 << 4,      /* sr */
    LINUX_MAPPING_RANDOM = 1 << 5,          /* rr */
    LINUX_MAPPING_DONT_FORK = 1 << 6,       /* dc */
    LINUX_MAPPING_ACCOUNTED = 1 << 7,       /* ac */
    LINUX_MAPPING_NO_RESERVE = 1 << 8,      /* nr */
    LINUX_MAPPING_WIPE_ON_FORK = 1 << 9,    /* wf */
    LINUX_MAPPING_DONT_DUMP = 1 << 10,      /* dd */
    LINUX_MAPPING_HUGE_PAGES = 1 << 11,     /* hg */
    LINUX_MAPPING_NO_HUGE_PAGES = 1 << 12,  /* nh */
    LINUX_MAPPING_MERGEABLE = 1 << 13,      /* mg */
    LINUX_MAPPING_DROPPABLE = 1 << 14,      /* dp */
    LINUX_MAPPING_SEALED = 1 << 15,         /* sl */
    LINUX_MAPPING_HUGETLB = 1 << 16,        /* ht */
    LINUX_MAPPING_DEVICE = 1 << 17,         /* io, pf, mm: not ordinary pages */
    LINUX_MAPPING_SYNC = 1 << 18,           /* sf */
    LINUX_MAPPING_USERFAULT = 1 << 19,      /* um, uw, ui */
    LINUX_MAPPING_SHADOW_STACK = 1 << 20,   /* ss */
    LINUX_MAPPING_WRITES_THROUGH = 1 << 21, /* sh: shared, from a description open for writing */
    LINUX_MAPPING_UNKNOWN = 1 << 22,        /* a property that this table does not have */
};

struct linux_mapping {
    uint64_t start;
    uint64_t end;
    uint32_t protection; /* enum recap_protection */
    bool shared;
    uint64_t offset;
    uint64_t device;        /* makedev() */
    uint64_t inode;         /* with device 0 and inode 0 no file is behind the mapping */
    const char *name;       /* NULL without one */
    uint32_t flags;         /* enum linux_mapping_flag */
    const char *flags_text; /* as the kernel writes them: "rd wr mr mw me ac" */
    uint64_t protection_key;
    bool own_pages; /* whether pages of its own (not the file's, not the zero page) exist */
};

struct linux_mappings {
    char *text; /* what the names point into */
    struct linux_mapping *items;
    size_t count;
};

/* Parses the text of /proc/PID/smaps, which it changes. 0, -ENOMEM, or -EPROTO for a text that is
 * none. */
int linux_mappings_parse(char *text, struct linux_mapping **items, size_t *count);
/* Lists the mappings of the process whose /proc/PID directory is `proc`; without `details` only
 * what comes before flags_text, which costs no walk over its pages. The kernel's own vsyscall page,
 * which is in every process, is left out. */
int linux_mappings_read(int proc, bool details, struct linux_mappings *mappings,
                        struct recap_error *error);
void linux_mappings_clear(struct linux_mappings *mappings);
/* The flags in a text as the kernel writes it (or an image has it). */
uint32_t linux_mapping_flags(const char *text);
/* Whether the kernel itself keeps this mapping: vvar, vdso. */
bool linux_mapping_is_kernels(const char *name);
/* Why such a mapping cannot be restored, or NULL. */
const char *linux_mapping_obstacle(const struct linux_mapping *mapping);
/* The device of the kernel's nameless shared memory (memfds, shared anonymous, System V). */
int linux_shared_memory_device(uint64_t *device, struct recap_error *error);

/* --- read.c, probe.c, examine.c --------------------------------------------------------------- */

/* linux_regions, of a running process too; what cannot be restored goes to `refusals` when that is
 * not NULL, and is left out. */
int linux_regions_listed(struct recap_pd *pd, struct recap_graph *graph,
                         struct recap_pd_image *image, struct recap_refusals *refusals,
                         struct recap_error *error);
/* Adds to the listed regions of a suspended process what only the process itself can ask for. */
int linux_regions_probe(struct linux_pd *pd, struct recap_graph *graph,
                        struct recap_pd_image *image, struct recap_error *error);
/* The memory's part of examine: what is mapped that cannot be restored. */
int linux_examine_memory(struct linux_pd *pd, struct recap_refusals *refusals,
                         struct recap_error *error);

/* --- pages.c ---------------------------------------------------------------------------------- */

enum linux_page {
    LINUX_PAGE_OWN,   /* neither a file's nor the zero page: present or swapped out */
    LINUX_PAGE_ZERO,  /* the zero page: it was read and never written */
    LINUX_PAGE_GUARD, /* a guard region (MADV_GUARD_INSTALL) */
};

struct linux_page_run {
    uint64_t start;
    uint64_t end;
    enum linux_page kind;
};

/* A walk over the pages of [start, end) that are not just a file's or absent. Asks the kernel in
 * pieces, so there is no limit to how many runs there are. */
struct linux_pages;

/* `mappings` bounds what is read where the kernel has no PAGEMAP_SCAN. */
int linux_pages_open(int proc, const struct linux_mappings *mappings, struct linux_pages **pages,
                     struct recap_error *error);
/* The next run in ascending order: 1 and a run, 0 at the end, or a negative errno. Adjacent runs of
 * one kind may follow each other. */
int linux_pages_next(struct linux_pages *pages, struct linux_page_run *run,
                     struct recap_error *error);
void linux_pages_free(struct linux_pages *pages);

#endif
