/* signalfd.c: descriptors that deliver signals. */
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool recognise(const struct linux_description *description)
{
    return strcmp(description->link, "anon_inode:[signalfd]") == 0;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    uint64_t mask;
    if (!linux_fdinfo_number(description->fdinfo, "sigmask", 16, &mask))
        return recap_fail(error, -EPROTO, "the kernel does not tell the mask of the signalfd");
    struct recap_value *state = recap_record(arena);
    int result = linux_status_flags_describe(description, arena, state, error);
    if (result < 0)
        return result;
    recap_put_hex(arena, state, "mask", mask);
    object->state = state;
    object->label = recap_arena_printf(arena, "signals %#llx", (unsigned long long)mask);
    return 0;
}

/* The kernel's own call: the C library knows only masks without its internal signals. */
static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    uint64_t mask;
    if (recap_get_hex(object->state, "mask", &mask) < 0)
        return linux_state_damaged(object, "mask", error);
    int fd = (int)syscall(SYS_signalfd4, -1, &mask, sizeof mask, SFD_CLOEXEC);
    if (fd < 0)
        return recap_fail(error, -errno, "creating a signalfd");
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)description;
    (void)object;
    (void)error;
    return 0; /* the mask is state: signalfd(2) changes it */
}

const struct linux_kind linux_kind_signalfd = {
    .name = "signalfd",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
