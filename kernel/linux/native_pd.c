/* native_pd.c: request: what a selector holds, and which is the next one used. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/badges/table.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/process/held.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a PD keeps between requests. */
struct linux_walk {
    struct linux_description_room room;
    int directory;        /* /proc/PID/fdinfo; entry N is at position N + 2, in ascending order */
    uint64_t incarnation; /* see linux_badges_turn */
    bool begun;
    bool suspended;      /* at the last request, */
    uint64_t moment;     /* as this was then, */
    recap_selector last; /* and its selector */
    /* Entries that were read ahead; only used while the PD is suspended and the moment lasts. */
    recap_selector ahead_from; /* all used selectors from here on are in them, */
    size_t ahead, ahead_end;   /* those from this byte to this one still ahead */
    _Alignas(struct dirent64) char entries[16384];
};

/* Tells processes apart that had the same number: the pidfd's inode is unique on newer kernels, the
 * time of the start almost so on all. */
static int read_incarnation(const struct linux_pd *pd, uint64_t *incarnation)
{
    char text[1024];
    struct stat status = {0};
    ssize_t length = linux_procfs_read_into(pd->proc, "stat", text, sizeof text);
    if (length < 0)
        return length == -ENOENT ? -ESRCH : (int)length;
    const char *field = strrchr(text, ')'); /* the name before it may hold anything */
    char state = field && field[1] ? field[2] : '\0';
    for (int i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    if (!field)
        return -EPROTO;
    if (state == 'Z' || state == 'X')
        return -ESRCH; /* one that has ended shows no descriptors, which is not none */
    if (pd->pidfd >= 0)
        fstat(pd->pidfd, &status);
    *incarnation = strtoull(field, NULL, 10) * 0x9e3779b97f4a7c15u ^ status.st_ino;
    return 0;
}

static int begin_walk(struct linux_pd *pd, struct recap_error *error)
{
    struct linux_walk *walk = calloc(1, sizeof *walk);
    if (!walk)
        return recap_fail(error, -ENOMEM, "walking a capability space");
    linux_task_find(pd);
    walk->directory = openat(pd->proc, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = walk->directory < 0 ? (errno == ENOENT ? -ESRCH : -errno) : 0;
    if (result == 0)
        result = read_incarnation(pd, &walk->incarnation);
    if (result < 0) {
        linux_walk_free(walk);
        if (result == -ESRCH)
            return recap_refuse(error, RECAP_FAILED, result, "process %d has ended", (int)pd->pid);
        recap_fail(error, result, "reading the descriptors of process %d", (int)pd->pid);
        if (result == -EACCES || result == -EPERM)
            linux_held_denied(pd, error);
        return result;
    }
    pd->walk = walk;
    return 0;
}

void linux_walk_free(struct linux_walk *walk)
{
    if (!walk)
        return;
    if (walk->directory >= 0)
        close(walk->directory);
    linux_description_room_clear(&walk->room);
    free(walk);
}

/* Keeps the badges true: what was entered before is not compared with when it may have changed
 * since. A PD that runs is walked upwards; going back is a new walk. */
static int turn(struct linux_pd *pd, recap_selector selector)
{
    struct linux_walk *walk = pd->walk;
    bool same = walk->begun && walk->suspended == pd->suspended &&
                walk->moment == pd->kernel->moment && (pd->suspended || selector > walk->last);
    walk->last = selector;
    if (same)
        return 0;
    walk->begun = true;
    walk->suspended = pd->suspended;
    walk->moment = pd->kernel->moment;
    walk->ahead = walk->ahead_end = 0;
    return linux_badges_turn(pd->kernel, pd->task, walk->incarnation);
}

static int read_entries(struct linux_walk *walk, size_t size)
{
    long count = syscall(SYS_getdents64, walk->directory, walk->entries, size);
    walk->ahead = 0;
    walk->ahead_end = count > 0 ? (size_t)count : 0;
    return count < 0 ? (errno == ENOENT ? -ESRCH : -errno) : 0;
}

/* The first entry not below `from` among those read; false without one. */
static bool first_entry(struct linux_walk *walk, recap_selector from, recap_selector *found)
{
    while (walk->ahead < walk->ahead_end) {
        const struct dirent64 *entry = (const void *)(walk->entries + walk->ahead);
        char *end;
        unsigned long number = strtoul(entry->d_name, &end, 10);
        if (!*end && end != entry->d_name && number >= from) {
            *found = number;
            return true;
        }
        walk->ahead += entry->d_reclen;
    }
    return false;
}

/* The first used selector not below `from`. The kernel takes the position for the selector, so this
 * costs the same anywhere. A PD that runs is asked for one entry at a time, for the present. */
static int next_used(struct linux_pd *pd, recap_selector from, recap_selector *next)
{
    enum { ONE_ENTRY = 32 };
    struct linux_walk *walk = pd->walk;
    size_t size = pd->suspended ? sizeof walk->entries : ONE_ENTRY;
    bool ahead = pd->suspended && walk->ahead < walk->ahead_end && from >= walk->ahead_from;
    if (from > INT_MAX) {
        *next = RECAP_NO_SELECTOR;
        return 0;
    }
    if (!ahead) {
        walk->ahead = walk->ahead_end = 0;
        if (lseek(walk->directory, (off_t)from + 2, SEEK_SET) < 0)
            return -errno;
    }
    walk->ahead_from = from;
    while (!first_entry(walk, from, next)) {
        int result = read_entries(walk, size);
        if (result < 0)
            return result;
        if (walk->ahead_end == 0) {
            *next = RECAP_NO_SELECTOR;
            break;
        }
    }
    return 0;
}

uint32_t linux_rights_of(uint32_t open_flags)
{
    if (open_flags & O_PATH)
        return RECAP_RIGHT_PATH;
    switch (open_flags & O_ACCMODE) {
    case O_RDONLY:
        return RECAP_RIGHT_READ;
    case O_WRONLY:
        return RECAP_RIGHT_WRITE;
    case O_RDWR:
        return RECAP_RIGHT_READ | RECAP_RIGHT_WRITE;
    default:
        return 0; /* 3: a device that may only be controlled */
    }
}

/* Keeps what was read: for the describe that follows, as long as nothing can have changed, and for
 * labels, which speak of what was requested. */
static void keep_description(struct linux_pd *pd, recap_badge badge)
{
    struct linux_badge_entry *entry = linux_badge_entry(pd->kernel, badge);
    uint64_t moment = pd->suspended ? pd->kernel->moment : LINUX_NO_MOMENT;
    if (pd->suspended && entry->read && entry->moment == moment)
        return;
    linux_description_free(entry->read);
    entry->read = linux_description_copy(&pd->walk->room.description);
    entry->moment = moment;
}

static int read_capability(struct linux_pd *pd, recap_selector selector, struct recap_cap *cap,
                           struct recap_error *error)
{
    *cap = (struct recap_cap){0};
    if (selector > INT_MAX)
        return 0;
    struct linux_home home = {pd->task, (int)selector};
    const struct linux_description *d = &pd->walk->room.description;
    int result = linux_description_fill(&pd->walk->room, pd->walk->directory, home);
    if (result == -EBADF)
        return 0;
    if (result < 0)
        return recap_fail(error, result, "reading descriptor %d of process %d", home.fd,
                          (int)pd->pid);
    recap_badge badge;
    result = linux_badge_enter(pd->kernel, d, &badge, error);
    if (result == -EBADF && !pd->suspended)
        return 0;
    if (result < 0)
        return result;
    keep_description(pd, badge);
    *cap = (struct recap_cap){.badge = badge,
                              .kind = linux_kind_of(d)->name,
                              .rights = linux_rights_of(d->open_flags),
                              .slot_flags = d->close_on_exec ? RECAP_SLOT_CLOSE_ON_EXEC : 0,
                              .references = 1};
    return 0;
}

int linux_request(struct recap_pd *base, recap_selector selector, struct recap_cap *cap,
                  recap_selector *next, struct recap_error *error)
{
    struct linux_pd *pd = linux_pd(base);
    struct recap_cap at = {0};
    recap_selector after = RECAP_NO_SELECTOR;
    int result = pd->walk ? 0 : begin_walk(pd, error);
    if (result < 0)
        return result;
    if (turn(pd, selector) < 0)
        return recap_fail(error, -ENOMEM, "walking a capability space");
    if (cap && (result = read_capability(pd, selector, &at, error)) < 0)
        return recap_error_at(error, selector), result;
    if (next && selector < RECAP_NO_SELECTOR && (result = next_used(pd, selector + 1, &after)) < 0)
        return recap_fail(error, result, "reading the descriptors of process %d", (int)pd->pid);
    if (cap)
        *cap = at;
    if (next)
        *next = after;
    return 0;
}
