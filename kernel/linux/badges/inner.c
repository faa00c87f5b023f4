/* inner.c: badges of objects that no descriptor refers to, and what kinds keep with badges.
 */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/badges/table.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static uint64_t inner_key(const char *kind, uint64_t major, uint64_t minor)
{
    uint64_t key = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *kind; kind++)
        key = (key ^ (unsigned char)*kind) * 0x100000001b3u;
    return ((key ^ major) * 0x9e3779b97f4a7c15u ^ minor) * 0x9e3779b97f4a7c15u;
}

int linux_badge_inner(struct linux_kernel *kernel, const char *kind, uint64_t major, uint64_t minor,
                      recap_badge *badge, struct recap_error *error)
{
    struct linux_badges *badges = kernel->badges;
    uint64_t key = inner_key(kind, major, minor);
    for (struct linux_badge_link *link = linux_badge_index_find(&badges->inners, key); link;
         link = linux_badge_index_next(link)) {
        struct linux_badge_entry *entry =
            (struct linux_badge_entry *)((char *)link -
                                         offsetof(struct linux_badge_entry, by_numbers));
        if (entry->major == major && entry->minor == minor && strcmp(entry->kind, kind) == 0) {
            *badge = entry->badge;
            return 0;
        }
    }
    struct linux_badge_entry *entry = linux_badge_add(badges);
    if (!entry)
        return recap_fail(error, -ENOMEM, "entering a badge");
    entry->kind = kind;
    entry->major = major;
    entry->minor = minor;
    if (linux_badge_index_add(&badges->inners, &entry->by_numbers, key) < 0)
        return recap_fail(error, -ENOMEM, "entering a badge");
    *badge = entry->badge;
    return 0;
}

int linux_badge_made(struct linux_kernel *kernel, const char *kind, void *data,
                     void (*release)(void *data), recap_badge *badge, struct recap_error *error)
{
    struct linux_badge_entry *entry = linux_badge_add(kernel->badges);
    if (!entry) {
        if (release)
            release(data);
        return recap_fail(error, -ENOMEM, "entering a badge");
    }
    entry->kind = kind;
    entry->data = data;
    entry->release = release;
    *badge = entry->badge;
    return 0;
}

bool linux_badge_is_inner(struct linux_kernel *kernel, recap_badge badge, const char **kind,
                          uint64_t *major, uint64_t *minor)
{
    const struct linux_badge_entry *entry = linux_badge_entry(kernel, badge);
    if (!entry || !entry->kind)
        return false;
    if (kind)
        *kind = entry->kind;
    if (major)
        *major = entry->major;
    if (minor)
        *minor = entry->minor;
    return true;
}

void linux_badge_keep(struct linux_kernel *kernel, recap_badge badge, void *data,
                      void (*release)(void *data))
{
    struct linux_badge_entry *entry = linux_badge_entry(kernel, badge);
    if (entry && entry->release && entry->data != data)
        entry->release(entry->data);
    if (entry) {
        entry->data = data;
        entry->release = release;
    } else if (release) {
        release(data);
    }
}

void *linux_badge_kept(struct linux_kernel *kernel, recap_badge badge, void (*release)(void *data))
{
    const struct linux_badge_entry *entry = linux_badge_entry(kernel, badge);
    return entry && entry->release == release ? entry->data : NULL;
}
