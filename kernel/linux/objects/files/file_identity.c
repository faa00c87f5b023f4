/* file_identity.c: which file it was, and whether it still is the same and unchanged.
 *
 * Inode numbers are used again, so the time of birth counts too where the file system keeps it.
 * Device numbers of file systems without a device change with every mount: they only count where
 * there is one.
 */
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/image_path.h"
#include "kernel/linux/objects/files/unseen.h"
#include "kernel/linux/objects/files/virtual_file.h"
#include "kernel/linux/objects/status_flags.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int linux_path_leads(const char *path, int flags, uint64_t device, uint64_t inode,
                     struct stat *status)
{
    struct stat found;
    if (fstatat(AT_FDCWD, path, &found, flags) == 0) {
        if (found.st_dev != device || found.st_ino != inode)
            return 0;
        if (status)
            *status = found;
        return 1;
    }
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case ESRCH: /* below /proc */
        return 0;
    default:
        return -errno;
    }
}

static int leads_to(const char *path, const struct stat *status)
{
    return linux_path_leads(path, AT_SYMLINK_NOFOLLOW, status->st_dev, status->st_ino, NULL);
}

static int refuse_kept_from(const char *path, struct recap_error *error)
{
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "%s: a folder on the way to it may not be searched by user %ld", path,
                 (long)geteuid());
    return recap_error_remedy(error, "run recap as root, or as a user who may search it");
}

/* Another name of the same file in the directory that its removed name was in: programs that put
 * a file in place by link and unlink leave one there. -EBUSY: that cannot be looked up unseen. */
static int find_sibling(struct linux_kernel *kernel, const char *path, const struct stat *status,
                        struct recap_arena *arena, const char **sibling)
{
    const char *slash = strrchr(path, '/'), *found = NULL;
    char *directory = recap_arena_printf(arena, "%.*s/", (int)(slash - path), path);
    DIR *stream = directory ? linux_unseen_list(kernel, directory) : NULL;
    if (!stream)
        return directory ? -errno : -ENOMEM;
    int result = 0;
    for (struct dirent *entry;
         !found && result == 0 && (result = linux_procfs_next(stream, &entry)) == 0 && entry;) {
        if (entry->d_ino != status->st_ino)
            continue;
        char *name = recap_arena_printf(arena, "%s%s", directory, entry->d_name);
        result = name ? leads_to(name, status) : -ENOMEM;
        if (result > 0) {
            found = name;
            result = 0;
        }
    }
    closedir(stream);
    if (found)
        *sibling = found;
    return found ? 0 : result < 0 ? result : -ENOENT;
}

int linux_file_locate(struct linux_kernel *kernel, const char *link, const struct stat *status,
                      struct recap_arena *arena, enum linux_file_place *place, const char **path,
                      struct recap_error *error)
{
    static const char suffix[] = " (deleted)";
    size_t length = strlen(link), tail = sizeof suffix - 1;
    bool removed = length > tail && strcmp(link + length - tail, suffix) == 0;
    if (link[0] != '/')
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s has no path", link);
    int leads = status->st_nlink ? leads_to(link, status) : 0;
    if (leads > 0) {
        *place = major(status->st_dev) == 0 && linux_virtual_path(link) ? LINUX_FILE_VIRTUAL
                                                                        : LINUX_FILE_NAMED;
        *path = recap_arena_text(arena, link);
        return 0;
    }
    char *former = recap_arena_text(arena, link);
    if (!former)
        return recap_fail(error, -ENOMEM, "locating %s", link);
    if (removed)
        former[length - tail] = '\0';
    /* What this caller may not follow says nothing of what is there. */
    leads = leads_to(former, status);
    if (leads == -EACCES)
        return refuse_kept_from(former, error);
    if (leads < 0)
        return recap_fail(error, leads, "looking at %s", former);
    /* What the kernel makes up it also calls removed when its own names change; one that is gone
     * was never content that could be kept. */
    if (linux_virtual_device(status->st_dev)) {
        if (!leads)
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "%s: what it tells of (a process, a control group) is gone",
                                former);
        *place = LINUX_FILE_VIRTUAL;
        *path = former;
        return 0;
    }
    if (!removed)
        return recap_refuse(
            error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
            "%s: the path does not lead to it from here (another mount hides it, or "
            "it is in another mount namespace)",
            link);
    if (status->st_nlink == 0 || (S_ISDIR(status->st_mode) && status->st_nlink < 2)) {
        *place = LINUX_FILE_UNLINKED;
        *path = former;
        return 0;
    }
    const char *other = NULL;
    int result = find_sibling(kernel, former, status, arena, &other);
    if (result == -EBUSY) {
        recap_refuse(
            error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
            "%s: its name was removed, and its other one cannot be looked up without those "
            "noticing who watch the directory (inotify)",
            former);
        return recap_error_remedy(error, "run recap as root, who can look unseen");
    }
    if (result < 0 && !linux_procfs_gone(result) && !linux_procfs_hidden(result))
        return recap_fail(error, result, "looking for another name of %s", former);
    if (result < 0)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s: its name was removed, and it has another one that cannot be found",
                            former);
    *place = LINUX_FILE_NAMED;
    *path = other;
    return 0;
}

int linux_file_accessible(const char *path, int flags, struct recap_error *error)
{
    static const int modes[] = {R_OK, W_OK, R_OK | W_OK, R_OK | W_OK};
    /* Nothing is refused to root that this could tell. */
    if (geteuid() == 0 || faccessat(AT_FDCWD, path, modes[flags & O_ACCMODE], AT_EACCESS) == 0)
        return 0;
    int code = errno;
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "%s could not be opened again the way it is open: %s", path,
                        strerror(code));
}

static int read_identity(int directory, const char *path, struct statx *now)
{
    const unsigned mask = STATX_BASIC_STATS | STATX_BTIME;
    const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
    return statx(directory, path, flags, mask, now) < 0 ? -errno : 0;
}

static void put_time(struct recap_arena *arena, struct recap_value *state, const char *name,
                     const struct statx_timestamp *time)
{
    char text[48];
    snprintf(text, sizeof text, "%lld.%09u", (long long)time->tv_sec, time->tv_nsec);
    recap_put_text(arena, state, name, text);
}

int linux_file_identify(struct recap_arena *arena, struct recap_value *state, const char *path,
                        enum linux_file_place place, enum linux_file_checks checks,
                        struct recap_error *error)
{
    struct statx now;
    recap_put_text(arena, state, "path", path);
    if (place != LINUX_FILE_NAMED)
        return 0;
    int result = read_identity(AT_FDCWD, path, &now);
    if (result < 0)
        return recap_fail(error, result, "reading the identity of %s", path);
    if (now.stx_dev_major) {
        char device[32];
        snprintf(device, sizeof device, "%u:%u", now.stx_dev_major, now.stx_dev_minor);
        recap_put_text(arena, state, "device", device);
    }
    recap_put_hex(arena, state, "inode", now.stx_ino);
    recap_put_number(arena, state, "type", now.stx_mode & S_IFMT);
    if (now.stx_mask & STATX_BTIME)
        put_time(arena, state, "born", &now.stx_btime);
    if (checks == LINUX_FILE_UNCHANGED) {
        recap_put_hex(arena, state, "size", now.stx_size);
        put_time(arena, state, "modified", &now.stx_mtime);
    }
    return 0;
}

static bool same_time(const struct recap_value *state, const char *name,
                      const struct statx_timestamp *time)
{
    char text[48];
    const char *then = recap_text_or_null(state, name);
    snprintf(text, sizeof text, "%lld.%09u", (long long)time->tv_sec, time->tv_nsec);
    return !then || strcmp(then, text) == 0;
}

/* What differs between the file of the state and `now`. */
static int check(const struct recap_value *state, const char *path, const struct statx *now,
                 struct recap_error *error)
{
    char device[32];
    uint64_t inode, size;
    const char *then = recap_text_or_null(state, "device");
    snprintf(device, sizeof device, "%u:%u", now->stx_dev_major, now->stx_dev_minor);
    if (recap_number_or(state, "type", now->stx_mode & S_IFMT) != (now->stx_mode & S_IFMT))
        return recap_refuse(error, RECAP_FAILED, -ESTALE,
                            "%s is another type of file than at the checkpoint", path);
    if ((recap_get_hex(state, "inode", &inode) == 0 && inode != now->stx_ino) ||
        (then && strcmp(then, device) != 0) ||
        ((now->stx_mask & STATX_BTIME) && !same_time(state, "born", &now->stx_btime)))
        return recap_refuse(error, RECAP_FAILED, -ESTALE,
                            "%s has been replaced by another file since the checkpoint", path);
    if (recap_get_hex(state, "size", &size) == 0 && size != now->stx_size)
        return recap_refuse(error, RECAP_FAILED, -ESTALE,
                            "%s has changed since the checkpoint: it had %llu bytes and has %llu",
                            path, (unsigned long long)size, (unsigned long long)now->stx_size);
    if (!same_time(state, "modified", &now->stx_mtime))
        return recap_refuse(error, RECAP_FAILED, -ESTALE,
                            "%s has changed since the checkpoint: it was modified at %lld.%09u "
                            "(then: %s)",
                            path, (long long)now->stx_mtime.tv_sec, now->stx_mtime.tv_nsec,
                            recap_text_or_null(state, "modified"));
    return 0;
}

int linux_file_reopen(int fd, int flags, int *opened)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, flags | O_CLOEXEC | O_NOCTTY);
    if (again < 0)
        return -errno;
    *opened = again;
    return 0;
}

/* Opens by its name what `named` is, for a description that shows that it was. Whatever else has
 * got the name meanwhile is not waited for. */
static int open_by_name(int named, const char *path, int flags, int *fd)
{
    struct stat wanted, found;
    const char *name = path;
    __attribute__((cleanup(linux_close_descriptor))) int directory = -1, opened = -1;
    int result = path[1] ? linux_image_path_parent(path, &directory, &name) : 0;
    if (result < 0)
        return result;
    opened = openat(directory, name, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (opened < 0 || fstat(named, &wanted) < 0 || fstat(opened, &found) < 0)
        return -errno;
    if (wanted.st_ino != found.st_ino || wanted.st_dev != found.st_dev)
        return -ESTALE;
    *fd = opened;
    opened = -1;
    return 0;
}

/* Whether the state identifies a file at all, and one that may be opened: it takes no device, whose
 * opening may do something, and without an inode only what has none that lasts. */
static int check_kind(const struct recap_object *object, int named, int flags,
                      const struct statx *now, struct recap_error *error)
{
    uint64_t inode;
    int64_t type = recap_number_or(object->state, "type", 0);
    bool identified = recap_get_hex(object->state, "inode", &inode) == 0;
    if (identified && type != S_IFREG && type != S_IFDIR && type != S_IFIFO && type != S_IFLNK &&
        type != S_IFCHR && type != S_IFBLK && type != S_IFSOCK)
        return linux_state_damaged(object, "type", error);
    char here[32];
    snprintf(here, sizeof here, "/proc/self/fd/%d", named);
    if (!identified && !linux_virtual_path(here))
        return linux_state_damaged(object, "inode", error);
    bool zero = S_ISCHR(now->stx_mode) && now->stx_rdev_major == 1 && now->stx_rdev_minor == 5;
    if (!(flags & O_PATH) && !zero && !S_ISREG(now->stx_mode) && !S_ISDIR(now->stx_mode) &&
        !S_ISFIFO(now->stx_mode))
        return linux_state_damaged(object, "type", error);
    return 0;
}

int linux_file_open(const struct recap_object *object, int flags, int *fd,
                    struct recap_error *error)
{
    const char *path = recap_text_or_null(object->state, "path");
    if (!path)
        return linux_state_damaged(object, "path", error);
    __attribute__((cleanup(linux_close_descriptor))) int named = -1;
    int result = linux_image_path_open(path, O_NOFOLLOW, &named);
    if (result == -EBADMSG)
        return linux_state_damaged(object, "path", error);
    if (result < 0)
        return recap_fail(error, result, "opening %s", path);
    struct statx now;
    result = read_identity(named, "", &now);
    if (result < 0)
        return recap_fail(error, result, "reading the identity of %s", path);
    result = check_kind(object, named, flags, &now, error);
    if (result < 0)
        return result;
    result = check(object->state, path, &now, error);
    if (result < 0)
        return result;
    if ((flags & (O_PATH | O_DIRECTORY)) == O_PATH && flags & O_NOFOLLOW) {
        *fd = named;
        named = -1;
        return 0;
    }
    result = flags & O_NOFOLLOW ? open_by_name(named, path, flags, fd)
                                : linux_file_reopen(named, flags, fd);
    return result < 0 ? recap_fail(error, result, "opening %s", path) : 0;
}

int linux_file_compare(const struct recap_object *object, const struct stat *status,
                       struct recap_error *error)
{
    const char *path = recap_text_or_null(object->state, "path");
    uint64_t inode;
    if (recap_get_hex(object->state, "inode", &inode) == 0 && inode != status->st_ino)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "is another file than %s",
                            path ? path : "the one that was open");
    return 0;
}
