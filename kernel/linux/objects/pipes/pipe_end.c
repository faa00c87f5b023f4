/* pipe_end.c: descriptions that are an end of a pipe or FIFO, or both. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/outside.h"
#include "kernel/linux/objects/pipes/pipe.h"
#include "kernel/linux/objects/sockets/unix/unix.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static bool recognise(const struct linux_description *description)
{
    return S_ISFIFO(description->status.st_mode) && !(description->open_flags & O_PATH);
}

/* Whether nobody at all holds the other end. The descriptor of our own that this takes is one more
 * on this end only. */
static int is_widowed(struct linux_kernel *kernel, recap_badge badge, bool *widowed,
                      struct recap_error *error)
{
    int fd;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    struct pollfd ask = {.fd = fd};
    result = poll(&ask, 1, 0) < 0 ? -errno : 0;
    close(fd);
    if (result < 0)
        return recap_fail(error, result, "asking for the other end of a pipe");
    *widowed = ask.revents & (POLLHUP | POLLERR);
    return 0;
}

/* The other end of a pipe may be held by nobody, or be in flight in a socket, which is looked into
 * once the component is stopped. */
static int find_other_end(struct linux_kernel *kernel, recap_badge badge, const struct stat *status,
                          bool *inside, struct recap_error *error)
{
    const uint32_t both = RECAP_RIGHT_READ | RECAP_RIGHT_WRITE;
    int result = is_widowed(kernel, badge, inside, error);
    int any = result == 0 && !*inside ? linux_unix_enter_in_flight(kernel, error) : result;
    if (any > 0)
        *inside = !linux_badge_is_still(kernel, badge) ||
                  linux_pipe_rights_inside(kernel, status->st_ino) == both;
    return any < 0 ? any : 0;
}

/* Whether it comes back with what is checkpointed. A FIFO is found again by its name, whoever has
 * it open. Without one it is like a pipe; but a writer may never have come, which is told from one
 * that is elsewhere by who has it. */
static int is_inside(struct linux_kernel *kernel, recap_badge badge,
                     const struct linux_description *description, bool *inside,
                     struct recap_error *error)
{
    const uint32_t both = RECAP_RIGHT_READ | RECAP_RIGHT_WRITE;
    const struct stat *status = &description->status;
    bool fifo = description->link[0] == '/';
    *inside = linux_pipe_rights_inside(kernel, status->st_ino) == both;
    if (fifo && status->st_nlink) {
        *inside = true;
        return 0;
    }
    if (!fifo && !*inside)
        return find_other_end(kernel, badge, status, inside, error);
    if (!fifo)
        return 0;
    struct linux_outsider outsider;
    int result =
        linux_outside_shares(kernel, status->st_dev, status->st_ino, true, NULL, &outsider);
    if (result > 0 && *inside)
        return recap_refuse(
            error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
            "%s is also open in process %d (%s), which is not part of the checkpoint",
            description->link, (int)outsider.pid, outsider.name);
    if (result < 0)
        return recap_fail(error, result, "looking for who else has %s", description->link);
    *inside = result == 0;
    return 0;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    const uint32_t both = RECAP_RIGHT_READ | RECAP_RIGHT_WRITE;
    struct recap_value *state = recap_record(arena);
    bool inside = false;
    uint32_t own = linux_badge_rights(kernel, badge);
    object->label = recap_arena_printf(arena, "%s, %s", description->link,
                                       own == both                ? "both ends"
                                       : own == RECAP_RIGHT_WRITE ? "writing end"
                                                                  : "reading end");
    int result = linux_status_flags_describe(description, arena, state, error);
    if (result == 0)
        result = is_inside(kernel, badge, description, &inside, error);
    if (result < 0)
        return result;
    object->external = !inside;
    if (inside) {
        recap_badge pipe;
        result = linux_pipe_of(kernel, badge, description, &pipe, error);
        recap_put_object(arena, state, "pipe", pipe);
    }
    object->state = state;
    return result;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    uint64_t pipe, flags;
    if (recap_get_object(object->state, "pipe", &pipe) < 0 ||
        !recap_graph_object(creation->graph, pipe) || !creation->badges[pipe])
        return linux_state_damaged(object, "pipe", error);
    if (recap_get_hex(object->state, "flags", &flags) < 0)
        return linux_state_damaged(object, "flags", error);
    int fd;
    int result = linux_pipe_open(kernel, creation->badges[pipe],
                                 (int)flags & (O_ACCMODE | LINUX_O_LARGEFILE), &fd, error);
    return result < 0 ? result : linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    uint64_t flags;
    (void)kernel;
    (void)badge;
    if (recap_get_hex(object->state, "flags", &flags) == 0 &&
        (flags & O_ACCMODE) != (description->open_flags & O_ACCMODE))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "%s is the other end", description->link);
    return 0;
}

const struct linux_kind linux_kind_pipe_end = {
    .name = "pipe-end",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
