/* mapped_file.c: the files behind regions, and those without a name that descriptors refer to. */
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/objects/file_identity.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/mapped_content.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/unlinked_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* A descriptor, open for reading, of the file itself; through the selector that holds it when there
 * is one, since the way through the mapping takes a privilege. */
static int open_held(const struct linux_mapped *mapped, int *fd)
{
    char path[LINUX_HOME_PATH];
    struct stat status;
    if (!mapped->held)
        return -ENOENT;
    int opened =
        open(linux_home_path(mapped->home, path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (opened < 0)
        return -errno;
    if (fstat(opened, &status) < 0 || status.st_ino != mapped->inode) {
        close(opened);
        return -ENOENT;
    }
    *fd = opened;
    return 0;
}

static int open_live(struct linux_mapped *mapped, int *fd)
{
    int result = open_held(mapped, fd);
    if (result < 0 && mapped->piece_count) {
        result = linux_mapped_open(mapped, fd);
        if (result == -EPERM && linux_mapped_find_holder(mapped) && open_held(mapped, fd) == 0)
            result = 0;
    }
    return result;
}

static int refuse(const struct linux_mapped *mapped, int code, struct recap_error *error)
{
    if (code == -ENOENT)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "%s has been closed meanwhile",
                            mapped->path);
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s cannot be reached: %s",
                        mapped->path, strerror(-code));
}

/* What is known of a removed file that may not be opened, but whose mappings can be looked at: it
 * will belong to whoever restores it. */
static int guess_status(const struct linux_mapped *mapped, struct stat *status)
{
    static const char suffix[] = " (deleted)";
    size_t length = strlen(mapped->path), tail = sizeof suffix - 1;
    uint64_t size;
    if (length <= tail || strcmp(mapped->path + length - tail, suffix) != 0)
        return -EPERM;
    int result = linux_mapped_seen(mapped, &size);
    if (result < 0)
        return result;
    *status = (struct stat){.st_dev = mapped->device,
                            .st_ino = mapped->inode,
                            .st_mode = S_IFREG | 0700,
                            .st_uid = geteuid(),
                            .st_gid = getegid(),
                            .st_size = (off_t)size};
    return 0;
}

/* What the region maps. `named`: found by its name, so that nothing had to be opened. */
static int read_status(struct linux_mapped *mapped, struct stat *status, bool *named,
                       struct recap_error *error)
{
    *named = lstat(mapped->path, status) == 0 && status->st_ino == mapped->inode &&
             (status->st_dev == mapped->device || major(mapped->device) == 0);
    if (*named)
        return 0;
    int fd;
    int result = open_live(mapped, &fd);
    if (result == 0) {
        result = fstat(fd, status) < 0 ? -errno : 0;
        close(fd);
    } else if (result == -EPERM) {
        result = guess_status(mapped, status);
    }
    return result < 0 ? refuse(mapped, result, error) : 0;
}

static bool is_zero_device(const struct stat *status)
{
    return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 5);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)description;
    struct linux_mapped *mapped = linux_mapped_of(kernel, badge);
    if (!mapped)
        return recap_fail(error, -EINVAL, "nothing is known of a mapped file");
    object->label = recap_arena_text(arena, mapped->path);
    if (strncmp(mapped->path, "/[aio]", 6) == 0)
        return recap_refuse(
            error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
            "it is the ring of an asynchronous input and output context (io_setup)");
    struct stat status;
    bool named;
    int result = read_status(mapped, &status, &named, error);
    if (result < 0)
        return result;
    if (!S_ISREG(status.st_mode) && !is_zero_device(&status))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s is mapped, and is neither a file nor plain memory", mapped->path);
    struct recap_value *state = recap_record(arena);
    enum linux_file_place place = LINUX_FILE_NAMED;
    const char *path = mapped->path;
    if (!named)
        result = linux_file_locate(mapped->path, &status, arena, &place, &path, error);
    if (result == 0 && place != LINUX_FILE_UNLINKED)
        result = linux_file_accessible(path, mapped->may_write ? O_RDWR : O_RDONLY, error);
    if (result < 0)
        return result;
    if (place == LINUX_FILE_UNLINKED) {
        result = linux_unlinked_describe(arena, state, path, &status, error);
        object->content = (uint64_t)status.st_size;
    } else {
        result = linux_file_identify(
            arena, state, path, place,
            S_ISREG(status.st_mode) ? LINUX_FILE_UNCHANGED : LINUX_FILE_SAME, error);
    }
    recap_put_number(arena, state, "may-write", mapped->may_write);
    object->state = state;
    return result;
}

static ssize_t content(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error)
{
    struct linux_mapped *mapped = linux_mapped_of(kernel, badge);
    int fd;
    int result = mapped ? open_live(mapped, &fd) : -EINVAL;
    if (result == -EPERM) {
        ssize_t seen = linux_mapped_look(mapped, offset, buffer, size);
        return seen < 0 ? recap_fail(error, (int)seen, "reading the removed file %s", mapped->path)
                        : seen;
    }
    if (result < 0)
        return recap_fail(error, result, "reading a removed file");
    ssize_t count = pread(fd, buffer, size, (off_t)offset);
    if (count < 0)
        count = recap_fail(error, -errno, "reading the removed file %s", mapped->path);
    close(fd);
    return count;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    int mode = recap_number_or(object->state, "may-write", 0) ? O_RDWR : O_RDONLY, fd;
    if (!linux_unlinked_is(object)) {
        int result = linux_file_open(object, mode, &fd, error);
        return result < 0 ? result : linux_badge_own(kernel, fd, badge, error);
    }
    int made;
    int result = linux_unlinked_create(creation, object, &made, error);
    if (result < 0 || mode == O_RDWR)
        return result < 0 ? result : linux_badge_own(kernel, made, badge, error);
    result = linux_file_reopen(made, mode, &fd);
    close(made);
    if (result < 0)
        return recap_fail(error, result, "opening the removed file %s",
                          object->label ? object->label : "");
    return linux_badge_own(kernel, fd, badge, error);
}

const struct linux_kind linux_kind_mapped_file = {
    .name = "mapped-file",
    .inner = true,
    .describe = describe,
    .content = content,
    .create = create,
};
