/* map.h: rebuilding the memory of a created process, in steps:
 *
 *   map.c      clears the process and maps every region, open for being filled
 *   shared.c   makes shared anonymous memory
 *   load.c     fills the regions from the core file
 *   kernels.c  brings the kernel's own pages to their places
 *   settle.c   gives every region its final protection and advice
 */
#ifndef RECAP_KERNEL_LINUX_MEMORY_MAP_H
#define RECAP_KERNEL_LINUX_MEMORY_MAP_H

#include "kernel/linux/batch/calls.h"
#include "kernel/linux/memory/mappings.h"

/* What the steps share. */
struct linux_mapper {
    struct linux_pd *pd;
    const struct recap_creation *creation; /* NULL while loading */
    const struct recap_pd_image *image;
    int core; /* the core file, or -1 */
    struct linux_calls calls;
    struct recap_error *error;
};

enum { LINUX_PAGE_SIZE = 4096 };

/* PROT_* of enum recap_protection. */
int linux_protection(uint32_t protection);
/* The protection that a region has while it is built: its own, or one that lets it be filled. */
int linux_protection_while_built(const struct recap_region *region);
/* The flags of a region (enum linux_mapping_flag). */
uint32_t linux_region_flags(const struct recap_region *region);
/* Whether the range is mapped from the core file instead of read when pages come in on touch. */
bool linux_range_is_lazy(const struct recap_region *region, const struct recap_range *range);

/* Whether the kernel itself keeps the region: vDSO, vvar. */
bool linux_region_is_kernels(const struct recap_region *region);

/* load.c: reads ranges from mapper->core into place; `lazy`: only those that are not mapped
 * from it. */
int linux_load_ranges(struct linux_mapper *mapper, bool lazy);

/* settle.c: advice that changes of what the content is made, and where it comes to lie. */
int linux_advise_before_filling(struct linux_mapper *mapper, const struct recap_region *region);
/* Gives every region its final form. Regions do not change afterwards. */
int linux_settle_regions(struct linux_mapper *mapper);

/* kernels.c: takes the kernel's own pages (vDSO and its data) out of the way, to `aside`. */
int linux_move_kernels_pages(struct linux_mapper *mapper, const struct linux_mappings *now,
                             uint64_t aside);
/* Puts them where the image has them, or has the image's vDSO lead to where they are. Needs
 * mapper->core. */
int linux_place_kernels_pages(struct linux_mapper *mapper);

/* shared.c: makes, fills and maps the shared anonymous memory. `aside` is an address from
 * where on `room` bytes are free. */
int linux_map_shared_anonymous(struct linux_mapper *mapper, uint64_t aside, uint64_t room);

#endif
