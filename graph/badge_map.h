/* badge_map.h: from badges to numbers: which graph object a badge became, which badges were given.
 */
#ifndef RECAP_GRAPH_BADGE_MAP_H
#define RECAP_GRAPH_BADGE_MAP_H

#include <recap/capability.h>
#include <stddef.h>

struct recap_badge_map;
struct recap_badge_map *recap_badge_map_new(void);
/* Accepts NULL. */
void recap_badge_map_free(struct recap_badge_map *map);
/* The id that `badge` has in the graph; 0: none yet. */
uint64_t recap_badge_map_id(const struct recap_badge_map *map, recap_badge badge);
/* Records that `badge` is graph object `id`. 0 or -ENOMEM. */
int recap_badge_map_add(struct recap_badge_map *map, recap_badge badge, uint64_t id);

#endif
