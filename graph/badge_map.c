/* badge_map.c: from badges to numbers: a hash table with open addressing. */
#include "graph/badge_map.h"

#include <errno.h>
#include <stdlib.h>

struct entry {
    recap_badge badge; /* 0: free */
    uint64_t id;
};

struct recap_badge_map {
    struct entry *entries;
    size_t capacity; /* a power of two; at most half of it is used */
    size_t count;
};

struct recap_badge_map *recap_badge_map_new(void)
{
    return calloc(1, sizeof(struct recap_badge_map));
}

void recap_badge_map_free(struct recap_badge_map *map)
{
    if (!map)
        return;
    free(map->entries);
    free(map);
}

/* The entry of `badge`, or the free one where it belongs. */
static struct entry *place(const struct recap_badge_map *map, recap_badge badge)
{
    size_t i = (size_t)(badge * 0x9e3779b97f4a7c15u >> 17) & (map->capacity - 1);
    while (map->entries[i].badge && map->entries[i].badge != badge)
        i = (i + 1) & (map->capacity - 1);
    return &map->entries[i];
}

uint64_t recap_badge_map_id(const struct recap_badge_map *map, recap_badge badge)
{
    return map->count && badge ? place(map, badge)->id : 0;
}

int recap_badge_map_add(struct recap_badge_map *map, recap_badge badge, uint64_t id)
{
    if (map->count * 2 >= map->capacity) {
        struct recap_badge_map larger = {.capacity = map->capacity ? map->capacity * 2 : 64};
        larger.entries = calloc(larger.capacity, sizeof *larger.entries);
        if (!larger.entries)
            return -ENOMEM;
        for (size_t i = 0; i < map->capacity; i++)
            if (map->entries[i].badge)
                *place(&larger, map->entries[i].badge) = map->entries[i];
        larger.count = map->count;
        free(map->entries);
        *map = larger;
    }
    struct entry *entry = place(map, badge);
    map->count += entry->badge == 0;
    *entry = (struct entry){badge, id};
    return 0;
}
