/* tcp.c: TCP sockets that are not connected: fresh, bound, listening, or done with.
 *
 * A connection has its other end elsewhere, which cannot be put back to the time of the checkpoint:
 * it is refused, and so are connections that wait to be accepted. */
#include "kernel/linux/objects/inet_address.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/socket_family.h"
#include "kernel/linux/objects/socket_options.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool recognise(const struct linux_description *description)
{
    return linux_socket_is(description, "TCP") || linux_socket_is(description, "TCPv6");
}

static const char *state_name(int state)
{
    static const char *const names[] = {
        [TCP_ESTABLISHED] = "established",
        [TCP_SYN_SENT] = "connecting",
        [TCP_SYN_RECV] = "connecting",
        [TCP_FIN_WAIT1] = "closing",
        [TCP_FIN_WAIT2] = "closing",
        [TCP_TIME_WAIT] = "closing",
        [TCP_CLOSE_WAIT] = "closed by its peer",
        [TCP_LAST_ACK] = "closing",
        [TCP_CLOSING] = "closing",
    };
    bool known = state > 0 && (size_t)state < sizeof names / sizeof *names && names[state];
    return known ? names[state] : "in an unknown state";
}

static int refuse_connected(int fd, int state, const struct linux_description *description,
                            struct recap_arena *arena, struct recap_object *object,
                            struct recap_error *error)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0)
        peer.ss_family = AF_INET;
    const char *text = linux_inet_text(arena, &peer);
    object->label = recap_arena_printf(arena, "TCP socket to %s, %s", text, state_name(state));
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "the TCP connection to %s (%s) has its other end elsewhere", text,
                 state_name(state));
    return recap_error_remedy(error,
                              "checkpoint with --external %d and restore with --bind %d=tcp:%s",
                              description->fd, description->fd, text);
}

static int refuse_pending(unsigned pending, const char *text, struct recap_error *error)
{
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "%u connection%s to be accepted at %s and would be lost", pending,
                 pending == 1 ? " waits" : "s wait", text);
    return recap_error_remedy(error, "try again once they are accepted");
}

/* One that is done with its connection reads as ended; what still waits in it would be lost. */
static int describe_closed(int fd, struct recap_arena *arena, struct recap_value *state,
                           struct recap_error *error)
{
    struct pollfd poll_one = {.fd = fd, .events = POLLRDHUP};
    int unread = 0;
    if (poll(&poll_one, 1, 0) < 0 || ioctl(fd, FIONREAD, &unread) < 0)
        return recap_fail(error, -errno, "looking into a TCP socket");
    if (unread || (poll_one.revents & POLLERR))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s of a connection that has ended waits in the TCP socket",
                            unread ? "data" : "the error");
    if (poll_one.revents & POLLRDHUP)
        recap_put_number(arena, state, "ended", 1);
    return 0;
}

static int describe_socket(int fd, const struct linux_description *description,
                           struct recap_arena *arena, struct recap_object *object,
                           struct recap_value *state, struct recap_error *error)
{
    struct tcp_info info = {0};
    struct sockaddr_storage name = {0};
    socklen_t info_size = sizeof info, name_size = sizeof name;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_size) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &name_size) < 0)
        return recap_fail(error, -errno, "reading a TCP socket");
    bool listening = info.tcpi_state == TCP_LISTEN;
    if (!listening && info.tcpi_state != TCP_CLOSE)
        return refuse_connected(fd, info.tcpi_state, description, arena, object, error);
    const char *text = linux_inet_text(arena, &name);
    object->label = listening ? recap_arena_printf(arena, "TCP socket listening on %s", text)
                    : linux_inet_port(&name) ? recap_arena_printf(arena, "TCP socket at %s", text)
                                             : "TCP socket";
    if (!linux_socket_is_here(fd))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the TCP socket belongs to another network namespace");
    recap_put_number(arena, state, "version", name.ss_family == AF_INET ? 4 : 6);
    linux_inet_put(arena, state, "name", &name);
    if (!listening)
        return describe_closed(fd, arena, state, error);
    if (info.tcpi_unacked) /* of a listening socket: how many wait, and how many may */
        return refuse_pending(info.tcpi_unacked, text, error);
    recap_put_number(arena, state, "backlog", info.tcpi_sacked);
    return 0;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct recap_value *state = recap_record(arena);
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result == 0)
        result = describe_socket(fd, description, arena, object, state, error);
    if (result == 0)
        result = linux_status_flags_describe(description, arena, state, error);
    if (result == 0)
        result = linux_socket_options_describe(fd, arena, state, error);
    if (result == 0)
        object->state = state;
    return result;
}

static int bind_and_listen(int fd, int family, const struct recap_object *object,
                           struct recap_error *error)
{
    struct sockaddr_storage name;
    int64_t backlog;
    int length = linux_inet_get(object->state, "name", family, &name);
    if (length < 0)
        return linux_state_damaged(object, "name", error);
    /* The port of a connection that has ended is not the socket's any more. */
    bool ended = recap_member(object->state, "ended") != NULL;
    if (length && !ended && bind(fd, (struct sockaddr *)&name, (socklen_t)length) < 0)
        return recap_fail(error, -errno, "binding a %s again",
                          object->label ? object->label : object->kind);
    if (recap_get_number(object->state, "backlog", &backlog) == 0 &&
        (backlog < 0 || backlog > INT32_MAX))
        return linux_state_damaged(object, "backlog", error);
    if (recap_member(object->state, "backlog") && listen(fd, (int)backlog) < 0)
        return recap_fail(error, -errno, "making a %s",
                          object->label ? object->label : object->kind);
    /* Without a connection it is an error, and shuts the socket down all the same. */
    if (ended && shutdown(fd, SHUT_RDWR) < 0 && errno != ENOTCONN)
        return recap_fail(error, -errno, "shutting down a TCP socket");
    return 0;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    int64_t version = recap_number_or(object->state, "version", 0);
    if (version != 4 && version != 6)
        return linux_state_damaged(object, "version", error);
    int family = version == 4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    if (fd < 0)
        return recap_fail(error, -errno, "creating a TCP socket");
    int result = linux_socket_options_set(fd, object, LINUX_SOCKET_NEW, error);
    if (result == 0)
        result = bind_and_listen(fd, family, object, error);
    if (result == 0)
        result = linux_socket_options_set(fd, object, LINUX_SOCKET_COMPLETE, error);
    if (result < 0) {
        close(fd);
        return result;
    }
    return linux_status_flags_finish(kernel, fd, object, badge, error);
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
    bool listens = recap_member(object->state, "backlog") != NULL;
    int family = recap_number_or(object->state, "version", 0) == 4 ? AF_INET : AF_INET6;
    struct sockaddr_storage name = {0}, wanted = {0};
    socklen_t size = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return recap_fail(error, -errno, "reading a TCP socket");
    linux_inet_get(object->state, "name", family, &wanted);
    wanted.ss_family = (sa_family_t)family;
    if (name.ss_family != family || (listens && linux_inet_port(&name) != linux_inet_port(&wanted)))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is bound to another address");
    if ((linux_socket_number(fd, SO_ACCEPTCONN) == 1) != listens)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is %slistening",
                            listens ? "not " : "");
    return 0;
}

const struct linux_kind linux_kind_tcp = {
    .name = "tcp",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
