/* unlinked_file.c: files that are open or mapped and have no name any more. */
#include "kernel/linux/objects/files/unlinked_file.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"

#include "kernel/linux/image_path.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/objects/apart.h"
#include "kernel/linux/objects/files/extents.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/inode_state.h"
#include "kernel/linux/objects/outside.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

/* The nearest directory above the former name that is left, if it is on the same file system: 1, 0
 * when there is none, or a negative errno. */
static int nearest_directory(struct recap_arena *arena, const char *path, const struct stat *status,
                             const char **nearest)
{
    char *directory = recap_arena_text(arena, path);
    struct stat found;
    if (!directory)
        return -ENOMEM;
    for (char *slash; (slash = strrchr(directory, '/'));) {
        slash[slash == directory] = '\0';
        int result = stat(directory, &found) < 0 ? -errno : 0;
        if (result == 0 && S_ISDIR(found.st_mode)) {
            *nearest = directory;
            return found.st_dev == status->st_dev;
        }
        if (result < 0 && result != -ENOENT && result != -ENOTDIR && result != -ELOOP &&
            !linux_procfs_hidden(result))
            return result;
        if (slash == directory)
            break;
    }
    return 0;
}

int linux_unlinked_place(struct recap_arena *arena, struct recap_value *state, const char *path,
                         const struct stat *status, struct recap_error *error)
{
    const char *above = NULL;
    int found = nearest_directory(arena, path, status, &above);
    if (found < 0)
        return recap_fail(error, found, "looking for where %s could be made again", path);
    if (!found)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s was removed, and so was every directory above it where it could be "
                            "made again",
                            path);
    recap_put_text(arena, state, "path", path);
    recap_put_text(arena, state, "above", above);
    return 0;
}

/* Flags of chattr(1) that a file may have while it is filled. */
enum { KEPT_FLAGS = FS_SYNC_FL | FS_NODUMP_FL | FS_NOATIME_FL | FS_NOCOW_FL };

void linux_unlinked_describe_flags(struct recap_arena *arena, struct recap_value *state, int fd)
{
    int flags;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && flags & KEPT_FLAGS)
        recap_put_hex(arena, state, "inode-flags", (uint64_t)(flags & KEPT_FLAGS));
}

static int set_flags(const struct recap_object *object, int fd, struct recap_error *error)
{
    uint64_t wanted;
    int flags;
    if (recap_get_hex(object->state, "inode-flags", &wanted) < 0)
        return 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= (int)wanted & KEPT_FLAGS;
        if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0)
            return 0;
    }
    return recap_fail(error, -errno, "setting the flags of the removed file %s",
                      object->label ? object->label : "");
}

int linux_unlinked_describe(struct recap_arena *arena, struct recap_value *state, const char *path,
                            const struct stat *status, const char *live, struct recap_error *error)
{
    int result = linux_unlinked_place(arena, state, path, status, error);
    if (result < 0)
        return result;
    recap_put_number(arena, state, "unlinked", 1);
    recap_put_hex(arena, state, "size", (uint64_t)status->st_size);
    return linux_inode_describe(arena, state, status, live, error);
}

bool linux_unlinked_is(const struct recap_object *object)
{
    return recap_number_or(object->state, "unlinked", 0) != 0;
}

struct making {
    int folder;
    char name[32];
    int fd;
};

/* For a file system that needs a name for a moment: in a process that runs to its end, also when we
 * are killed. */
static int make_and_unlink(void *context)
{
    struct making *making = context;
    making->fd = openat(making->folder, making->name,
                        O_RDWR | O_CREAT | O_EXCL | O_NOATIME | O_CLOEXEC, 0600);
    return making->fd < 0 || unlinkat(making->folder, making->name, 0) < 0 ? -errno : 0;
}

static int make_named(int folder)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return -errno;
    struct making making = {.folder = folder, .fd = -1};
    snprintf(making.name, sizeof making.name, ".recap-%016llx", (unsigned long long)number);
    int result = linux_apart(CLONE_FILES, make_and_unlink, &making);
    if (result < 0)
        linux_close_descriptor(&making.fd);
    return result < 0 ? result : making.fd;
}

/* One that had a name may not be given one again. Regions are mapped through the description, which
 * would count as access. */
static int make_nameless(const char *directory, const struct recap_value *state)
{
    uint64_t with = O_RDWR;
    bool named = recap_get_hex(state, "made-with", &with) < 0;
    int flags = ((int)with & (O_ACCMODE | O_SYNC | O_DSYNC)) | O_NOATIME | O_CLOEXEC;
    __attribute__((cleanup(linux_close_descriptor))) int folder = -1;
    int result = linux_image_path_open(directory, O_DIRECTORY, &folder);
    if (result < 0)
        return result;
    int fd = openat(folder, ".", O_TMPFILE | flags | (named ? O_EXCL : 0), 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd < 0 ? -errno : fd;
    return make_named(folder);
}

int linux_unlinked_create(const struct recap_creation *creation, const struct recap_object *object,
                          int *fd, struct recap_error *error)
{
    const struct recap_value *state = object->state;
    const char *directory = recap_text_or_null(state, "above");
    uint64_t size;
    if (!directory || !linux_image_path_is_plain(directory))
        return linux_state_damaged(object, "above", error);
    if (recap_get_hex(state, "size", &size) < 0 || size > INT64_MAX)
        return linux_state_damaged(object, "size", error);
    __attribute__((cleanup(linux_close_descriptor))) int made = make_nameless(directory, state);
    if (made < 0)
        return recap_fail(error, made, "making a file without a name in %s", directory);
    if (ftruncate(made, (off_t)size) < 0)
        return recap_fail(error, -errno, "making a file of %llu bytes without a name in %s",
                          (unsigned long long)size, directory);
    int result = linux_extents_fill(creation, object, size, linux_extents_write, &made, error);
    if (result == 0)
        result = set_flags(object, made, error);
    if (result == 0)
        result = linux_inode_set(object, made, error);
    if (result < 0)
        return result;
    *fd = made;
    made = -1;
    return 0;
}

int linux_unlinked_held(struct linux_kernel *kernel, const struct linux_description *description,
                        recap_badge *badge, struct recap_error *error)
{
    struct linux_mapped *mapped;
    recap_badge inner;
    int result = linux_outside_refuse(kernel, description, error);
    if (result < 0)
        return result;
    result =
        linux_mapped_obtain(kernel, "mapped-file", description->status.st_dev,
                            description->status.st_ino, description->link, &inner, &mapped, error);
    if (result < 0)
        return result;
    /* What has to be read without being opened is read through one that may. */
    bool reads = linux_rights_of(description->open_flags) & RECAP_RIGHT_READ;
    if (!mapped->held || !mapped->home_reads || reads) {
        mapped->home = (struct linux_home){description->pid, description->fd};
        mapped->home_reads = reads;
    }
    mapped->held = true;
    if (description->open_flags & LINUX_O_TMPFILE)
        mapped->made_with = description->open_flags;
    *badge = inner;
    return 0;
}

/* The file that was made again for what `object` is open on, and a descriptor of it. */
static int find_made(struct linux_kernel *kernel, const struct recap_creation *creation,
                     const struct recap_object *object, recap_badge *badge, int *made,
                     struct recap_error *error)
{
    uint64_t file;
    if (recap_get_object(object->state, "file", &file) < 0 ||
        !recap_graph_object(creation->graph, file) || !creation->badges[file])
        return linux_state_damaged(object, "file", error);
    *badge = creation->badges[file];
    return linux_badge_fd(kernel, *badge, made, error);
}

int linux_unlinked_take(struct linux_kernel *kernel, const struct recap_creation *creation,
                        const struct recap_object *object, off_t offset, recap_badge *badge,
                        struct recap_error *error)
{
    recap_badge file;
    __attribute__((cleanup(linux_close_descriptor))) int made = -1;
    int result = find_made(kernel, creation, object, &file, &made, error);
    if (result == 0 && lseek(made, offset, SEEK_SET) < 0)
        result = recap_fail(error, -errno, "setting the offset of %s",
                            object->label ? object->label : "a file");
    if (result == 0)
        result = linux_status_flags_set(made, object, error);
    if (result == 0)
        *badge = file;
    return result;
}

int linux_unlinked_open(struct linux_kernel *kernel, const struct recap_creation *creation,
                        const struct recap_object *object, int flags, int *fd,
                        struct recap_error *error)
{
    recap_badge file;
    __attribute__((cleanup(linux_close_descriptor))) int made = -1;
    int result = find_made(kernel, creation, object, &file, &made, error);
    if (result < 0)
        return result;
    result = linux_file_reopen(made, flags, fd);
    if (result == -EACCES) {
        /* Its mode forbids what was once opened: as its owner, permit it for this moment. */
        struct stat status;
        if (fstat(made, &status) == 0 && fchmod(made, 0600) == 0) {
            result = linux_file_reopen(made, flags, fd);
            if (fchmod(made, status.st_mode & 07777) < 0 && result == 0) {
                close(*fd);
                result = -errno;
            }
        }
    }
    return result < 0 ? recap_fail(error, result, "opening the removed file %s",
                                   object->label ? object->label : "")
                      : 0;
}
