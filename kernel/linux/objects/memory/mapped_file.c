/* mapped_file.c: the files behind regions, and those without a name that descriptors refer to. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/unlinked_file.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/memory/mapped_content.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int reach(struct linux_kernel *kernel, struct linux_mapped *mapped, int *fd)
{
    int result = linux_mapped_reach(kernel, mapped, fd);
    if ((result != -EPERM && result != -EACCES) || mapped->held)
        return result;
    int holder = linux_mapped_find_holder(mapped);
    if (holder < 0)
        return holder;
    return holder && linux_mapped_reach(kernel, mapped, fd) == 0 ? 0 : result;
}

static int refuse(const struct linux_mapped *mapped, int code, struct recap_error *error)
{
    if (code == -EBUSY) {
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "%s cannot be read without those noticing who watch it (inotify)",
                     mapped->path);
        return recap_error_remedy(error, "run recap as root, who can read it unseen");
    }
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

/* What is mapped or held. `named`: found by its name. Nothing is opened for that. */
static int read_status(struct linux_mapped *mapped, struct stat *status, bool *named,
                       struct recap_error *error)
{
    *named = lstat(mapped->path, status) == 0 && status->st_ino == mapped->inode &&
             (status->st_dev == mapped->device || major(mapped->device) == 0);
    if (*named)
        return 0;
    int result = linux_mapped_stat(mapped, status);
    if (result == -EPERM || result == -EACCES) {
        int holder = linux_mapped_find_holder(mapped);
        if (holder != 0)
            result = holder < 0 ? holder : linux_mapped_stat(mapped, status);
    }
    if (result == -EPERM)
        result = guess_status(mapped, status);
    return result < 0 ? refuse(mapped, result, error) : 0;
}

static bool is_zero_device(const struct stat *status)
{
    return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 5);
}

/* Of such a file the kernel makes up a name. It may be given one. */
static bool was_never_named(const struct linux_mapped *mapped, const struct stat *status)
{
    char made_up[64];
    const char *slash = strrchr(mapped->path, '/');
    snprintf(made_up, sizeof made_up, "/#%llu (deleted)", (unsigned long long)status->st_ino);
    return mapped->made_with || (slash && strcmp(slash, made_up) == 0);
}

static int describe_unlinked(struct linux_kernel *kernel, struct linux_mapped *mapped,
                             const char *path, struct stat *status, struct recap_arena *arena,
                             struct recap_object *object, struct recap_error *error)
{
    char live[LINUX_HOME_PATH] = "";
    int fd;
    int result = reach(kernel, mapped, &fd);
    if (result == 0) {
        snprintf(live, sizeof live, "/proc/self/fd/%d", fd);
        result = linux_mapped_survey(mapped);
        status->st_size = (off_t)mapped->size;
    } else if (result == -EPERM || result == -EACCES) {
        result = mapped->piece_count ? linux_mapped_survey_seen(mapped) : result;
    }
    if (result < 0)
        return refuse(mapped, result, error);
    result =
        linux_unlinked_describe(arena, object->state, path, status, *live ? live : NULL, error);
    if (*live)
        linux_unlinked_describe_flags(arena, object->state, fd);
    linux_mapped_let_go(mapped);
    if (was_never_named(mapped, status))
        recap_put_hex(arena, object->state, "made-with",
                      mapped->made_with ? mapped->made_with : O_RDWR);
    linux_extents_put(&mapped->extents, arena, object);
    return result;
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
        result = linux_file_locate(kernel, mapped->path, &status, arena, &place, &path, error);
    if (result == 0 && place != LINUX_FILE_UNLINKED)
        result = linux_file_accessible(path, mapped->may_write ? O_RDWR : O_RDONLY, error);
    if (result < 0)
        return result;
    object->state = state;
    if (place == LINUX_FILE_UNLINKED) {
        result = describe_unlinked(kernel, mapped, path, &status, arena, object, error);
    } else {
        result = linux_file_identify(
            arena, state, path, place,
            S_ISREG(status.st_mode) ? LINUX_FILE_UNCHANGED : LINUX_FILE_SAME, error);
    }
    recap_put_number(arena, state, "may-write", mapped->may_write);
    return result;
}

static ssize_t content(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error)
{
    struct linux_mapped *mapped = linux_mapped_of(kernel, badge);
    if (!mapped)
        return recap_fail(error, -EINVAL, "reading a removed file");
    uint64_t place;
    uint64_t left = linux_extents_place(&mapped->extents, offset, &place);
    if (size > left)
        size = (size_t)left;
    if (!size)
        return 0;
    int fd;
    ssize_t count = reach(kernel, mapped, &fd);
    if (count == 0)
        count = linux_mapped_read(mapped, place, buffer, size);
    else if (count == -EPERM || count == -EACCES)
        count = linux_mapped_look(mapped, place, buffer, size);
    return count < 0 ? recap_fail(error, (int)count, "reading the removed file %s", mapped->path)
                     : count;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    int mode = recap_number_or(object->state, "may-write", 0) ? O_RDWR : O_RDONLY, fd;
    if (!linux_unlinked_is(object)) {
        /* Mapping a file counts as an access, which its component did not make. */
        int result = linux_file_open(object, mode | O_NOATIME, &fd, NULL);
        if (result < 0)
            result = linux_file_open(object, mode, &fd, error);
        return result < 0 ? result : linux_badge_own(kernel, fd, badge, error);
    }
    int made;
    int result = linux_unlinked_create(creation, object, &made, error);
    if (result < 0 || mode == O_RDWR || recap_member(object->state, "made-with"))
        return result < 0 ? result : linux_badge_own(kernel, made, badge, error);
    result = linux_file_reopen(made, mode | O_NOATIME, &fd);
    if (result == -EPERM)
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
