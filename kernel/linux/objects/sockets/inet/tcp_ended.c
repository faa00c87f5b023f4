/* tcp_ended.c: making TCP sockets that are done with a connection, or with an attempt to connect.
 *
 * shutdown(2) alone does not make one: that would let the program connect the socket again where it
 * could not before. So one is connected and reset, at the place where the old one was if that is
 * free for a moment: an accepted socket carries its listener's address, and does not keep the port
 * once it has ended. Nothing of ours listens yet then. */
#include "kernel/linux/abi.h"
#include "kernel/linux/objects/sockets/inet/address.h"
#include "kernel/linux/objects/sockets/inet/tcp.h"
#include "kernel/linux/objects/sockets/socket_options.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { PATIENCE_MS = 2000 };

static int bound(int family, const struct sockaddr_storage *at)
{
    int on = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return -errno;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (const struct sockaddr *)at, linux_inet_length(at)) < 0) {
        int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

static struct sockaddr_storage loopback(int family)
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    if (family == AF_INET)
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        ((struct sockaddr_in6 *)&address)->sin6_addr = in6addr_loopback;
    return address;
}

/* Waits until the kernel has noted that the connection was reset, and takes the note. */
static int take_error(int fd)
{
    int code = 0;
    socklen_t size = sizeof code;
    struct pollfd poll_one = {.fd = fd};
    int ready = poll(&poll_one, 1, PATIENCE_MS);
    if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
        return -errno;
    return ready && (poll_one.revents & POLLHUP) ? 0 : -ETIMEDOUT;
}

/* Accepts `client`, and nobody else who may have come by. */
static int accept_client(int listener, int client, int *fd)
{
    struct sockaddr_storage own, from;
    socklen_t size = sizeof own;
    struct pollfd poll_one = {.fd = listener, .events = POLLIN};
    if (getsockname(client, (struct sockaddr *)&own, &size) < 0)
        return -errno;
    while (poll(&poll_one, 1, PATIENCE_MS) > 0) {
        memset(&from, 0, sizeof from);
        size = sizeof from;
        int accepted = accept4(listener, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
        if (accepted < 0)
            return -errno;
        if (linux_inet_port(&from) == linux_inet_port(&own)) {
            *fd = accepted;
            return 0;
        }
        close(accepted);
    }
    return -ETIMEDOUT;
}

/* A socket that takes that port when it is connected, if it is one of those that the kernel gives
 * to who asks for none. Unlike bind(2), that lets it be while older connections linger on the port.
 */
static int caller(int family, const struct sockaddr_storage *place)
{
    int on = 1, fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    uint32_t range = (uint32_t)linux_inet_port(place) << 16 | linux_inet_port(place);
    struct sockaddr_storage address = *place;
    if (fd < 0)
        return -errno;
    linux_inet_set_port(&address, 0);
    if (setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
        setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range) == 0 &&
        bind(fd, (struct sockaddr *)&address, linux_inet_length(&address)) == 0)
        return fd;
    int result = -errno;
    close(fd);
    return result;
}

/* Not all that a caller was told stays. */
static int forget_range(int fd)
{
    int off = 0;
    return setsockopt(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &off, sizeof off) < 0 ||
                   setsockopt(fd, SOL_IP, IP_LOCAL_PORT_RANGE, &off, sizeof off) < 0
               ? -errno
               : 0;
}

enum side { ACCEPTED, CALLING };

/* One that was connected, and had that place; the other end is reset. */
static int end_connection(int family, const struct sockaddr_storage *place, enum side side, int *fd)
{
    struct sockaddr_storage at = *place;
    socklen_t size = sizeof at;
    const struct linger reset = {1, 0};
    if (side == CALLING)
        linux_inet_set_port(&at, 0);
    __attribute__((cleanup(linux_close_descriptor))) int listener = bound(family, &at);
    __attribute__((cleanup(linux_close_descriptor))) int client =
        side == CALLING ? caller(family, place)
                        : socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    __attribute__((cleanup(linux_close_descriptor))) int server = -1;
    if (listener < 0)
        return listener;
    if (client < 0 || listen(listener, SOMAXCONN) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) < 0 ||
        (connect(client, (struct sockaddr *)&at, size) < 0 && errno != EINPROGRESS))
        return client < -1 ? client : -errno;
    int result = accept_client(listener, client, &server);
    if (result < 0)
        return result;
    int *kept = side == CALLING ? &client : &server, *other = side == CALLING ? &server : &client;
    /* Once more: only that tells the kernel that who called knows of the connection. */
    if (connect(client, (struct sockaddr *)&at, size) < 0 && errno != EISCONN)
        return -errno;
    if (setsockopt(*other, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) < 0)
        return -errno;
    close(*other);
    *other = -1;
    result = take_error(*kept);
    if (result == 0 && side == CALLING)
        result = forget_range(client);
    if (result == 0 && fcntl(*kept, F_SETFL, 0) < 0)
        result = -errno;
    if (result < 0)
        return result;
    *fd = *kept;
    *kept = -1;
    return 0;
}

/* One that tried to connect to where nobody listened. */
static int end_attempt(int family, int *fd)
{
    struct sockaddr_storage at = loopback(family);
    socklen_t size = sizeof at;
    __attribute__((cleanup(linux_close_descriptor))) int silent = bound(family, &at);
    if (silent < 0)
        return silent;
    int made = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    int result = 0;
    if (made < 0 || getsockname(silent, (struct sockaddr *)&at, &size) < 0 ||
        (connect(made, (struct sockaddr *)&at, size) < 0 && errno != EINPROGRESS))
        result = -errno;
    if (result == 0)
        result = take_error(made);
    if (result == 0 && fcntl(made, F_SETFL, 0) < 0)
        result = -errno;
    if (result < 0)
        linux_close_descriptor(&made);
    else
        *fd = made;
    return result;
}

int linux_tcp_make_ended(const struct recap_object *object, int family, bool connection, int *fd,
                         struct recap_error *error)
{
    struct sockaddr_storage name;
    int length = linux_inet_get(object->state, "name", family, &name), made = -1;
    if (length < 0)
        return linux_state_damaged(object, "name", error);
    int result = -ENOENT;
    if (connection && length)
        result = end_connection(family, &name, ACCEPTED, &made);
    if (connection && length && result < 0)
        result = end_connection(family, &name, CALLING, &made);
    /* Somebody else is there by now, or the address is gone: only the name is lost with it. */
    if (connection && result < 0) {
        name = loopback(family);
        result = end_connection(family, &name, ACCEPTED, &made);
    }
    if (!connection)
        result = end_attempt(family, &made);
    if (result < 0)
        return recap_fail(error, result, "making a TCP socket whose connection has ended");
    result = linux_socket_options_set(made, object, LINUX_SOCKET_NEW, error);
    if (result < 0)
        close(made);
    else
        *fd = made;
    return result;
}
