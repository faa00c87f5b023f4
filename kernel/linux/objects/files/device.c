/* device.c: the memory devices, which keep no state: null, zero, full, random, urandom. */
#include "kernel/linux/objects/files/device_node.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>

enum { MEMORY = 1 }; /* the major number of these */
enum { NULL_DEVICE = 3, ZERO_DEVICE = 5, FULL_DEVICE = 7, RANDOM_DEVICE = 8, URANDOM_DEVICE = 9 };

static bool is_memory_device(int64_t number)
{
    switch (number) {
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
    const struct stat *status = &description->status;
    return S_ISCHR(status->st_mode) && major(status->st_rdev) == MEMORY &&
           is_memory_device(minor(status->st_rdev)) && !(description->open_flags & O_PATH);
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
    result = linux_device_node_identify(description, arena, state, error);
    if (result == 0)
        object->state = state;
    return result;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    uint64_t flags;
    int64_t number;
    if (recap_get_hex(object->state, "flags", &flags) < 0)
        return linux_state_damaged(object, "flags", error);
    /* An image may name any other device here, of which opening alone can be an act. */
    if (recap_get_number(object->state, "minor", &number) < 0 ||
        recap_number_or(object->state, "major", -1) != MEMORY || !is_memory_device(number))
        return linux_state_damaged(object, "minor", error);
    int fd;
    int result = linux_device_node_open(object, (int)flags & O_ACCMODE, &fd, error);
    return result < 0 ? result : linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    if (linux_device_node_is(object, &description->status))
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
