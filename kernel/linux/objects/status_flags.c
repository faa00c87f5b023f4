/* status_flags.c: the status flags of a description, in and out of its state. */
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/signal_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int linux_status_flags_describe(const struct linux_description *description,
                                struct recap_arena *arena, struct recap_value *state,
                                struct recap_error *error)
{
    if (description->open_flags & O_ASYNC && !linux_sends_signals(description))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "signal-driven input and output (O_ASYNC) is set on it");
    recap_put_hex(arena, state, "flags", description->open_flags);
    return 0;
}

int linux_status_flags_shown(const struct recap_object *object, int *flags,
                             struct recap_error *error)
{
    uint64_t all;
    if (recap_get_hex(object->state, "flags", &all) < 0)
        return linux_state_damaged(object, "flags", error);
    *flags = (int)all & (O_ACCMODE | LINUX_SHOWN_FLAGS);
    return 0;
}

int linux_status_flags_set(int fd, const struct recap_object *object, struct recap_error *error)
{
    const int settable = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
    uint64_t flags;
    if (recap_get_hex(object->state, "flags", &flags) < 0)
        return linux_state_damaged(object, "flags", error);
    int now = fcntl(fd, F_GETFL);
    if (now < 0)
        return recap_fail(error, -errno, "reading the status flags of a new %s", object->kind);
    int wanted = (now & ~settable) | ((int)flags & settable);
    if (wanted != now && fcntl(fd, F_SETFL, wanted) < 0)
        return recap_fail(error, -errno, "setting the status flags of a new %s", object->kind);
    return 0;
}

int linux_status_flags_finish(struct linux_kernel *kernel, int fd,
                              const struct recap_object *object, recap_badge *badge,
                              struct recap_error *error)
{
    int result = linux_status_flags_set(fd, object, error);
    if (result < 0) {
        close(fd);
        return result;
    }
    return linux_badge_own(kernel, fd, badge, error);
}

int linux_status_flags_finish_at(struct linux_kernel *kernel, int fd, uint64_t position,
                                 const struct recap_object *object, recap_badge *badge,
                                 struct recap_error *error)
{
    if (position && lseek(fd, (off_t)position, SEEK_SET) < 0) {
        int result = recap_fail(error, -errno, "setting the position in %s",
                                object->label ? object->label : object->kind);
        close(fd);
        return result;
    }
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

int linux_state_damaged(const struct recap_object *object, const char *member,
                        struct recap_error *error)
{
    return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                        "object %llu (%s) has no valid \"%s\" in its state",
                        (unsigned long long)object->id, object->kind, member);
}

void linux_close_descriptor(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
