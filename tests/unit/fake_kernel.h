/* fake_kernel.h: a kernel in memory, for testing the engine on its own.
 *
 * It also shows how little a backend needs. Every operation counts; the one whose turn it is fails.
 */
#ifndef RECAP_TESTS_FAKE_KERNEL_H
#define RECAP_TESTS_FAKE_KERNEL_H

#include "kernel/kernel.h"

enum { FAKE_SLOTS = 16, FAKE_PAGES = 4, FAKE_PAGE = 4096, FAKE_OBJECTS = 64, FAKE_PDS = 4 };

struct fake_object {
    bool exists;
    const char *kind; /* "number", "pair" (names another object), "outside", "strange" */
    int64_t number;
    recap_badge other;
    recap_badge tied;
};

struct fake_pd {
    struct recap_pd base;
    bool exists, suspended, started, created, open;
    struct recap_cap slots[FAKE_SLOTS];
    unsigned char memory[FAKE_PAGES * FAKE_PAGE]; /* at address 0x10000 */
    bool mapped;
    uint64_t register_value;
    int64_t attribute;
};

struct fake_kernel {
    struct recap_kernel base;
    struct fake_pd pds[FAKE_PDS];             /* id = place + 1 */
    struct fake_object objects[FAKE_OBJECTS]; /* badge = place + 1 */
    size_t calls;
    size_t fail_at; /* the call that fails, counted from 1; 0: none */
    bool lost;      /* and all that follow */
    size_t stops;   /* how often a PD was suspended */
    /* What examine says against every PD, by how often it was called; the last for ever. */
    const char *const *says;
    size_t examined;
    bool changed; /* the next PD to be suspended is another than was examined */
};

void fake_kernel_init(struct fake_kernel *kernel);
/* 0: there are as many as there can be. */
recap_badge fake_object_add(struct fake_kernel *kernel, const char *kind, int64_t number,
                            recap_badge other);
/* PD 1: two selectors that share a number, one on a pair that names it, and a memory. */
struct fake_pd *fake_pd_populate(struct fake_kernel *kernel);

#endif
