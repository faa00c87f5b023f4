/* dot.h: the capability graph as a drawing. */
#ifndef RECAP_CLI_DOT_H
#define RECAP_CLI_DOT_H

#include "graph/graph.h"

#include <stdio.h>

/* Writes the graph in graphviz's language: PDs with their selectors, the objects that these reach,
 * and what objects name each other (ties dashed). 0, or a negative errno. */
int dot_write(const struct recap_graph *graph, FILE *stream);

#endif
