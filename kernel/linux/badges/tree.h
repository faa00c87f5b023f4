/* tree.h: a balanced tree of descriptions in the kernel's own order (kcmp). */
#ifndef RECAP_KERNEL_LINUX_BADGES_TREE_H
#define RECAP_KERNEL_LINUX_BADGES_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct linux_badge_node {
    struct linux_badge_node *parent, *left, *right;
    uint32_t priority; /* no child has a higher one than its parent: balanced when random */
    bool placed;
    pid_t pid; /* a descriptor that refers to the description; 0: of the caller */
    int fd;
};

/* Finds the node of the description that `fd` of `pid` refers to: 0 and `found`, or NULL there and
 * where the new node belongs. -EBADF with `found` set: that node's descriptor can no longer be
 * asked about, take it out. Another negative errno, or no `found`: so with the one looked for. */
int linux_badge_tree_find(struct linux_badge_node **root, pid_t pid, int fd,
                          struct linux_badge_node **found, struct linux_badge_node **parent,
                          struct linux_badge_node ***place);
/* Puts a node where linux_badge_tree_find said. */
void linux_badge_tree_insert(struct linux_badge_node **root, struct linux_badge_node *node,
                             struct linux_badge_node *parent, struct linux_badge_node **place);
/* Takes a placed node out. Compares nothing. */
void linux_badge_tree_remove(struct linux_badge_node **root, struct linux_badge_node *node);

#endif
