/* core_layout.h: where everything is in the ELF core file of a PD.
 *
 *     0          ELF header, then zeros up to one page
 *     4096       the pages of all ranges, in order of address
 *     tail       program headers, section header 0, notes
 *
 * All of it follows from the PD's regions but the notes: offsets are known before the first page is
 * written, and the reader compares what it finds with what it expects.
 */
#ifndef RECAP_IMAGE_CORE_LAYOUT_H
#define RECAP_IMAGE_CORE_LAYOUT_H

#include "graph/graph.h"
#include <elf.h>
#include <recap/error.h>

enum { CORE_PAGE = 4096 };

struct core_layout {
    uint64_t tail;     /* offset of the program headers: pages end here */
    uint64_t segments; /* program headers, the one of the notes included */
    uint64_t notes;    /* offset of the notes */
};

/* The layout for the regions of `pd`, which recap_regions_check has passed. -EFBIG when the sizes
 * do not fit a file. */
int core_layout(const struct recap_pd_image *pd, struct core_layout *layout,
                struct recap_error *error);
/* Sets the offset of every range. */
void core_layout_ranges(struct recap_pd_image *pd);
/* Whether every range has the offset that the layout gives it. */
bool core_layout_matches(const struct recap_pd_image *pd);
/* The ELF header and zeros: one page. */
void core_layout_header(const struct core_layout *layout, unsigned char page[CORE_PAGE]);
/* Program headers and section header: layout->notes - layout->tail bytes. */
void core_layout_segments(const struct core_layout *layout, const struct recap_pd_image *pd,
                          uint64_t notes_size, void *out);

#endif
