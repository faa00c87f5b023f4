/* outside.c: what processes that are not checkpointed hold and watch.
 *
 * All of it is taken down in one walk over /proc, and only when something asks: most programs have
 * nothing that this matters for. */
#include "kernel/linux/objects/outside.h"
#include "kernel/linux/objects/kinds.h"

#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/objects/fdinfo.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum finding { HOLDS = 1, MAPS = 2, WRITES = 4, WATCHES = 8 };

/* One process has to do with one file. */
struct found {
    uint64_t device;
    uint64_t inode;
    pid_t pid;
    unsigned what; /* enum finding */
};

struct linux_census {
    struct found *items; /* by inode */
    size_t count;
    uint64_t moment;
    time_t taken;
};

void linux_census_free(struct linux_census *census)
{
    if (census)
        free(census->items);
    free(census);
}

static int add(struct linux_census *census, uint64_t device, uint64_t inode, pid_t pid,
               unsigned what)
{
    size_t count = census->count;
    if ((count & (count - 1)) == 0) {
        void *more = reallocarray(census->items, count ? count * 2 : 1, sizeof *census->items);
        if (!more)
            return -ENOMEM;
        census->items = more;
    }
    census->items[census->count++] =
        (struct found){.device = device, .inode = inode, .pid = pid, .what = what};
    return 0;
}

/* Who has ended, or whom the caller may not look into, says nothing. Any other failure is none of
 * theirs: who is passed over for it may be the very one that is looked for. */
static int unless_theirs(int code)
{
    return linux_procfs_gone(code) || linux_procfs_hidden(code) ? 0 : code;
}

static bool is_removed(const char *name)
{
    static const char suffix[] = " (deleted)";
    size_t length = strlen(name), tail = sizeof suffix - 1;
    return length > tail && strcmp(name + length - tail, suffix) == 0;
}

/* What opening, reading and closing a file report. */
static int add_watches(struct linux_census *census, int directory, const char *name, pid_t pid)
{
    char path[NAME_MAX + 16], *text;
    snprintf(path, sizeof path, "../fdinfo/%s", name);
    int result = linux_procfs_read(directory, path, &text, NULL);
    if (result < 0)
        return result;
    for (const char *line = text; result == 0 && line; line = linux_fdinfo_next(line)) {
        unsigned long long inode;
        unsigned device, mask;
        if (linux_procfs_scan(line, "inotify wd:%*x ino:%llx sdev:%x mask:%x", &inode, &device,
                              &mask) == 3 &&
            mask & (IN_OPEN | IN_ACCESS | IN_CLOSE))
            result = add(census, makedev(device >> 20, device & 0xfffff), inode, pid, WATCHES);
    }
    free(text);
    return result;
}

static int add_descriptor(struct linux_census *census, int directory, const char *name, pid_t pid)
{
    char link[PATH_MAX];
    struct stat file, way;
    ssize_t length = linux_procfs_link(directory, name, link, sizeof link);
    /* What is too long for a name may be removed. */
    bool unnamed = length == -ENAMETOOLONG || length == -EOVERFLOW;
    if (length < 0 && !unnamed)
        return (int)length;
    if (!unnamed && strcmp(link, "anon_inode:inotify") == 0)
        return add_watches(census, directory, name, pid);
    if (!unnamed && !is_removed(link))
        return 0;
    /* What no file system tells of is not what one has told us of. */
    if (fstatat(directory, name, &file, 0) < 0 ||
        fstatat(directory, name, &way, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOMEM ? -ENOMEM : 0;
    return add(census, file.st_dev, file.st_ino, pid, HOLDS | (way.st_mode & S_IWUSR ? WRITES : 0));
}

static int add_descriptors(struct linux_census *census, int proc, pid_t pid)
{
    int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    int result = directory ? 0 : -errno;
    if (!directory && fd >= 0)
        close(fd);
    for (struct dirent *entry;
         result == 0 && (result = linux_procfs_next(directory, &entry)) == 0 && entry;)
        if (isdigit((unsigned char)entry->d_name[0]))
            result = unless_theirs(add_descriptor(census, fd, entry->d_name, pid));
    if (directory)
        closedir(directory);
    return unless_theirs(result);
}

/* A region that writes for itself alone shares nothing that the file's other users could miss. */
static int add_mappings(struct linux_census *census, int proc, pid_t pid)
{
    struct linux_mappings theirs = {0};
    int result = linux_mappings_read(proc, false, &theirs, NULL);
    for (size_t i = 0; result == 0 && i < theirs.count; i++) {
        const struct linux_mapping *mapping = &theirs.items[i];
        if (mapping->shared && mapping->inode && mapping->name)
            result = add(census, mapping->device, mapping->inode, pid,
                         MAPS | (mapping->protection & RECAP_PROT_WRITE ? WRITES : 0));
    }
    linux_mappings_clear(&theirs);
    return unless_theirs(result);
}

static int by_inode(const void *a, const void *b)
{
    const struct found *left = a, *right = b;
    return left->inode < right->inode ? -1 : left->inode > right->inode;
}

static int look_at(struct linux_census *census, int directory, const char *name)
{
    pid_t pid = (pid_t)strtol(name, NULL, 10);
    int proc = openat(directory, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
        return unless_theirs(-errno);
    int result = add_descriptors(census, proc, pid);
    if (result == 0)
        result = add_mappings(census, proc, pid);
    close(proc);
    return result;
}

static int look_at_all(struct linux_census *census)
{
    DIR *directory = opendir("/proc");
    if (!directory)
        return -errno;
    int result = 0;
    for (struct dirent *entry;
         result == 0 && (result = linux_procfs_next(directory, &entry)) == 0 && entry;)
        if (isdigit((unsigned char)entry->d_name[0]) && strtol(entry->d_name, NULL, 10) != getpid())
            result = look_at(census, dirfd(directory), entry->d_name);
    closedir(directory);
    return result;
}

static bool is_paused(const struct linux_kernel *kernel)
{
    const struct linux_pd *pd = kernel->opened;
    while (pd && !pd->suspended && !pd->created)
        pd = pd->next_opened;
    return pd;
}

/* A census is good for one look, which takes less than a second, and for the pause that follows. */
static int take_census(struct linux_kernel *kernel, const struct linux_census **taken)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct linux_census *census = kernel->census;
    bool fresh = census && census->moment == kernel->moment && now.tv_sec - census->taken <= 1;
    if (!fresh && !(census && is_paused(kernel))) {
        linux_census_free(census);
        kernel->census = NULL;
        census = calloc(1, sizeof *census);
        if (!census)
            return -ENOMEM;
        census->moment = kernel->moment;
        census->taken = now.tv_sec;
        int result = look_at_all(census);
        if (result < 0) {
            linux_census_free(census);
            return result;
        }
        if (census->count)
            qsort(census->items, census->count, sizeof *census->items, by_inode);
        kernel->census = census;
    }
    *taken = census;
    return 0;
}

/* The first finding about an inode, or the end of all. */
static size_t first_of(const struct linux_census *census, uint64_t inode)
{
    size_t low = 0, high = census->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (census->items[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether a finding is about a process that what is asked about comes back together with. What two
 * of the PDs map together would come back apart. */
static bool is_inside(const struct linux_kernel *kernel, const struct found *found,
                      const struct linux_pd *pd)
{
    if (pd && found->what & MAPS)
        return found->pid == pd->pid;
    for (pd = kernel->opened; pd && pd->pid != found->pid;)
        pd = pd->next_opened;
    return pd;
}

int linux_outside_shares(struct linux_kernel *kernel, uint64_t device, uint64_t inode, bool changes,
                         const struct linux_pd *pd, struct linux_outsider *outsider)
{
    if (is_paused(kernel) && !kernel->census)
        return 0;
    const struct linux_census *census;
    int result = take_census(kernel, &census);
    if (result < 0)
        return result;
    for (size_t i = first_of(census, inode); i < census->count; i++) {
        const struct found *found = &census->items[i];
        if (found->inode != inode)
            return 0;
        if (found->device != device || !(found->what & (HOLDS | MAPS)) ||
            !(changes || found->what & WRITES) || is_inside(kernel, found, pd))
            continue;
        char path[32];
        *outsider = (struct linux_outsider){.pid = found->pid};
        snprintf(path, sizeof path, "/proc/%d/comm", (int)found->pid);
        if (linux_procfs_read_into(AT_FDCWD, path, outsider->name, sizeof outsider->name) > 0)
            outsider->name[strcspn(outsider->name, "\n")] = '\0';
        return 1;
    }
    return 0;
}

int linux_outside_refuse(struct linux_kernel *kernel, const struct linux_description *description,
                         struct recap_error *error)
{
    const struct stat *status = &description->status;
    /* Who has a lock keeps the others from one. */
    bool changes = !(description->open_flags & O_PATH) &&
                   (linux_rights_of(description->open_flags) & RECAP_RIGHT_WRITE ||
                    linux_procfs_field(description->fdinfo, "lock"));
    struct linux_outsider outsider;
    int result =
        linux_outside_shares(kernel, status->st_dev, status->st_ino, changes, NULL, &outsider);
    if (result <= 0)
        return result < 0
                   ? recap_fail(error, result, "looking for who else has %s", description->link)
                   : 0;
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "%s is shared with process %d (%s), which is not part of the checkpoint",
                        description->link, (int)outsider.pid, outsider.name);
}

static bool watched(const struct linux_census *census, const struct stat *file)
{
    for (size_t i = first_of(census, file->st_ino); i < census->count; i++) {
        const struct found *found = &census->items[i];
        if (found->inode != file->st_ino)
            return false;
        if (found->device == file->st_dev && found->what & WATCHES)
            return true;
    }
    return false;
}

int linux_outside_watched(struct linux_kernel *kernel, const struct stat *file,
                          const struct stat *directory)
{
    const struct linux_census *census;
    int result = take_census(kernel, &census);
    return result < 0 ? result : watched(census, file) || (directory && watched(census, directory));
}
