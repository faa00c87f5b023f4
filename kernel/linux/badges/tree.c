/* tree.c: a treap of descriptions in the kernel's own order (kcmp).
 *
 * Nodes know their parents, so that one whose place in the order is no longer known can be taken
 * out without asking for it.
 */
#include "kernel/linux/badges/tree.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 0: the same description; 1 and 2: before and after in the kernel's order. */
static int compare(pid_t pid, int fd, pid_t other, int other_fd)
{
    if (pid == other && fd == other_fd)
        return 0;
    long order = syscall(SYS_kcmp, pid ? pid : getpid(), other ? other : getpid(), KCMP_FILE,
                         (unsigned long)fd, (unsigned long)other_fd);
    if (order < 0)
        return -errno;
    return order > 2 ? -EPROTO : (int)order;
}

static bool is_there(pid_t pid, int fd)
{
    pid = pid ? pid : getpid();
    return syscall(SYS_kcmp, pid, pid, KCMP_FILE, (unsigned long)fd, (unsigned long)fd) == 0;
}

int linux_badge_tree_find(struct linux_badge_node **root, pid_t pid, int fd,
                          struct linux_badge_node **found, struct linux_badge_node **parent,
                          struct linux_badge_node ***place)
{
    struct linux_badge_node *above = NULL, **at = root;
    while (*at) {
        int order = compare(pid, fd, (*at)->pid, (*at)->fd);
        if (order < 0) {
            *found = is_there(pid, fd) ? *at : NULL;
            return *found ? -EBADF : order;
        }
        if (order == 0) {
            *found = *at;
            return 0;
        }
        above = *at;
        at = order == 1 ? &above->left : &above->right;
    }
    *found = NULL;
    *parent = above;
    *place = at;
    return 0;
}

static struct linux_badge_node **slot_of(struct linux_badge_node **root,
                                         struct linux_badge_node *node)
{
    if (!node->parent)
        return root;
    return node->parent->left == node ? &node->parent->left : &node->parent->right;
}

/* Makes `node`, a child, the parent of its parent. */
static void rotate_up(struct linux_badge_node **root, struct linux_badge_node *node)
{
    struct linux_badge_node *parent = node->parent;
    struct linux_badge_node **slot = slot_of(root, parent);
    struct linux_badge_node *moved;
    if (parent->left == node) {
        moved = node->right;
        parent->left = moved;
        node->right = parent;
    } else {
        moved = node->left;
        parent->right = moved;
        node->left = parent;
    }
    if (moved)
        moved->parent = parent;
    node->parent = parent->parent;
    parent->parent = node;
    *slot = node;
}

void linux_badge_tree_insert(struct linux_badge_node **root, struct linux_badge_node *node,
                             struct linux_badge_node *parent, struct linux_badge_node **place)
{
    node->left = node->right = NULL;
    node->parent = parent;
    node->placed = true;
    *place = node;
    while (node->parent && node->parent->priority < node->priority)
        rotate_up(root, node);
}

void linux_badge_tree_remove(struct linux_badge_node **root, struct linux_badge_node *node)
{
    while (node->left && node->right)
        rotate_up(root, node->left->priority > node->right->priority ? node->left : node->right);
    struct linux_badge_node *child = node->left ? node->left : node->right;
    *slot_of(root, node) = child;
    if (child)
        child->parent = node->parent;
    node->parent = node->left = node->right = NULL;
    node->placed = false;
}
