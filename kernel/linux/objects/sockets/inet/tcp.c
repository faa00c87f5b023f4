/* tcp.c: TCP sockets that are not connected: fresh, bound, listening, or done with.
 *
 * A connection is refused (tcp_connected.c), and so are connections that wait to be accepted. What
 * a connection leaves in its socket when it ends is made by ending one (tcp_ended.c). */
#include "kernel/linux/objects/sockets/inet/tcp.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/sockets/inet/address.h"
#include "kernel/linux/objects/sockets/inet/bind.h"
#include "kernel/linux/objects/sockets/inet/diag.h"
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/sockets/socket_options.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool recognise(const struct linux_description *description)
{
    return linux_socket_is(description, "TCP") || linux_socket_is(description, "TCPv6");
}

static int describe_listening(const struct tcp_info *info, const char *text,
                              struct recap_arena *arena, struct recap_value *state,
                              struct recap_error *error)
{
    unsigned pending = info->tcpi_unacked; /* of a listening socket: how many wait */
    recap_put_number(arena, state, "backlog", info->tcpi_sacked); /* and how many may */
    if (!pending)
        return 0;
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "%u connection%s to be accepted at %s and would be lost", pending,
                 pending == 1 ? " waits" : "s wait", text);
    return recap_error_remedy(error, "try again once they are accepted");
}

/* What still waits in one that is done with its connection would be lost. */
static int check_closed(int fd, const struct linux_description *description, bool *ended,
                        struct recap_error *error)
{
    struct pollfd poll_one = {.fd = fd, .events = POLLRDHUP};
    int unread = 0;
    if (poll(&poll_one, 1, 0) < 0 || ioctl(fd, FIONREAD, &unread) < 0)
        return recap_fail(error, -errno, "looking into a TCP socket");
    *ended = poll_one.revents & POLLRDHUP;
    if (!unread && !(poll_one.revents & POLLERR))
        return 0;
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "%s of a connection that has ended waits in the TCP socket",
                 unread ? "data" : "the error");
    return recap_error_remedy(error,
                              "try again once it is read, or checkpoint with --external %d and "
                              "restore with --bind %d=hangup",
                              description->fd, description->fd);
}

/* Whether the socket has the port that it is said to have: the kernel goes on to name that of a
 * connection or attempt which has ended, but gives it to whoever asks. */
static bool has_port(const struct sockaddr_storage *name, uint32_t inode)
{
    struct linux_inet_diag diag;
    struct sockaddr_storage nobody = {.ss_family = name->ss_family};
    int result =
        linux_inet_diag_inode(name->ss_family, IPPROTO_TCP, 1u << LINUX_TCP_BOUND, inode, &diag);
    if (result != -ENOENT)
        return true;
    /* Kernels before 6.8 list no bound sockets: then nobody else may have the port either. */
    __attribute__((cleanup(linux_close_descriptor))) int fresh =
        socket(name->ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    __attribute__((cleanup(linux_close_descriptor))) int other =
        socket(name->ss_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    socklen_t size = sizeof nobody;
    struct stat status;
    if (fresh < 0 || other < 0 || bind(fresh, (struct sockaddr *)&nobody, size) < 0 ||
        getsockname(fresh, (struct sockaddr *)&nobody, &size) < 0 || fstat(fresh, &status) < 0 ||
        linux_inet_diag_inode(name->ss_family, IPPROTO_TCP, 1u << LINUX_TCP_BOUND,
                              (uint32_t)status.st_ino, &diag) == 0)
        return false;
    return bind(other, (const struct sockaddr *)name, linux_inet_length(name)) < 0 &&
           errno == EADDRINUSE;
}

static int describe_closed(int fd, const struct linux_description *description,
                           const struct tcp_info *info, const struct sockaddr_storage *name,
                           struct recap_arena *arena, struct recap_value *state, bool *bound,
                           struct recap_error *error)
{
    bool ended = false;
    int result = check_closed(fd, description, &ended, error);
    if (result < 0)
        return result;
    if (ended)
        recap_put_text(arena, state, "ended",
                       info->tcpi_rtt || info->tcpi_bytes_acked || info->tcpi_bytes_received
                           ? "connection"
                       : info->tcpi_segs_out ? "attempt"
                                             : "shutdown");
    *bound = linux_inet_port(name) && has_port(name, (uint32_t)description->status.st_ino);
    if (!*bound && linux_inet_port(name))
        recap_put_number(arena, state, "released", 1);
    return 0;
}

static int describe_socket(int fd, const struct linux_description *description,
                           struct linux_kernel *kernel, struct recap_arena *arena,
                           struct recap_object *object, struct recap_value *state,
                           struct recap_error *error)
{
    struct tcp_info info = {0};
    struct sockaddr_storage name = {0};
    socklen_t info_size = sizeof info, name_size = sizeof name;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_size) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &name_size) < 0)
        return recap_fail(error, -errno, "reading a TCP socket");
    bool listening = info.tcpi_state == LINUX_TCP_LISTEN, bound = listening;
    if (!listening && info.tcpi_state != LINUX_TCP_CLOSE)
        return linux_tcp_refuse_connected(kernel, fd, info.tcpi_state, &name, description, arena,
                                          object, error);
    const char *text = linux_inet_text(arena, &name);
    object->label = listening ? recap_arena_printf(arena, "TCP socket listening on %s", text)
                    : linux_inet_port(&name) ? recap_arena_printf(arena, "TCP socket at %s", text)
                                             : "TCP socket";
    if (!linux_socket_is_here(fd))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the TCP socket belongs to another network namespace");
    recap_put_number(arena, state, "version", name.ss_family == AF_INET ? 4 : 6);
    linux_inet_put(arena, state, "name", &name);
    int result = listening
                     ? describe_listening(&info, text, arena, state, error)
                     : describe_closed(fd, description, &info, &name, arena, state, &bound, error);
    if (result == 0 && listening)
        result = linux_tcp_keys_describe(&name, (uint32_t)description->status.st_ino, arena, state,
                                         error);
    if (result == 0)
        result = linux_socket_options_describe(fd, arena, state, error);
    return result ? result
                  : linux_inet_rehearse(fd, arena, state, bound ? &name : NULL, NULL, error);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct recap_value *state = recap_record(arena);
    recap_put_record(arena, state, "ties");
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result == 0)
        result = describe_socket(fd, description, kernel, arena, object, state, error);
    if (result == 0)
        result = linux_status_flags_describe(description, arena, state, error);
    if (result == 0)
        object->state = state;
    return result;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    int family = linux_inet_family(object->state), fd = -1, result;
    const char *ended = recap_text_or_null(object->state, "ended");
    if (family < 0)
        return linux_state_damaged(object, "version", error);
    if (ended && strcmp(ended, "shutdown") != 0)
        result = linux_tcp_make_ended(object, family, strcmp(ended, "connection") == 0, &fd, error);
    else if ((fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP)) < 0)
        result = recap_fail(error, -errno, "creating a TCP socket");
    else
        result = linux_socket_options_set(fd, object, LINUX_SOCKET_NEW, error);
    if (result == 0 && !ended && !recap_member(object->state, "released"))
        result = linux_inet_bind(fd, family, object, error);
    /* Without a connection it is an error, and shuts the socket down all the same. */
    if (result == 0 && ended && strcmp(ended, "shutdown") == 0)
        shutdown(fd, SHUT_RDWR);
    if (result < 0) {
        linux_close_descriptor(&fd);
        return result;
    }
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

/* Listens last: several sockets may have been bound to one port before one of them did. */
static int tie(struct linux_pd *pd, const struct recap_creation *creation,
               const struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int64_t backlog;
    bool listens = recap_get_number(object->state, "backlog", &backlog) == 0;
    if (listens && (backlog < 0 || backlog > INT32_MAX))
        return linux_state_damaged(object, "backlog", error);
    int result = linux_badge_fd(pd->kernel, creation->badges[object->id], &fd, error);
    if (result == 0)
        result = linux_tcp_keys_set(fd, object, error);
    if (result == 0 && listens && listen(fd, (int)backlog) < 0)
        result =
            recap_fail(error, -errno, "making a %s", object->label ? object->label : object->kind);
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
    bool listens = recap_member(object->state, "backlog") != NULL;
    int family = linux_inet_family(object->state);
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
    .tie = tie,
    .compare = compare,
};
