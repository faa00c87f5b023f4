/* memory.h: the mappings of a process and what is in them. */
#ifndef RECAP_KERNEL_LINUX_MEMORY_MEMORY_H
#define RECAP_KERNEL_LINUX_MEMORY_MEMORY_H

#include "kernel/linux/batch/batch.h"
#include "kernel/linux/reading.h"

int linux_regions(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                  struct recap_error *error);
int linux_read(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
               struct recap_error *error);
int linux_write(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                struct recap_error *error);
int linux_map(struct recap_pd *pd, const struct recap_creation *creation,
              const struct recap_pd_image *image, int fd, struct recap_error *error);
int linux_load(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
               struct recap_error *error);

/* --- memory/placement.c (thread): on which memory nodes its new pages come to lie --- */

struct linux_placement {
    size_t call;
    uint64_t answer;
};

void linux_placement_ask(const struct linux_reading *reading, struct linux_placement *asked);
void linux_placement_record(const struct linux_reading *reading,
                            const struct linux_placement *asked, struct recap_value *state);
int linux_placement_set(struct linux_steps *steps, const struct recap_value *want,
                        const struct recap_value *have, struct recap_error *error);

/* --- memory/layout.c (process): what the kernel says about the address space in /proc --- */

struct linux_layout {
    size_t brk_call;
};

/* Where field `field` (counted as proc(5) does) of a /proc/PID/stat begins, or NULL. */
const char *linux_stat_field(const char *stat, int field);
void linux_layout_ask(const struct linux_reading *reading, struct linux_layout *asked);
int linux_layout_record(const struct linux_reading *reading, const struct linux_layout *asked,
                        const char *stat, struct recap_value *state, struct recap_error *error);
int linux_layout_set(struct linux_pd *pd, const struct recap_creation *creation,
                     const struct recap_value *want, struct recap_error *error);

/* --- memory/barriers.c (process): registrations with membarrier(2) --- */

struct linux_barriers {
    size_t registered_call, known_call;
};

void linux_barriers_ask(const struct linux_reading *reading, struct linux_barriers *asked);
void linux_barriers_record(const struct linux_reading *reading, const struct linux_barriers *asked,
                           struct recap_value *state);
void linux_barriers_set(struct linux_steps *steps, const struct recap_value *want);

#endif
