/* graph_json.h: words that graph.json uses for bits. */
#ifndef RECAP_IMAGE_GRAPH_JSON_H
#define RECAP_IMAGE_GRAPH_JSON_H

#include "graph/graph.h"

#define GRAPH_FORMAT "recap-graph"
enum { GRAPH_VERSION = 1 };

/* One bit and its word; a list ends with a NULL word. */
struct graph_word {
    uint32_t bit;
    const char *word;
};
extern const struct graph_word graph_rights[];
extern const struct graph_word graph_slot_flags[];
extern const struct graph_word graph_protection[];

#endif
