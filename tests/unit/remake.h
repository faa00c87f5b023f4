/* remake.h: for tests of kinds: describes descriptors of the test itself and builds them anew, in
 * the order and with the graph that a restore has. */
#ifndef RECAP_TESTS_REMAKE_H
#define RECAP_TESTS_REMAKE_H

#include "kernel/linux/linux.h"

struct remake {
    struct recap_kernel *kernel; /* that describes */
    struct recap_kernel *other;  /* that creates: it knows nothing of the first */
    struct recap_graph *graph;
    struct recap_refusals refusals;
    uint64_t *ids; /* of the graph object of each descriptor */
    size_t count;
    char **contents; /* by object id */
    recap_badge *badges;
    struct recap_error error;
};

/* Describes them; closes them then if `close_them`. Fails the test on anything but a refusal. */
void remake_describe(struct remake *remake, const int *fds, size_t count, bool close_them);
/* Creates and ties every object and compares it with the graph; fds[i] is then a descriptor of what
 * took the place of what the i-th described descriptor referred to. 0 or the first failure. */
int remake_create(struct remake *remake, int *fds);
/* Both, failing the test when something is refused. */
void remake_all(struct remake *remake, int *fds, size_t count);
void remake_free(struct remake *remake);

#endif
