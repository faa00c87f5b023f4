/* index.c: the hash tables that badges are found by. */
#include "kernel/linux/badges/table.h"

#include <errno.h>
#include <stdlib.h>

static size_t bucket_of(const struct linux_badge_index *index, uint64_t key)
{
    return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (index->size - 1);
}

static int grow(struct linux_badge_index *index)
{
    struct linux_badge_index larger = {.size = index->size ? index->size * 2 : 64,
                                       .count = index->count};
    larger.buckets = calloc(larger.size, sizeof *larger.buckets);
    if (!larger.buckets)
        return -ENOMEM;
    for (size_t i = 0; i < index->size; i++)
        for (struct linux_badge_link *link = index->buckets[i], *next; link; link = next) {
            next = link->next;
            size_t bucket = bucket_of(&larger, link->key);
            link->next = larger.buckets[bucket];
            larger.buckets[bucket] = link;
        }
    free(index->buckets);
    *index = larger;
    return 0;
}

int linux_badge_index_add(struct linux_badge_index *index, struct linux_badge_link *link,
                          uint64_t key)
{
    if (index->count >= index->size && grow(index) < 0)
        return -ENOMEM;
    size_t bucket = bucket_of(index, key);
    link->key = key;
    link->next = index->buckets[bucket];
    index->buckets[bucket] = link;
    index->count++;
    return 0;
}

struct linux_badge_link *linux_badge_index_find(const struct linux_badge_index *index, uint64_t key)
{
    struct linux_badge_link *link = index->size ? index->buckets[bucket_of(index, key)] : NULL;
    while (link && link->key != key)
        link = link->next;
    return link;
}

struct linux_badge_link *linux_badge_index_next(const struct linux_badge_link *link)
{
    struct linux_badge_link *next = link->next;
    while (next && next->key != link->key)
        next = next->next;
    return next;
}

void linux_badge_index_free(struct linux_badge_index *index)
{
    free(index->buckets);
    *index = (struct linux_badge_index){0};
}
