/* path.c: descriptions opened with O_PATH: they name a place in the file system, of any type, and
 * permit nothing else. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/process_file.h"
#include "kernel/linux/objects/files/removed_directory.h"
#include "kernel/linux/objects/files/unlinked_file.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>

static bool recognise(const struct linux_description *description)
{
    return description->open_flags & O_PATH;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)badge;
    enum linux_file_place place;
    const char *path;
    struct recap_value *state = recap_record(arena);
    object->label = recap_arena_text(arena, description->link);
    recap_put_hex(arena, state, "flags", description->open_flags);
    int result = linux_process_file_locate(kernel, description, arena, &place, &path, error);
    if (result < 0)
        return result;
    if (place == LINUX_FILE_VIRTUAL) {
        result = linux_process_file_identify(description, path, arena, state, error);
    } else if (place == LINUX_FILE_NAMED) {
        result = linux_file_identify(arena, state, path, place, LINUX_FILE_SAME, error);
    } else if (S_ISREG(description->status.st_mode)) {
        recap_badge file;
        result = linux_unlinked_held(kernel, description, &file, error);
        if (result == 0)
            recap_put_object(arena, state, "file", file);
    } else if (S_ISDIR(description->status.st_mode)) {
        result = linux_removed_directory_held(kernel, description, path, arena, state, error);
    } else {
        result = recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s has been removed", path);
    }
    object->state = state;
    return result;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    int fd, flags;
    int result = linux_status_flags_shown(object, &flags, error);
    if (result < 0)
        return result;
    flags |= O_PATH;
    if (linux_process_file_is(object))
        result = linux_process_file_open(kernel, object, flags, &fd, error);
    else if (recap_member(object->state, "file"))
        result = linux_unlinked_open(kernel, creation, object, flags, &fd, error);
    else if (recap_member(object->state, "directory"))
        result = linux_removed_directory_open(kernel, creation, object, flags, &fd, error);
    else
        result = linux_file_open(object, flags, &fd, error);
    return result < 0 ? result : linux_badge_own(kernel, fd, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    return linux_file_compare(object, &description->status, error);
}

const struct linux_kind linux_kind_path = {
    .name = "path",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
