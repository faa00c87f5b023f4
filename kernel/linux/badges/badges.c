/* badges.c: badges of descriptions: equal iff kcmp says so. The rules are in badges.h. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/badges/table.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/objects/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRY_OF(type, pointer, member) ((type *)((char *)(pointer)-offsetof(type, member)))

struct linux_badges *linux_badges_new(void)
{
    return calloc(1, sizeof(struct linux_badges));
}

static void free_links(struct linux_badge_index *index, size_t offset)
{
    for (size_t i = 0; i < index->size; i++)
        for (struct linux_badge_link *link = index->buckets[i], *next; link; link = next) {
            next = link->next;
            free((char *)link - offset);
        }
    linux_badge_index_free(index);
}

void linux_badges_free(struct linux_badges *badges)
{
    if (!badges)
        return;
    for (size_t i = 0; i < badges->count; i++) {
        struct linux_badge_entry *entry = badges->entries[i];
        if (entry->release)
            entry->release(entry->data);
        if (entry->class && !entry->process)
            close(entry->node.fd);
        linux_description_free(entry->read);
        free(entry);
    }
    free(badges->entries);
    free_links(&badges->classes, offsetof(struct linux_badge_class, link));
    free_links(&badges->processes, offsetof(struct linux_badge_process, link));
    linux_badge_index_free(&badges->inodes);
    linux_badge_index_free(&badges->inners);
    free(badges);
}

int linux_badges_let_go(struct linux_kernel *kernel)
{
    /* The number stays taken, by something that is no capability at all: what the badge is compared
     * with later has to be something. */
    int nothing = open("/", O_PATH | O_CLOEXEC);
    int result = nothing < 0 ? -errno : 0;
    for (size_t i = 0; result == 0 && i < kernel->badges->count; i++) {
        struct linux_badge_entry *entry = kernel->badges->entries[i];
        if (!entry->made)
            continue;
        if (entry->class && !entry->process && dup3(nothing, entry->node.fd, O_CLOEXEC) < 0)
            result = -errno;
        if (entry->release)
            entry->release(entry->data);
        entry->release = NULL;
        entry->data = NULL;
        entry->made = false;
    }
    if (nothing >= 0)
        close(nothing);
    return result;
}

struct linux_badge_entry *linux_badge_entry(struct linux_kernel *kernel, recap_badge badge)
{
    const struct linux_badges *badges = kernel->badges;
    return badge && badge <= badges->count ? badges->entries[badge - 1] : NULL;
}

struct linux_badge_entry *linux_badge_add(struct linux_badges *badges)
{
    if (badges->count == badges->capacity) {
        size_t capacity = badges->capacity ? badges->capacity * 2 : 64;
        struct linux_badge_entry **entries =
            reallocarray(badges->entries, capacity, sizeof(struct linux_badge_entry *));
        if (!entries)
            return NULL;
        badges->entries = entries;
        badges->capacity = capacity;
    }
    struct linux_badge_entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    badges->entries[badges->count++] = entry;
    entry->badge = badges->count;
    return entry;
}

static struct linux_badge_process *process_of(struct linux_badges *badges, pid_t pid)
{
    struct linux_badge_link *link = linux_badge_index_find(&badges->processes, (uint64_t)pid);
    if (link)
        return ENTRY_OF(struct linux_badge_process, link, link);
    struct linux_badge_process *process = calloc(1, sizeof *process);
    if (process && linux_badge_index_add(&badges->processes, &process->link, (uint64_t)pid) < 0) {
        free(process);
        return NULL;
    }
    return process;
}

static struct linux_badge_class *class_of(struct linux_badges *badges, uint64_t immutable)
{
    struct linux_badge_link *link = linux_badge_index_find(&badges->classes, immutable);
    if (link)
        return ENTRY_OF(struct linux_badge_class, link, link);
    struct linux_badge_class *class = calloc(1, sizeof *class);
    if (class && linux_badge_index_add(&badges->classes, &class->link, immutable) < 0) {
        free(class);
        return NULL;
    }
    return class;
}

int linux_badges_turn(struct linux_kernel *kernel, pid_t pid, uint64_t incarnation)
{
    struct linux_badge_process *process = process_of(kernel->badges, pid);
    if (!process)
        return -ENOMEM;
    bool same = process->incarnation == incarnation;
    process->incarnation = incarnation;
    for (struct linux_badge_entry *entry = process->placed, *next; entry; entry = next) {
        next = entry->next;
        entry->next = NULL;
        /* One that was lost, or has got a home of our own, is in the list until now. */
        if (entry->process != process || !entry->node.placed)
            continue;
        linux_badge_tree_remove(&entry->class->root, &entry->node);
        if (same) {
            entry->next = entry->class->unsettled;
            entry->class->unsettled = entry;
        }
    }
    process->placed = NULL;
    return 0;
}

/* Finds the description in its class; nodes whose descriptors are gone are taken out on the way. */
static int find_in_class(struct linux_badge_class *class, struct linux_home home,
                         struct linux_badge_node **found, struct linux_badge_node **parent,
                         struct linux_badge_node ***place)
{
    int result;
    while ((result = linux_badge_tree_find(&class->root, home.pid, home.fd, found, parent,
                                           place)) == -EBADF &&
           *found)
        linux_badge_tree_remove(&class->root, *found);
    return result;
}

static void place(struct linux_badge_entry *entry, struct linux_badge_node *parent,
                  struct linux_badge_node **at)
{
    linux_badge_tree_insert(&entry->class->root, &entry->node, parent, at);
    if (entry->process) {
        entry->next = entry->process->placed;
        entry->process->placed = entry;
    }
}

static void settle(struct linux_badge_class *class)
{
    for (struct linux_badge_entry *entry; (entry = class->unsettled);) {
        struct linux_badge_node *found, *parent, **at;
        class->unsettled = entry->next;
        entry->next = NULL;
        struct linux_home home = {entry->node.pid, entry->node.fd};
        if (find_in_class(class, home, &found, &parent, &at) == 0 && !found)
            place(entry, parent, at);
    }
}

/* A new entry for a description of `process` (NULL: our own), not placed yet. */
static struct linux_badge_entry *add_description(struct linux_badges *badges,
                                                 const struct linux_description *description,
                                                 struct linux_badge_class *class,
                                                 struct linux_badge_process *process)
{
    struct linux_badge_entry *entry = linux_badge_add(badges);
    if (!entry)
        return NULL;
    entry->process = process;
    entry->rights = linux_rights_of(description->open_flags);
    entry->node.pid = description->pid;
    entry->node.fd = description->fd;
    entry->node.priority = (uint32_t)((entry->badge * 0x9e3779b97f4a7c15u) >> 29);
    if (linux_description_has_ends(description) &&
        linux_badge_index_add(&badges->inodes, &entry->by_inode, description->status.st_ino) < 0)
        return NULL; /* without a class nothing refers to it, and it goes with the table */
    entry->class = class;
    return entry;
}

/* `met`: there was an entry already. */
static int enter(struct linux_badges *badges, const struct linux_description *description,
                 struct linux_badge_entry **entry, bool *met, struct recap_error *error)
{
    struct linux_home home = {description->pid, description->fd};
    struct linux_badge_class *class = class_of(badges, linux_description_immutable(description));
    struct linux_badge_process *process = home.pid ? process_of(badges, home.pid) : NULL;
    if (!class || (home.pid && !process))
        return recap_fail(error, -ENOMEM, "entering a badge");
    struct linux_badge_node *found, *parent, **at;
    settle(class);
    int result = find_in_class(class, home, &found, &parent, &at);
    if (result < 0)
        return recap_fail(error, result, "comparing descriptor %d by kcmp", home.fd);
    *met = found;
    if (found) {
        *entry = ENTRY_OF(struct linux_badge_entry, found, node);
        return 0;
    }
    struct linux_badge_entry *new = add_description(badges, description, class, process);
    if (!new)
        return recap_fail(error, -ENOMEM, "entering a badge");
    place(new, parent, at);
    *entry = new;
    return 0;
}

int linux_badge_enter(struct linux_kernel *kernel, const struct linux_description *description,
                      recap_badge *badge, struct recap_error *error)
{
    struct linux_badge_entry *entry;
    bool met;
    int result = enter(kernel->badges, description, &entry, &met, error);
    if (result == 0)
        *badge = entry->badge;
    return result;
}

int linux_badge_at(struct linux_kernel *kernel, struct linux_home home, recap_badge *badge,
                   struct recap_error *error)
{
    struct linux_description *description;
    int result = linux_description_read(home, &description, error);
    if (result < 0)
        return result;
    result = linux_badge_enter(kernel, description, badge, error);
    linux_description_free(description);
    return result;
}

int linux_badge_own(struct linux_kernel *kernel, int fd, recap_badge *badge,
                    struct recap_error *error)
{
    struct linux_description *description;
    struct linux_badge_entry *entry = NULL;
    bool met = false;
    int result = linux_description_read((struct linux_home){0, fd}, &description, error);
    if (result == 0) {
        result = enter(kernel->badges, description, &entry, &met, error);
        linux_description_free(description);
    }
    if (result < 0 || (met && !entry->process)) {
        close(fd);
    } else if (met) {
        /* Known from another process: our own descriptor keeps it alive from here on. The node
         * stays where it is, for it is the same description. */
        entry->process = NULL;
        entry->node.pid = 0;
        entry->node.fd = fd;
    }
    if (result == 0)
        *badge = entry->badge;
    return result;
}

int linux_badge_home(struct linux_kernel *kernel, recap_badge badge, struct linux_home *home)
{
    const struct linux_badge_entry *entry = linux_badge_entry(kernel, badge);
    if (!entry || !entry->class)
        return -ENOENT;
    *home = (struct linux_home){entry->node.pid, entry->node.fd};
    return 0;
}

int linux_badge_fd(struct linux_kernel *kernel, recap_badge badge, int *fd,
                   struct recap_error *error)
{
    const struct linux_badge_entry *entry = linux_badge_entry(kernel, badge);
    if (!entry || !entry->class)
        return recap_fail(error, -EBADF, "badge %llu has no descriptor", (unsigned long long)badge);
    if (!entry->process) {
        int own = fcntl(entry->node.fd, F_DUPFD_CLOEXEC, 0);
        if (own < 0)
            return recap_fail(error, -errno, "duplicating a descriptor");
        *fd = own;
        return 0;
    }
    int got = linux_task_descriptor(entry->node.pid, entry->node.fd);
    int result = got < 0 ? got : 0;
    if (result == -EBADF)
        return recap_refuse(error, RECAP_FAILED, -ESTALE,
                            "descriptor %d of process %d has been closed meanwhile", entry->node.fd,
                            (int)entry->node.pid);
    if (result < 0)
        return recap_fail(error, result, "taking descriptor %d of process %d", entry->node.fd,
                          (int)entry->node.pid);
    /* The home may have been given to another description since the badge was. */
    struct linux_description *description;
    result = linux_description_read((struct linux_home){0, got}, &description, error);
    if (result == 0) {
        if (linux_description_immutable(description) != entry->class->link.key)
            result = recap_refuse(error, RECAP_FAILED, -ESTALE,
                                  "descriptor %d of process %d refers to something else by now",
                                  entry->node.fd, (int)entry->node.pid);
        linux_description_free(description);
    }
    if (result < 0)
        close(got);
    else
        *fd = got;
    return result;
}

static bool is_known(const struct linux_badge_entry *entry)
{
    return entry->class && entry->node.placed;
}

uint32_t linux_badge_rights(struct linux_kernel *kernel, recap_badge badge)
{
    const struct linux_badge_entry *entry = linux_badge_entry(kernel, badge);
    return entry ? entry->rights : 0;
}

bool linux_badge_is_still(struct linux_kernel *kernel, recap_badge badge)
{
    const struct linux_badge_entry *entry = linux_badge_entry(kernel, badge);
    return entry && (!entry->process || (entry->read && entry->moment == kernel->moment));
}

recap_badge linux_badge_with_inode(struct linux_kernel *kernel, uint64_t inode, recap_badge after)
{
    struct linux_badge_entry *entry = linux_badge_entry(kernel, after);
    struct linux_badge_link *link = entry ? linux_badge_index_next(&entry->by_inode)
                                          : linux_badge_index_find(&kernel->badges->inodes, inode);
    for (; link; link = linux_badge_index_next(link)) {
        entry = ENTRY_OF(struct linux_badge_entry, link, by_inode);
        if (is_known(entry))
            return entry->badge;
    }
    return 0;
}

recap_badge linux_badge_find(struct linux_kernel *kernel,
                             bool (*match)(void *context, recap_badge badge,
                                           struct linux_home home),
                             void *context)
{
    const struct linux_badges *badges = kernel->badges;
    for (size_t i = 0; i < badges->count; i++) {
        const struct linux_badge_entry *entry = badges->entries[i];
        if (is_known(entry) &&
            match(context, entry->badge, (struct linux_home){entry->node.pid, entry->node.fd}))
            return entry->badge;
    }
    return 0;
}
