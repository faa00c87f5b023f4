/* make.c: making Unix sockets anew.
 *
 * create() makes, binds and connects them. All queues are filled in the first tie() of any, while
 * every socket can still send; what closes, shuts down or restricts comes after that. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/image_path.h"
#include "kernel/linux/objects/sockets/socket_options.h"
#include "kernel/linux/objects/sockets/unix/acting.h"
#include "kernel/linux/objects/sockets/unix/file.h"
#include "kernel/linux/objects/sockets/unix/name.h"
#include "kernel/linux/objects/sockets/unix/unix.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MORE = 64 }; /* connections beyond the backlog while they are made again */

struct making {
    struct linux_kernel *kernel;
    const struct recap_creation *creation;
    const struct recap_object *object;
    struct recap_error *error;
    int type;
    const void *name;
    size_t name_length;
    int fd;
    int other;
    int place;
};

static void clear_making(struct making *making)
{
    linux_close_descriptor(&making->fd);
    linux_close_descriptor(&making->other);
    linux_close_descriptor(&making->place);
}

/* Two ends of a connection are made together: a binding of one alone would end it for the other,
 * and nobody would be told. */
static int refuse_alone(const char *other, struct recap_error *error)
{
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s is bound to something else", other);
    return recap_error_remedy(error, "restore with --bind for this one too: \"hangup\" ends its "
                                     "connection");
}

static int bind_name(struct making *making)
{
    if (recap_get_bytes(making->object->state, "name", &making->name, &making->name_length) < 0)
        return 0;
    if (recap_member(making->object->state, "file"))
        return linux_unix_file_bind(making->kernel, making->object, making->fd, making->name,
                                    making->name_length, &making->place, making->error);
    return linux_unix_bind(making->kernel, making->fd, making->name, making->name_length,
                           &making->place, making->error);
}

/* --- create ---------------------------------------------------------------- */

static int plain(struct making *making)
{
    making->fd = socket(AF_UNIX, making->type | SOCK_CLOEXEC, 0);
    if (making->fd < 0)
        return recap_fail(making->error, -errno, "creating a Unix socket");
    int result = bind_name(making);
    int64_t backlog;
    if (result == 0 && recap_get_number(making->object->state, "backlog", &backlog) == 0) {
        /* As many as wait: it may have been lowered since they came. */
        int64_t room = MORE;
        const struct recap_value *ties = recap_member(making->object->state, "ties");
        for (const struct recap_value *v = recap_items(ties, "pending"); v; v = v->next)
            room++;
        if (backlog < 0 || backlog > INT32_MAX - room)
            return linux_state_damaged(making->object, "backlog", making->error);
        result = linux_unix_acting_listen(making->creation, making->object, making->fd,
                                          (int)(backlog + room), making->error);
    }
    return result;
}

/* An end whose name is that of the listening socket which accepted it. */
static int accepted(struct making *making, uint64_t listener)
{
    const struct recap_object *object = recap_graph_object(making->creation->graph, listener);
    struct sockaddr_storage address;
    if (object && !linux_unix_kept(making->kernel, making->creation->badges[listener]))
        return refuse_alone("the socket that it was accepted at", making->error);
    socklen_t length =
        object ? linux_unix_reach(making->kernel, making->creation, object, &address) : 0;
    if (!length)
        return linux_state_damaged(making->object, "accepted", making->error);
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result =
        linux_badge_fd(making->kernel, making->creation->badges[listener], &fd, making->error);
    if (result < 0)
        return result;
    making->other = socket(AF_UNIX, making->type | SOCK_CLOEXEC, 0);
    if (making->other < 0)
        return recap_fail(making->error, -errno, "creating a Unix socket");
    result = linux_unix_acting_connect(making->creation, making->object, making->other,
                                       (struct sockaddr *)&address, length, making->error);
    if (result == 0 && (making->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
        result = recap_fail(making->error, -errno, "accepting a Unix socket");
    return result;
}

static int pair(struct making *making)
{
    uint64_t listener;
    int ends[2];
    if (recap_get_object(making->object->state, "accepted", &listener) == 0)
        return accepted(making, listener);
    int result =
        linux_unix_acting_pair(making->creation, making->object, making->type, ends, making->error);
    if (result < 0)
        return result;
    making->fd = ends[0];
    making->other = ends[1];
    return bind_name(making);
}

static int take_end(struct making *making, uint64_t maker)
{
    /* What is kept with the badge is only of this type for this kind. */
    const struct recap_object *named = recap_graph_object(making->creation->graph, maker);
    if (!named || !named->kind || strcmp(named->kind, "unix") != 0)
        return linux_state_damaged(making->object, "maker", making->error);
    struct linux_unix_kept *kept = linux_unix_kept(making->kernel, making->creation->badges[maker]);
    if (!kept || kept->other < 0)
        return refuse_alone("the other end of the Unix socket", making->error);
    making->fd = kept->other;
    kept->other = -1;
    return bind_name(making);
}

int linux_unix_create(struct linux_kernel *kernel, const struct recap_creation *creation,
                      const struct recap_object *object, recap_badge *badge,
                      struct recap_error *error)
{
    __attribute__((cleanup(clear_making))) struct making making = {
        .kernel = kernel,
        .creation = creation,
        .object = object,
        .error = error,
        .type = linux_unix_type_number(recap_text_or_null(object->state, "type")),
        .fd = -1,
        .other = -1,
        .place = -1};
    uint64_t maker;
    int result;
    if (making.type < 0)
        return linux_state_damaged(object, "type", error);
    if (recap_get_object(object->state, "maker", &maker) == 0)
        result = take_end(&making, maker);
    else if (recap_member(object->state, "made") || recap_member(object->state, "dead"))
        result = pair(&making);
    else
        result = plain(&making);
    if (result == 0)
        result = linux_socket_options_set(making.fd, object, LINUX_SOCKET_NEW, error);
    if (result < 0)
        return result;
    recap_badge made;
    int fd = making.fd;
    making.fd = -1;
    result = linux_status_flags_finish(kernel, fd, object, &made, error);
    if (result < 0)
        return result;
    struct linux_unix_kept *kept = linux_unix_keep(kernel, made);
    if (!kept)
        return recap_fail(error, -ENOMEM, "creating a Unix socket");
    kept->other = making.other;
    kept->place = making.place;
    making.other = making.place = -1;
    *badge = made;
    return 0;
}

/* --- tie ------------------------------------------------------------------- */

static int connect_at_once(int fd, const struct sockaddr_storage *address, socklen_t length)
{
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    int result = connect(fd, (const struct sockaddr *)address, length) < 0 ? -errno : 0;
    fcntl(fd, F_SETFL, flags);
    return result;
}

/* Where the component itself can connect to the listening socket: 0 when only we can. */
static socklen_t public_address(const struct recap_object *listener, struct sockaddr_un *address)
{
    const void *name;
    size_t length;
    const char *path = recap_text_or_null(recap_member(listener->state, "file"), "path");
    if (recap_get_bytes(listener->state, "name", &name, &length) < 0 || !length)
        return 0;
    if (!*(const char *)name)
        return linux_unix_address(name, length, address);
    return path ? linux_unix_address(path, strlen(path), address) : 0;
}

static int connect_one(struct linux_pd *pd, const struct recap_creation *creation,
                       const struct recap_object *listener, const struct recap_object *client,
                       struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct sockaddr_storage address;
    struct sockaddr_un public;
    socklen_t length = public_address(listener, &public);
    int result = linux_badge_fd(pd->kernel, creation->badges[client->id], &fd, error);
    if (result < 0)
        return result;
    if (length)
        return linux_unix_acting_connect(creation, client, fd, (struct sockaddr *)&public, length,
                                         error);
    length = linux_unix_reach(pd->kernel, creation, listener, &address);
    result = length ? connect_at_once(fd, &address, length) : -ENOENT;
    return result < 0 ? recap_fail(error, result,
                                   "connecting a Unix socket that waits to be "
                                   "accepted")
                      : 0;
}

static int connect_pending(struct linux_pd *pd, const struct recap_creation *creation,
                           const struct recap_object *listener, struct recap_error *error)
{
    const struct recap_value *ties = recap_member(listener->state, "ties");
    int result = 0;
    for (const struct recap_value *v = recap_items(ties, "pending"); v && result == 0;
         v = v->next) {
        const struct recap_object *client =
            v->type == RECAP_OBJECT ? recap_graph_object(creation->graph, v->u.object) : NULL;
        result = client ? connect_one(pd, creation, listener, client, error)
                        : linux_state_damaged(listener, "pending", error);
    }
    return result;
}

static int fill_all(struct linux_pd *pd, const struct recap_creation *creation,
                    struct recap_error *error)
{
    for (size_t i = 0; i < creation->graph->object_count; i++) {
        const struct recap_object *object = &creation->graph->objects[i];
        struct linux_unix_kept *kept;
        if (!object->kind || strcmp(object->kind, "unix") != 0 || object->external ||
            !(kept = linux_unix_kept(pd->kernel, creation->badges[object->id])))
            continue;
        int result = linux_unix_queue_fill(pd, creation, object, error);
        if (result == 0)
            result = connect_pending(pd, creation, object, error);
        if (result < 0)
            return result;
        kept->filled = true;
    }
    return 0;
}

/* A socket outside. Its file is connected to where its path leads, and nowhere else. */
static socklen_t outside_address(const char *name, size_t length, struct sockaddr_un *address,
                                 int *place)
{
    char path[sizeof address->sun_path + 1] = "";
    if (!length || length >= sizeof path || !name[0])
        return linux_unix_address(name, length, address);
    memcpy(path, name, length);
    if (linux_image_path_open(path, 0, place) < 0)
        return linux_image_path_is_plain(path) ? linux_unix_address(name, length, address) : 0;
    int used = snprintf(path, sizeof path, "/proc/self/fd/%d", *place);
    return linux_unix_address(path, (size_t)used, address);
}

static int connect_target(struct linux_pd *pd, const struct recap_creation *creation,
                          const struct recap_object *object, const struct recap_value *ties, int fd,
                          struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int place = -1;
    struct sockaddr_storage address;
    socklen_t length;
    uint64_t target;
    const void *name;
    size_t name_length;
    if (recap_get_object(ties, "target", &target) == 0) {
        const struct recap_object *other = recap_graph_object(creation->graph, target);
        length = other ? linux_unix_reach(pd->kernel, creation, other, &address) : 0;
        name = "a socket inside";
        name_length = strlen(name);
    } else if (recap_get_bytes(ties, "target-name", &name, &name_length) == 0) {
        length = outside_address(name, name_length, (struct sockaddr_un *)&address, &place);
    } else {
        return 0;
    }
    if (!length)
        return linux_state_damaged(object, "target", error);
    int result = connect_at_once(fd, &address, length);
    if (result < 0)
        return recap_fail(error, result, "connecting a Unix datagram socket to %.*s",
                          (int)name_length, (const char *)name);
    return 0;
}

/* Closes the other end of a pair that was closed already: with something unread it is a reset. */
static int close_other(struct linux_unix_kept *kept, const struct recap_object *object, int fd,
                       struct recap_error *error)
{
    if (kept->other < 0 || !recap_member(object->state, "dead"))
        return 0;
    if (recap_member(object->state, "reset") && send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1)
        return recap_fail(error, -errno, "resetting a Unix socket");
    close(kept->other);
    kept->other = -1;
    return 0;
}

static int shut_down(int fd, const struct recap_object *object, const struct recap_value *ties,
                     struct recap_error *error)
{
    static const int how[] = {0, SHUT_RD, SHUT_WR, SHUT_RDWR};
    int64_t ways = recap_number_or(ties, "shutdown", 0);
    if (ways < 0 || ways > 3)
        return linux_state_damaged(object, "shutdown", error);
    /* The end of a closed peer is shut down already, in a way that is not repeated. */
    if (ways && shutdown(fd, how[ways]) < 0 && errno != ENOTCONN)
        return recap_fail(error, -errno, "shutting down a Unix socket");
    return 0;
}

/* Whether those that it was connected to were made again. */
static int check_partners(const struct linux_pd *pd, const struct recap_creation *creation,
                          const struct recap_value *ties, struct recap_error *error)
{
    static const struct {
        const char *tie;
        const char *what;
    } partners[] = {{"peer", "the other end of the Unix socket"},
                    {"listener", "the socket that it waits to be accepted at"},
                    {"target", "the socket that it sends to"}};
    for (size_t i = 0; i < sizeof partners / sizeof *partners; i++) {
        uint64_t id;
        if (recap_get_object(ties, partners[i].tie, &id) == 0 &&
            recap_graph_object(creation->graph, id) &&
            !linux_unix_kept(pd->kernel, creation->badges[id]))
            return refuse_alone(partners[i].what, error);
    }
    return 0;
}

int linux_unix_tie(struct linux_pd *pd, const struct recap_creation *creation,
                   const struct recap_object *object, struct recap_error *error)
{
    const struct recap_value *ties = recap_member(object->state, "ties");
    recap_badge badge = creation->badges[object->id];
    struct linux_unix_kept *kept = linux_unix_keep(pd->kernel, badge);
    if (!kept)
        return recap_fail(error, -ENOMEM, "tying a Unix socket");
    int result = check_partners(pd, creation, ties, error);
    if (result == 0 && !kept->filled)
        result = fill_all(pd, creation, error);
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    if (result == 0)
        result = linux_badge_fd(pd->kernel, badge, &fd, error);
    if (result == 0)
        result = connect_target(pd, creation, object, ties, fd, error);
    if (result == 0)
        result = close_other(kept, object, fd, error);
    int64_t backlog;
    if (result == 0 && recap_get_number(object->state, "backlog", &backlog) == 0)
        result = linux_unix_acting_listen(creation, object, fd, (int)backlog, error);
    if (result == 0)
        result = shut_down(fd, object, ties, error);
    if (result == 0)
        result = linux_socket_options_set(fd, object, LINUX_SOCKET_COMPLETE, error);
    return result;
}
