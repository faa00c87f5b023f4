/* table.h: the table of badges, as its own files and the Native PD see it. What everyone else may
 * ask is in badges.h.
 *
 * A badge is the number of an entry. The entry of a description names a *home*, a descriptor that
 * referred to the description when it was entered. kcmp compares two descriptors, so the order of
 * the kernel is only as good as the homes that it is asked about: a process that runs may close or
 * replace them at any time. An entry of such a home is therefore
 *   - placed in the tree of its class, from the time it was entered until the descriptor table of
 *     its process may have changed (linux_badges_turn);
 *   - then unsettled: before its class is next searched, its home is compared anew, and it is
 *     placed again where the home stands by then;
 *   - lost, when the home turns out to be gone, or to refer to the same as that of another entry.
 * Invariant: while a PD is suspended, the homes of its placed entries are true, since every
 * suspension and every change that is made to it is followed by a turn. In a process that runs, a
 * badge speaks of the moment of its request: a descriptor that is closed and opened again on the
 * same file keeps its badge, since nothing tells the two apart.
 */
#ifndef RECAP_KERNEL_LINUX_BADGES_TABLE_H
#define RECAP_KERNEL_LINUX_BADGES_TABLE_H

#include "kernel/linux/badges/tree.h"
#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* An intrusive list of entries with the same key in one of the indexes. */
struct linux_badge_link {
    uint64_t key;
    struct linux_badge_link *next;
};

struct linux_badge_entry {
    struct linux_badge_node node;       /* in the tree of its class, while placed */
    struct linux_badge_link by_numbers; /* of an inner object */
    struct linux_badge_link by_inode;
    struct linux_badge_class *class;     /* NULL: an inner object */
    struct linux_badge_process *process; /* NULL: the home is our own descriptor */
    struct linux_badge_entry *next; /* of the same process while placed, of the class unsettled */
    recap_badge badge;
    uint32_t rights;
    bool made;        /* created here, for a component */
    const char *kind; /* of an inner object */
    uint64_t major, minor;
    void *data;
    void (*release)(void *data);
    /* What request last read of it, and how long that holds (see linux_kernel.moment). */
    struct linux_description *read;
    uint64_t moment;
};

/* Of a PD that runs: what was read may not hold by now. */
#define LINUX_NO_MOMENT UINT64_MAX

/* Descriptions that may be the same as far as their immutable part says: only they are compared. */
struct linux_badge_class {
    struct linux_badge_link link;
    struct linux_badge_node *root;
    struct linux_badge_entry *unsettled;
};

struct linux_badge_process {
    struct linux_badge_link link;
    uint64_t incarnation;
    struct linux_badge_entry *placed;
};

/* A hash table of links; grows with its content. */
struct linux_badge_index {
    struct linux_badge_link **buckets;
    size_t size, count;
};

struct linux_badges {
    struct linux_badge_entry **entries; /* [badge - 1] */
    size_t count, capacity;
    struct linux_badge_index classes, processes, inodes, inners;
};

struct linux_badges *linux_badges_new(void);
void linux_badges_free(struct linux_badges *badges);

/* The entry, or NULL. */
struct linux_badge_entry *linux_badge_entry(struct linux_kernel *kernel, recap_badge badge);

/* A new entry, zero but for its badge, or NULL. */
struct linux_badge_entry *linux_badge_add(struct linux_badges *badges);

/* The descriptor table of `pid` may have changed since its descriptions were entered.
 * `incarnation` tells processes apart that had the same number one after the other. */
int linux_badges_turn(struct linux_kernel *kernel, pid_t pid, uint64_t incarnation);

/* index.c */
int linux_badge_index_add(struct linux_badge_index *index, struct linux_badge_link *link,
                          uint64_t key);
/* The first link with that key, or NULL; then the next one after `link`. */
struct linux_badge_link *linux_badge_index_find(const struct linux_badge_index *index,
                                                uint64_t key);
struct linux_badge_link *linux_badge_index_next(const struct linux_badge_link *link);
void linux_badge_index_free(struct linux_badge_index *index);

#endif
