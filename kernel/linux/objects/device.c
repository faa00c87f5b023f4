/* device.c: the memory devices, which keep no state: null, zero, full, random, urandom. */
#include "kernel/linux/objects/file_identity.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* Of major number 1. */
enum { NULL_DEVICE = 3, ZERO_DEVICE = 5, FULL_DEVICE = 7, RANDOM_DEVICE = 8, URANDOM_DEVICE = 9 };

static bool is_memory_device(const struct stat *status)
{
    if (!S_ISCHR(status->st_mode) || major(status->st_rdev) != 1)
        return false;
    switch (minor(status->st_rdev)) {
    case NULL_DEVICE:
    case ZERO_DEVICE:
    case FULL_DEVICE:
    case RANDOM_DEVICE:
    case URANDOM_DEVICE:
        return true;
    default:
        return false;
    }
}

static bool recognise(const struct linux_description *description)
{
    return is_memory_device(&description->status) && !(description->open_flags & O_PATH);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    struct recap_value *state = recap_record(arena);
    object->label = recap_arena_text(arena, description->link);
    int result = linux_status_flags_describe(description, arena, state, error);
    if (result < 0)
        return result;
    recap_put_text(arena, state, "path", description->link);
    recap_put_number(arena, state, "major", major(description->status.st_rdev));
    recap_put_number(arena, state, "minor", minor(description->status.st_rdev));
    object->state = state;
    return 0;
}

static bool is_same(const struct recap_object *object, const struct stat *status)
{
    return S_ISCHR(status->st_mode) &&
           recap_number_or(object->state, "major", -1) == major(status->st_rdev) &&
           recap_number_or(object->state, "minor", -1) == minor(status->st_rdev);
}

/* Which device a node is says all that there is to know of it. */
static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    const char *path = recap_text_or_null(object->state, "path");
    uint64_t flags;
    struct stat status;
    if (!path)
        return linux_state_damaged(object, "path", error);
    if (recap_get_hex(object->state, "flags", &flags) < 0)
        return linux_state_damaged(object, "flags", error);
    __attribute__((cleanup(linux_close_descriptor))) int named = open(path, O_PATH | O_CLOEXEC);
    if (named < 0)
        return recap_fail(error, -errno, "opening %s", path);
    if (fstat(named, &status) < 0 || !is_memory_device(&status) || !is_same(object, &status))
        return recap_refuse(error, RECAP_FAILED, -ESTALE,
                            "%s is not the device that it was at the checkpoint", path);
    int fd;
    int result = linux_file_reopen(named, (int)flags & O_ACCMODE, &fd);
    if (result < 0)
        return recap_fail(error, result, "opening %s", path);
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    if (is_same(object, &description->status))
        return 0;
    return recap_refuse(error, RECAP_FAILED, -ESTALE, "%s is another device", description->link);
}

const struct linux_kind linux_kind_device = {
    .name = "device",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
