/* directory.c: descriptions open on directories, with the position that reading them has reached.
 */
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/file_locks.h"
#include "kernel/linux/objects/files/process_file.h"
#include "kernel/linux/objects/files/removed_directory.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool recognise(const struct linux_description *description)
{
    return S_ISDIR(description->status.st_mode) && !(description->open_flags & O_PATH);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)badge;
    uint64_t position;
    enum linux_file_place place;
    const char *path;
    struct recap_value *state = recap_record(arena);
    object->label = recap_arena_text(arena, description->link);
    if (!linux_fdinfo_number(description->fdinfo, "pos", 10, &position))
        return recap_fail(error, -EPROTO, "the kernel does not tell the position in %s",
                          description->link);
    /* A lease also sets O_ASYNC, which says less. */
    int result = linux_file_locks_describe(description, arena, state, error);
    if (result == 0)
        result = linux_status_flags_describe(description, arena, state, error);
    if (result == 0)
        result = linux_process_file_locate(kernel, description, arena, &place, &path, error);
    if (result == 0 && place == LINUX_FILE_UNLINKED)
        result = linux_removed_directory_held(kernel, description, path, arena, state, error);
    if (result == 0 && place == LINUX_FILE_VIRTUAL)
        result = linux_process_file_identify(description, path, arena, state, error);
    /* Half read, it has to be read on where it stopped, which takes the same entries. */
    if (result == 0 && place == LINUX_FILE_NAMED)
        result = linux_file_identify(arena, state, path, place,
                                     position ? LINUX_FILE_UNCHANGED : LINUX_FILE_SAME, error);
    recap_put_hex(arena, state, "position", position);
    object->state = state;
    return result;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    uint64_t position;
    if (recap_get_hex(object->state, "position", &position) < 0 || position > INT64_MAX)
        return linux_state_damaged(object, "position", error);
    int fd, flags;
    int result = linux_status_flags_shown(object, &flags, error);
    if (result < 0)
        return result;
    if (linux_process_file_is(object))
        result = linux_process_file_open(kernel, object, flags, &fd, error);
    else if (recap_member(object->state, "directory"))
        result = linux_removed_directory_open(kernel, creation, object, flags, &fd, error);
    else
        result = linux_file_open(object, flags, &fd, error);
    if (result < 0)
        return result;
    return linux_status_flags_finish_at(kernel, fd, position, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    return linux_file_compare(object, &description->status, error);
}

const struct linux_kind linux_kind_directory = {
    .name = "directory",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .tie = linux_file_locks_tie,
    .compare = compare,
};
