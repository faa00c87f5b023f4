/* udp.c: UDP sockets: where they are bound and connected, their groups, what waits in them. */
#include "kernel/linux/objects/sockets/inet/udp.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/sockets/inet/address.h"
#include "kernel/linux/objects/sockets/inet/bind.h"
#include "kernel/linux/objects/sockets/inet/diag.h"
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/sockets/socket_options.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/stopped.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { READING = 1, BOTH_WAYS = 3 }; /* of what is shut down */

static bool recognise(const struct linux_description *description)
{
    return linux_socket_is(description, "UDP") || linux_socket_is(description, "UDPv6") ||
           linux_socket_is(description, "UDP-Lite") || linux_socket_is(description, "UDPLITEv6");
}

/* Bytes that were given to the socket and have not left it: a datagram that is being put together
 * (MSG_MORE, UDP_CORK) stays there, what is on its way out goes soon. */
static bool holds_back(int fd)
{
    enum { ATTEMPTS = 40 };
    for (int i = 0; i < ATTEMPTS; i++) {
        int unsent = 0;
        if (ioctl(fd, SIOCOUTQ, &unsent) < 0 || !unsent)
            return false;
        nanosleep(&(struct timespec){0, 500000}, NULL);
    }
    return true;
}

static int check(int fd, const struct linux_description *description, struct recap_error *error)
{
    struct pollfd poll_one = {.fd = fd};
    if (!linux_socket_is_here(fd))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the UDP socket belongs to another network namespace");
    bool error_waits = poll(&poll_one, 1, 0) > 0 && (poll_one.revents & POLLERR);
    if (!error_waits && !holds_back(fd))
        return 0;
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 error_waits ? "an error waits to be read from the UDP socket"
                             : "the UDP socket holds back a datagram that is being put together or "
                               "cannot be sent");
    return recap_error_remedy(error,
                              "try again once that is over, or checkpoint with --external %d and "
                              "restore with --bind %d=OBJECT",
                              description->fd, description->fd);
}

/* Which ways it is shut down. The kernel tells it of a socket that has a port; of one without, it
 * can only be seen whether reading is. */
static int describe_shutdown(int fd, const struct linux_description *description, int protocol,
                             const struct sockaddr_storage *name,
                             const struct sockaddr_storage *peer, struct recap_arena *arena,
                             struct recap_value *ties, struct recap_error *error)
{
    struct linux_inet_diag diag = {0};
    struct pollfd poll_one = {.fd = fd, .events = POLLRDHUP};
    uint32_t inode = (uint32_t)description->status.st_ino;
    int result = 0;
    if (!linux_inet_port(name)) {
        if (poll(&poll_one, 1, 0) > 0 && (poll_one.revents & POLLRDHUP))
            diag.shutdown = poll_one.revents & POLLHUP ? BOTH_WAYS : READING;
    } else {
        result = linux_inet_diag_at(protocol, name, peer, &diag);
        if (result < 0 || diag.inode != inode) /* it shares its address */
            result = linux_inet_diag_inode(name->ss_family, protocol, UINT32_MAX, inode, &diag);
    }
    if (result < 0)
        return recap_fail(error, result, "asking for a UDP socket (sock_diag)");
    if (diag.shutdown & BOTH_WAYS)
        recap_put_number(arena, ties, "shutdown", diag.shutdown & BOTH_WAYS);
    return 0;
}

static int describe_socket(int fd, const struct linux_description *description,
                           struct recap_arena *arena, struct recap_object *object,
                           struct recap_value *state, struct recap_value *ties,
                           struct recap_error *error)
{
    struct sockaddr_storage name = {0}, peer = {0};
    socklen_t size = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return recap_fail(error, -errno, "reading a UDP socket");
    size = sizeof peer;
    bool connected = getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
    bool light = linux_socket_number(fd, SO_PROTOCOL) == IPPROTO_UDPLITE;
    if (!connected)
        peer = (struct sockaddr_storage){.ss_family = name.ss_family};
    object->label = recap_arena_printf(
        arena, "UDP%s socket%s%s%s%s", light ? "-Lite" : "", linux_inet_port(&name) ? " at " : "",
        linux_inet_port(&name) ? linux_inet_text(arena, &name) : "", connected ? " to " : "",
        connected ? linux_inet_text(arena, &peer) : "");
    int result = check(fd, description, error);
    if (result < 0)
        return result;
    recap_put_number(arena, state, "version", name.ss_family == AF_INET ? 4 : 6);
    if (light)
        recap_put_number(arena, state, "lite", 1);
    linux_inet_put(arena, state, "name", &name);
    if (connected)
        linux_inet_put(arena, ties, "peer", &peer);
    result = describe_shutdown(fd, description, light ? IPPROTO_UDPLITE : IPPROTO_UDP, &name, &peer,
                               arena, ties, error);
    if (result == 0)
        result = linux_multicast_describe(fd, name.ss_family, arena, state, error);
    if (result == 0)
        result = linux_socket_options_describe(fd, arena, state, error);
    if (result == 0)
        result = linux_inet_rehearse(fd, arena, state, linux_inet_port(&name) ? &name : NULL,
                                     connected ? &peer : NULL, error);
    return result;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct recap_value *state = recap_record(arena);
    struct recap_value *ties = recap_put_record(arena, state, "ties");
    struct linux_home home;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result == 0)
        result = describe_socket(fd, description, arena, object, state, ties, error);
    if (result == 0)
        result = linux_status_flags_describe(description, arena, state, error);
    int stopped = result == 0 && linux_badge_home(kernel, badge, &home) == 0
                      ? linux_home_is_stopped(home, error)
                      : 0;
    if (stopped)
        result = stopped < 0
                     ? stopped
                     : linux_udp_queue_describe(kernel, badge, fd, arena, object, ties, error);
    if (result == 0)
        object->state = state;
    return result;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    int family = linux_inet_family(object->state);
    if (family < 0)
        return linux_state_damaged(object, "version", error);
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC,
                    recap_member(object->state, "lite") ? IPPROTO_UDPLITE : IPPROTO_UDP);
    if (fd < 0)
        return recap_fail(error, -errno, "creating a UDP socket");
    int result = linux_socket_options_set(fd, object, LINUX_SOCKET_NEW, error);
    if (result == 0)
        result = linux_inet_bind(fd, family, object, error);
    if (result == 0)
        result = linux_multicast_join(fd, family, object, error);
    if (result < 0) {
        close(fd);
        return result;
    }
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int shut_down(int fd, const struct recap_object *object, struct recap_error *error)
{
    static const int how[] = {0, SHUT_RD, SHUT_WR, SHUT_RDWR};
    int64_t ways = recap_number_or(recap_member(object->state, "ties"), "shutdown", 0);
    if (ways < 0 || ways > BOTH_WAYS)
        return linux_state_damaged(object, "shutdown", error);
    /* Without a peer it is an error, and shuts the socket down all the same. */
    if (ways && shutdown(fd, how[ways]) < 0 && errno != ENOTCONN)
        return recap_fail(error, -errno, "shutting down a UDP socket");
    return 0;
}

/* Connected last: from then on only its peer can send to it. */
static int tie(struct linux_pd *pd, const struct recap_creation *creation,
               const struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int family = linux_inet_family(object->state);
    struct sockaddr_storage peer;
    int length = linux_inet_get(recap_member(object->state, "ties"), "peer", family, &peer);
    if (length < 0)
        return linux_state_damaged(object, "peer", error);
    int result = linux_badge_fd(pd->kernel, creation->badges[object->id], &fd, error);
    if (result == 0)
        result = linux_udp_queue_fill(pd->kernel, creation, object, fd, family, error);
    if (result == 0 && length && connect(fd, (struct sockaddr *)&peer, (socklen_t)length) < 0)
        result = recap_fail(error, -errno, "connecting a UDP socket");
    if (result == 0)
        result = shut_down(fd, object, error);
    if (result == 0)
        result = linux_socket_options_set(fd, object, LINUX_SOCKET_COMPLETE, error);
    return result;
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)description;
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    struct sockaddr_storage name = {0}, wanted = {0};
    socklen_t size = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return recap_fail(error, -errno, "reading a UDP socket");
    int length = linux_inet_get(object->state, "name", linux_inet_family(object->state), &wanted);
    if (name.ss_family != linux_inet_family(object->state) ||
        (length > 0 && linux_inet_port(&name) != linux_inet_port(&wanted)))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is bound to another address");
    return 0;
}

const struct linux_kind linux_kind_udp = {
    .name = "udp",
    .recognise = recognise,
    .describe = describe,
    .content = linux_udp_queue_content,
    .create = create,
    .tie = tie,
    .compare = compare,
};
