/* graph.h: the capability graph: slots -> objects -> objects, and the PDs around it.
 *
 * Plain structs between engine, image and backends. Everything in a graph lives in its arena.
 * Objects are numbered by their place: object id N is graph->objects[N - 1]; 0 is no object.
 */
#ifndef RECAP_GRAPH_GRAPH_H
#define RECAP_GRAPH_GRAPH_H

#include "graph/state.h"
#include <recap/capability.h>
#include <recap/error.h>

/* One used selector. */
struct recap_slot {
    recap_selector selector;
    uint64_t object; /* graph object id */
    uint32_t rights;
    uint32_t flags;
    uint32_t references;
};

/* One object: held by a selector, mapped by a region, or named by another object. */
struct recap_object {
    uint64_t id;
    const char *kind;
    const char *label;         /* for people: "/var/log/app.log", "TCP socket listening on :80" */
    bool external;             /* lives outside the checkpoint and has to be bound at restore */
    struct recap_value *state; /* a record: what the backend's describe gave */
    uint64_t content;          /* bytes of content kept beside the graph (queues, deleted files) */
    uint64_t content_checksum; /* XXH3 of them */
};

enum recap_protection {
    RECAP_PROT_READ = 1 << 0,
    RECAP_PROT_WRITE = 1 << 1,
    RECAP_PROT_EXECUTE = 1 << 2,
};

/* A run of bytes of a region whose content is in the image. */
struct recap_range {
    uint64_t start;  /* address, page-aligned */
    uint64_t length; /* bytes, whole pages */
    uint64_t offset; /* where they are in the PD's core file; set by the image writer */
};

struct recap_region {
    uint64_t start;
    uint64_t length;
    uint32_t protection; /* enum recap_protection */
    bool shared;
    uint64_t object;            /* what it maps: graph object id; 0 for anonymous memory */
    uint64_t offset;            /* bytes into that object */
    const char *name;           /* what the kernel calls it ("[heap]"), or NULL */
    struct recap_value *state;  /* what else the backend keeps of it; may be NULL */
    struct recap_range *ranges; /* the content that is the region's own */
    size_t range_count;
};

struct recap_thread {
    uint64_t id;           /* as the component itself knows it (innermost PID namespace) */
    const void *registers; /* general registers in the kernel's own core-dump layout */
    size_t registers_length;
    const void *extended; /* extended registers (x86-64: the XSAVE area) */
    size_t extended_length;
    struct recap_value *state; /* the rest */
};

struct recap_pd_image {
    uint64_t id; /* as the component itself knows it */
    const char *name;
    struct recap_slot *slots; /* ascending selectors */
    size_t slot_count;
    struct recap_region *regions; /* ascending addresses, not overlapping */
    size_t region_count;
    struct recap_thread *threads; /* the first is the one the PD is named after */
    size_t thread_count;
    struct recap_value *attributes; /* record */
};

struct recap_graph {
    struct recap_arena *arena;
    unsigned long serial; /* no two graphs that a program makes have the same */
    const char *kernel;   /* which backend wrote it: "linux", "mach", "foc" */
    const char *machine;  /* processor architecture: "x86_64" */
    const char *release;  /* the kernel's own version text */
    int64_t taken;        /* seconds since 1970 UTC */
    struct recap_object *objects;
    size_t object_count;
    struct recap_pd_image *pds;
    size_t pd_count;
};

/* An empty graph with an arena of its own, or NULL. */
struct recap_graph *recap_graph_new(void);
/* Accepts NULL. */
void recap_graph_free(struct recap_graph *graph);
/* The object with that id, or NULL. */
struct recap_object *recap_graph_object(const struct recap_graph *graph, uint64_t id);
/* The slot at that selector, or NULL. */
struct recap_slot *recap_graph_slot(const struct recap_pd_image *pd, recap_selector selector);
/* A new object at the end (grows graph->objects: pointers to objects go stale), or NULL. */
struct recap_object *recap_graph_add_object(struct recap_graph *graph);
/* A new slot / region / thread / PD at the end (the array may move), or NULL. */
struct recap_slot *recap_graph_add_slot(struct recap_graph *graph, struct recap_pd_image *pd);
struct recap_region *recap_graph_add_region(struct recap_graph *graph, struct recap_pd_image *pd);
struct recap_thread *recap_graph_add_thread(struct recap_graph *graph, struct recap_pd_image *pd);
struct recap_pd_image *recap_graph_add_pd(struct recap_graph *graph);

/* A text of `rights` for people ("read write"), in `buffer`; returns `buffer`. */
const char *recap_rights_text(uint32_t rights, char *buffer, size_t size);

/* error.c: takes out of `list` what is not in `other` as well. */
void recap_refusals_keep_common(struct recap_refusals *list, const struct recap_refusals *other);

/* check.c: whether a graph from outside may be used: ascending selectors and addresses, whole
 * pages, objects that exist, no circle of dependence. What is wrong is class RECAP_DAMAGED. The
 * offsets of ranges are not looked at. */
int recap_graph_check(const struct recap_graph *graph, struct recap_error *error);
/* The regions of one PD alone, without what they map. */
int recap_regions_check(const struct recap_pd_image *pd, struct recap_error *error);

/* order.c: calls `visit` for every object such that those that it names (ties aside) come first.
 * -EINVAL, class RECAP_DAMAGED, when they name each other in a circle. */
int recap_order(const struct recap_graph *graph, int (*visit)(void *context, uint64_t id),
                void *context, struct recap_error *error);

#endif
