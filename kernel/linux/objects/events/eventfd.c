/* eventfd.c: event counters. */
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool recognise(const struct linux_description *description)
{
    return strcmp(description->link, "anon_inode:[eventfd]") == 0;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    uint64_t count, semaphore = 0;
    if (!linux_fdinfo_number(description->fdinfo, "eventfd-count", 16, &count))
        return recap_fail(error, -EPROTO, "the kernel does not tell the count of the eventfd");
    if (!linux_fdinfo_number(description->fdinfo, "eventfd-semaphore", 10, &semaphore))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "this kernel does not tell whether the eventfd is a semaphore");
    if (count == UINT64_MAX)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the count of the eventfd has overflowed");
    struct recap_value *state = recap_record(arena);
    int result = linux_status_flags_describe(description, arena, state, error);
    if (result < 0)
        return result;
    recap_put_hex(arena, state, "count", count);
    recap_put_number(arena, state, "semaphore", semaphore != 0);
    object->state = state;
    object->label = semaphore ? "event counter, semaphore" : "event counter";
    return 0;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    uint64_t count;
    int64_t semaphore;
    if (recap_get_hex(object->state, "count", &count) < 0 || count == UINT64_MAX)
        return linux_state_damaged(object, "count", error);
    if (recap_get_number(object->state, "semaphore", &semaphore) < 0)
        return linux_state_damaged(object, "semaphore", error);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | (semaphore ? EFD_SEMAPHORE : 0));
    if (fd < 0)
        return recap_fail(error, -errno, "creating an eventfd");
    if (count && write(fd, &count, sizeof count) != sizeof count) {
        int code = -errno;
        close(fd);
        return recap_fail(error, code, "setting the count of an eventfd");
    }
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    uint64_t semaphore = 0;
    linux_fdinfo_number(description->fdinfo, "eventfd-semaphore", 10, &semaphore);
    if ((semaphore != 0) != (recap_number_or(object->state, "semaphore", 0) != 0))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "the eventfd is %sa semaphore",
                            semaphore ? "" : "not ");
    return 0;
}

const struct linux_kind linux_kind_eventfd = {
    .name = "eventfd",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
