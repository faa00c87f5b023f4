/* regular.c: descriptions open on regular files. The file itself stays where it is and has to be
 * there unchanged at restore; one without a name travels with the image (unlinked_file.c). */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/file_locks.h"
#include "kernel/linux/objects/files/process_file.h"
#include "kernel/linux/objects/files/unlinked_file.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* File systems whose files are something else in the guise of a regular file. */
static const struct {
    unsigned long magic;
    const char *name;
} disguises[] = {
    {0x19800202, "a POSIX message queue"},
    {0x5345434d, "secret memory"},
    {0x444d4142, "a buffer of a device (DMA-BUF)"},
};

static bool recognise(const struct linux_description *description)
{
    return S_ISREG(description->status.st_mode) && description->link[0] == '/' &&
           !(description->open_flags & O_PATH);
}

static int refuse_disguise(const struct linux_description *description, struct recap_error *error)
{
    char path[LINUX_HOME_PATH];
    struct linux_home home = {description->pid, description->fd};
    struct statfs system;
    uint64_t memory;
    if (linux_shared_memory_device(&memory, NULL) == 0 && description->status.st_dev == memory)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "it is memory that processes share, opened by a link in /proc");
    if (statfs(linux_home_path(home, path), &system) < 0)
        return 0;
    for (size_t i = 0; i < sizeof disguises / sizeof *disguises; i++)
        if ((unsigned long)system.f_type == disguises[i].magic)
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "%s is %s, which cannot be restored", description->link,
                                disguises[i].name);
    return 0;
}

static int describe_place(struct linux_kernel *kernel, const struct linux_description *description,
                          struct recap_arena *arena, struct recap_value *state,
                          struct recap_error *error)
{
    enum linux_file_place place;
    const char *path;
    int result = description->status.st_nlink == 0 ? refuse_disguise(description, error) : 0;
    if (result == 0)
        result = linux_process_file_locate(kernel, description, arena, &place, &path, error);
    if (result == -EOPNOTSUPP && refuse_disguise(description, NULL) < 0)
        return refuse_disguise(description, error);
    if (result < 0)
        return result;
    if (place == LINUX_FILE_UNLINKED) {
        recap_badge file;
        result = linux_unlinked_held(kernel, description, &file, error);
        if (result == 0)
            recap_put_object(arena, state, "file", file);
        return result;
    }
    if (place == LINUX_FILE_VIRTUAL)
        return linux_process_file_identify(description, path, arena, state, error);
    result = linux_file_accessible(path, (int)description->open_flags, error);
    if (result < 0)
        return result;
    return linux_file_identify(arena, state, path, place, LINUX_FILE_UNCHANGED, error);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)badge;
    uint64_t offset;
    struct recap_value *state = recap_record(arena);
    object->label = recap_arena_text(arena, description->link);
    if (!linux_fdinfo_number(description->fdinfo, "pos", 10, &offset))
        return recap_fail(error, -EPROTO, "the kernel does not tell the offset of %s",
                          description->link);
    /* A lease also sets O_ASYNC, which says less. */
    int result = linux_file_locks_describe(description, arena, state, error);
    if (result == 0)
        result = linux_status_flags_describe(description, arena, state, error);
    if (result == 0)
        result = describe_place(kernel, description, arena, state, error);
    recap_put_hex(arena, state, "offset", offset);
    object->state = state;
    return result;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    /* What a file may only be opened with, or not be opened without. */
    const int kept =
        O_ACCMODE | O_APPEND | O_DIRECT | O_NOATIME | O_NONBLOCK | O_SYNC | O_DSYNC | O_NOFOLLOW;
    uint64_t flags, offset;
    if (recap_get_hex(object->state, "flags", &flags) < 0)
        return linux_state_damaged(object, "flags", error);
    if (recap_get_hex(object->state, "offset", &offset) < 0 || offset > INT64_MAX)
        return linux_state_damaged(object, "offset", error);
    if (flags & LINUX_O_TMPFILE && recap_member(object->state, "file"))
        return linux_unlinked_take(kernel, creation, object, (off_t)offset, badge, error);
    int fd, mode = (int)flags & kept;
    int result;
    if (linux_process_file_is(object))
        result = linux_process_file_open(kernel, object, mode, &fd, error);
    else if (recap_member(object->state, "file"))
        result = linux_unlinked_open(kernel, creation, object, mode, &fd, error);
    else
        result = linux_file_open(object, mode, &fd, error);
    if (result < 0)
        return result;
    return linux_status_flags_finish_at(kernel, fd, offset, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    if (!recap_member(object->state, "file"))
        return linux_file_compare(object, &description->status, error);
    if (description->status.st_nlink == 0)
        return 0;
    return recap_refuse(error, RECAP_FAILED, -ESTALE, "%s has a name, and the file had none",
                        description->link);
}

const struct linux_kind linux_kind_regular = {
    .name = "regular",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .tie = linux_file_locks_tie,
    .compare = compare,
};
