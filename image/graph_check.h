/* graph_check.h: whether a graph is one that an image may hold. */
#ifndef RECAP_IMAGE_GRAPH_CHECK_H
#define RECAP_IMAGE_GRAPH_CHECK_H

#include "graph/graph.h"
#include <recap/error.h>

/* Ascending selectors and addresses, whole pages, objects that exist, no circle of dependence. What
 * is wrong is class RECAP_DAMAGED. The offsets of ranges are not looked at. */
int image_graph_check(const struct recap_graph *graph, struct recap_error *error);
/* The regions of one PD alone, without what they map. */
int image_regions_check(const struct recap_pd_image *pd, struct recap_error *error);

#endif
