/* bind.c: binding and connecting a socket of the internet where it was.
 *
 * An address may have left the machine since a socket was bound to it, or never have been there
 * (IP_FREEBIND, which need not be set any more): it is bound in the same way again. */
#include "kernel/linux/objects/sockets/inet/bind.h"
#include "kernel/linux/objects/sockets/inet/address.h"
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/sockets/socket_options.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static int bind_to(int fd, const struct sockaddr_storage *address)
{
    return bind(fd, (const struct sockaddr *)address, linux_inet_length(address)) < 0 ? -errno : 0;
}

/* Whether or not this machine has the address. */
static int bind_absent(int fd, const struct sockaddr_storage *address)
{
    int before = 0, on = 1;
    socklen_t size = sizeof before;
    if (getsockopt(fd, SOL_IP, IP_FREEBIND, &before, &size) < 0 ||
        setsockopt(fd, SOL_IP, IP_FREEBIND, &on, sizeof on) < 0)
        return -errno;
    int result = bind_to(fd, address);
    if (setsockopt(fd, SOL_IP, IP_FREEBIND, &before, sizeof before) < 0 && result == 0)
        result = -errno;
    return result;
}

static int fresh_like(int fd)
{
    int made =
        socket(linux_socket_number(fd, SO_DOMAIN), linux_socket_number(fd, SO_TYPE) | SOCK_CLOEXEC,
               linux_socket_number(fd, SO_PROTOCOL));
    return made < 0 ? -errno : made;
}

/* That the port is in use is as it should be, and no other socket may share it, not for a moment.
 */
static int try_port(int fd, const struct sockaddr_storage *name, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fresh = fresh_like(fd);
    struct sockaddr_storage any = {.ss_family = name->ss_family};
    linux_inet_set_port(&any, linux_inet_port(name));
    int result = fresh < 0 ? fresh : bind_to(fresh, &any);
    if (result != -EACCES)
        return 0;
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "the socket is bound to port %u, which you may not bind", linux_inet_port(name));
    return recap_error_remedy(error, "checkpoint and restore as root");
}

static int try_address(int fd, const struct sockaddr_storage *name, struct recap_arena *arena,
                       struct recap_value *state, struct recap_error *error)
{
    struct sockaddr_storage somewhere = *name;
    linux_inet_set_port(&somewhere, 0);
    int result = linux_inet_is_any(name) ? 0 : bind_to(fd, &somewhere);
    if (result == -EADDRNOTAVAIL && (result = bind_absent(fd, &somewhere)) == 0)
        recap_put_number(arena, state, "absent", 1);
    if (result < 0)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the socket is bound to %s, and could not be bound there again: %s",
                            linux_inet_text(arena, name), strerror(-result));
    return 0;
}

static int try_peer(int fd, const struct sockaddr_storage *peer, struct recap_arena *arena,
                    struct recap_error *error)
{
    if (connect(fd, (const struct sockaddr *)peer, linux_inet_length(peer)) == 0)
        return 0;
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "the socket is connected to %s, and could not be connected there again: %s",
                        linux_inet_text(arena, peer), strerror(errno));
}

int linux_inet_rehearse(int fd, struct recap_arena *arena, struct recap_value *state,
                        const struct sockaddr_storage *name, const struct sockaddr_storage *peer,
                        struct recap_error *error)
{
    if (!name && !peer)
        return 0;
    __attribute__((cleanup(linux_close_descriptor))) int fresh = fresh_like(fd);
    const struct recap_object object = {.kind = "socket", .state = state};
    if (fresh < 0)
        return recap_fail(error, fresh, "making a socket to compare with");
    int result = linux_socket_options_set(fresh, &object, LINUX_SOCKET_NEW, error);
    if (result == 0 && name)
        result = try_port(fd, name, error);
    if (result == 0 && name)
        result = try_address(fresh, name, arena, state, error);
    return result == 0 && peer ? try_peer(fresh, peer, arena, error) : result;
}

int linux_inet_bind(int fd, int family, const struct recap_object *object,
                    struct recap_error *error)
{
    struct sockaddr_storage name;
    int length = linux_inet_get(object->state, "name", family, &name);
    if (length < 0)
        return linux_state_damaged(object, "name", error);
    if (!length)
        return 0;
    int result =
        recap_member(object->state, "absent") ? bind_absent(fd, &name) : bind_to(fd, &name);
    const char *what = object->label ? object->label : object->kind;
    if (result == -EADDRINUSE) {
        recap_refuse(error, RECAP_FAILED, result, "binding a %s again: the address is in use",
                     what);
        return recap_error_remedy(error, "end who uses it: ss -lnp shows them");
    }
    return result < 0 ? recap_fail(error, result, "binding a %s again", what) : 0;
}
