/* unix.c: Unix sockets, as they are found. unix/make.c makes them anew. */
#include "kernel/linux/objects/sockets/unix/unix.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/sockets/socket_options.h"
#include "kernel/linux/objects/sockets/unix/acting.h"
#include "kernel/linux/objects/sockets/unix/diag.h"
#include "kernel/linux/objects/sockets/unix/file.h"
#include "kernel/linux/objects/sockets/unix/name.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/stopped.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BOTH_WAYS = 3 };

/* A socket while it is described. */
struct finding {
    struct linux_kernel *kernel;
    recap_badge badge;
    const struct linux_description *description;
    struct recap_arena *arena;
    struct recap_object *object;
    struct recap_value *state;
    struct recap_value *ties;
    struct linux_unix_diag *diag;
    int fd;
    struct recap_error *error;
};

static void clear_finding(struct finding *finding)
{
    linux_unix_diag_free(finding->diag);
    linux_close_descriptor(&finding->fd);
}

static void free_diag(struct linux_unix_diag **diag)
{
    linux_unix_diag_free(*diag);
}

const char *linux_unix_type_name(int type)
{
    return type == SOCK_STREAM      ? "stream"
           : type == SOCK_DGRAM     ? "datagram"
           : type == SOCK_SEQPACKET ? "packet"
                                    : NULL;
}

int linux_unix_type_number(const char *name)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; name && i < sizeof types / sizeof *types; i++)
        if (strcmp(linux_unix_type_name(types[i]), name) == 0)
            return types[i];
    return -1;
}

static bool recognise(const struct linux_description *description)
{
    if (!S_ISSOCK(description->status.st_mode) || (description->open_flags & O_PATH))
        return false;
    /* Only Unix sockets have that line; kernels before 5.13 have it not. */
    return linux_fdinfo_text(description->fdinfo, "scm_fds") ||
           linux_socket_is(description, "UNIX") || linux_socket_is(description, "UNIX-STREAM");
}

recap_badge linux_unix_inside(struct linux_kernel *kernel, uint32_t inode)
{
    recap_badge badge = inode ? linux_badge_with_inode(kernel, inode, 0) : 0;
    for (; badge; badge = linux_badge_with_inode(kernel, inode, badge)) {
        struct linux_home home;
        struct stat status;
        char path[64];
        if (linux_badge_home(kernel, badge, &home) < 0)
            continue;
        snprintf(path, sizeof path, "/proc/%d/fd/%d", home.pid ? home.pid : getpid(), home.fd);
        if (stat(path, &status) == 0 && S_ISSOCK(status.st_mode))
            break;
    }
    return badge;
}

/* --- labels --------------------------------------------------------------------------------------
 */

static const char *own_name(const struct finding *finding)
{
    const struct linux_unix_diag *diag = finding->diag;
    return diag->name_length ? linux_unix_name_text(finding->arena, diag->name, diag->name_length)
                             : NULL;
}

/* Who made the other end, as the kernel noted when it was connected. */
static const char *peer_process(const struct finding *finding)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    char path[64], name[64] = "";
    if (getsockopt(finding->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || !peer.pid)
        return "";
    snprintf(path, sizeof path, "/proc/%d/comm", peer.pid);
    ssize_t length = linux_procfs_read_into(AT_FDCWD, path, name, sizeof name);
    if (length > 0 && name[length - 1] == '\n')
        name[length - 1] = '\0';
    return recap_arena_printf(finding->arena, " (peer pid %d%s%s)", peer.pid, *name ? " " : "",
                              name);
}

static void put_label(const struct finding *finding, const char *what, const char *name,
                      const char *tail)
{
    finding->object->label = recap_arena_printf(finding->arena, "Unix %s socket%s%s%s%s",
                                                linux_unix_type_name(finding->diag->type),
                                                *what ? " " : "", what, name ? name : "", tail);
}

static int outside(const struct finding *finding, const char *peer_name)
{
    finding->object->external = true;
    put_label(finding, peer_name ? "to " : "with an unnamed peer", peer_name,
              peer_process(finding));
    return 0;
}

/* --- where it is bound ----------------------------------------------------- */

static int describe_name(const struct finding *finding)
{
    const struct linux_unix_diag *diag = finding->diag;
    if (!diag->name_length)
        return 0;
    size_t length = diag->name[0] ? strnlen(diag->name, diag->name_length) : diag->name_length;
    recap_put_bytes(finding->arena, finding->state, "name", diag->name, length);
    /* Nobody connects to a connected stream socket: the file does not matter any more. */
    bool found_by_file = diag->type == SOCK_DGRAM || diag->state != TCP_ESTABLISHED;
    if (!diag->name[0] || !found_by_file)
        return 0;
    return linux_unix_file_describe(finding->kernel, diag, finding->fd, finding->description->pid,
                                    finding->arena, finding->state, finding->error);
}

/* --- connections ----------------------------------------------------------- */

struct listener_search {
    const char *name;
    size_t length;
    int type;
    uint32_t found;
};

static int listener_by_name(void *context, const struct linux_unix_diag *diag)
{
    struct listener_search *search = context;
    if (diag->type != search->type || diag->name_length != search->length ||
        memcmp(diag->name, search->name, search->length) != 0)
        return 0;
    search->found = diag->inode;
    return 1;
}

/* The listening socket whose abstract name this one carries: 0 when it has its name for itself. */
static uint32_t accepted_by(const struct linux_unix_diag *diag)
{
    struct listener_search search = {
        .name = diag->name, .length = diag->name_length, .type = diag->type};
    if (!diag->name_length || diag->name[0])
        return 0;
    linux_unix_diag_all(1u << TCP_LISTEN, listener_by_name, &search);
    return search.found;
}

/* One end makes the pair: the one that was accepted under an abstract name, which takes the
 * listening socket, else the one with the lower inode. Both ends come to the same answer. */
static int describe_pair(const struct finding *finding, const struct linux_unix_diag *peer,
                         recap_badge other)
{
    const struct linux_unix_diag *diag = finding->diag;
    uint32_t own_listener = accepted_by(diag), its_listener = accepted_by(peer);
    recap_badge listener = own_listener ? linux_unix_inside(finding->kernel, own_listener) : 0;
    if (own_listener && !listener)
        return recap_refuse(finding->error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the socket was accepted under the name %s, which belongs to a socket "
                            "outside",
                            own_name(finding));
    bool makes = own_listener != 0;
    if (!own_listener == !its_listener)
        makes = diag->inode < peer->inode;
    if (makes) {
        recap_put_number(finding->arena, finding->state, "made", 1);
        if (listener)
            recap_put_object(finding->arena, finding->state, "accepted", listener);
    } else {
        recap_put_object(finding->arena, finding->state, "maker", other);
    }
    recap_put_object(finding->arena, finding->ties, "peer", other);
    return 0;
}

static void describe_dead(const struct finding *finding)
{
    struct pollfd poll_one = {.fd = finding->fd};
    recap_put_number(finding->arena, finding->state, "dead", 1);
    if (poll(&poll_one, 1, 0) > 0 && (poll_one.revents & POLLERR))
        recap_put_number(finding->arena, finding->state, "reset", 1);
    put_label(finding, "whose peer is closed", NULL, "");
}

/* A connection that the other side has not accepted, or whose other end is closed. */
static int describe_half(const struct finding *finding)
{
    __attribute__((cleanup(free_diag))) struct linux_unix_diag *listener = NULL;
    int result = linux_unix_pending_at(finding->diag->inode, &listener);
    if (result < 0)
        return recap_fail(finding->error, result, "looking for where a Unix socket is connected");
    if (!listener && finding->diag->shutdown == BOTH_WAYS) {
        describe_dead(finding);
        return 0;
    }
    recap_badge badge = listener ? linux_unix_inside(finding->kernel, listener->inode) : 0;
    if (!badge)
        return outside(finding, NULL);
    put_label(finding, "that waits to be accepted", NULL, "");
    result = linux_unix_pending_describe(finding->kernel, listener, finding->description->fd,
                                         finding->arena, NULL, finding->error);
    if (result == -EOPNOTSUPP)
        return linux_unix_pending_refuse(listener, finding->description->fd, finding->arena,
                                         finding->error);
    recap_put_object(finding->arena, finding->ties, "listener", badge);
    return result;
}

/* 1: it may be in flight, which is looked at once the component is stopped. */
static int find_in_flight(const struct finding *finding, uint32_t inode, recap_badge *badge)
{
    struct linux_home home;
    int any = linux_unix_enter_in_flight(finding->kernel, finding->error);
    if (any <= 0)
        return any;
    *badge = linux_unix_inside(finding->kernel, inode);
    if (*badge || linux_badge_home(finding->kernel, finding->badge, &home) < 0)
        return 0;
    int stopped = linux_home_is_stopped(home, finding->error);
    return stopped < 0 ? stopped : !stopped;
}

static int describe_connected(const struct finding *finding)
{
    const struct linux_unix_diag *diag = finding->diag;
    bool datagram = diag->type == SOCK_DGRAM;
    if (!diag->peer && datagram) {
        describe_dead(finding);
        return 0;
    }
    if (!diag->peer)
        return describe_half(finding);
    __attribute__((cleanup(free_diag))) struct linux_unix_diag *peer = NULL;
    int result = linux_unix_diag(diag->peer, &peer);
    if (result < 0)
        return recap_fail(finding->error, result, "looking for the other end of a Unix socket");
    const char *name = peer->name_length
                           ? linux_unix_name_text(finding->arena, peer->name, peer->name_length)
                           : NULL;
    recap_badge other = linux_unix_inside(finding->kernel, diag->peer);
    if (!other) {
        result = find_in_flight(finding, diag->peer, &other);
        if (result != 0)
            return result < 0 ? result : 0;
    }
    bool mutual = peer->peer == diag->inode;
    if (!other && datagram && !mutual && name && (name[0] == '/' || name[0] == '@')) {
        recap_put_bytes(finding->arena, finding->ties, "target-name", peer->name,
                        peer->name[0] ? strnlen(peer->name, peer->name_length) : peer->name_length);
        put_label(finding, "to ", name, "");
        return 0;
    }
    if (!other)
        return outside(finding, name ? name : own_name(finding));
    put_label(finding, name ? "connected to " : "connected", name,
              own_name(finding) && !name ? " as " : "");
    if (mutual && !(datagram && name && diag->name_length))
        return describe_pair(finding, peer, other);
    if (!name)
        return recap_refuse(finding->error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the datagram socket sends to a socket without a name that does not "
                            "send to it");
    recap_put_object(finding->arena, finding->ties, "target", other);
    return 0;
}

/* --- listening ------------------------------------------------------------- */

static int describe_listening(const struct finding *finding)
{
    recap_put_number(finding->arena, finding->state, "backlog", finding->diag->backlog);
    put_label(finding, "listening on ", own_name(finding), "");
    return linux_unix_pending_describe(finding->kernel, finding->diag, finding->description->fd,
                                       finding->arena, finding->ties, finding->error);
}

/* --- all together ---------------------------------------------------------- */

static int find_out(struct finding *finding)
{
    uint32_t inode = (uint32_t)finding->description->status.st_ino;
    int result = linux_unix_diag(inode, &finding->diag);
    if (result == -ENOENT && !linux_socket_is_here(finding->fd))
        return recap_refuse(finding->error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the Unix socket belongs to another network namespace");
    if (result < 0)
        return recap_fail(finding->error, result, "asking for a Unix socket (sock_diag)");
    put_label(finding, finding->diag->name_length ? "bound to " : "", own_name(finding), "");
    result = linux_status_flags_describe(finding->description, finding->arena, finding->state,
                                         finding->error);
    if (result < 0)
        return result;
    recap_put_text(finding->arena, finding->state, "type",
                   linux_unix_type_name(finding->diag->type));
    if (finding->diag->state == TCP_LISTEN)
        result = describe_listening(finding);
    else if (finding->diag->has_peer)
        result = describe_connected(finding);
    return result;
}

static int describe_inside(struct finding *finding)
{
    int result = describe_name(finding);
    if (result == 0)
        result = linux_socket_options_describe(finding->fd, finding->arena, finding->state,
                                               finding->error);
    linux_unix_credentials_describe(finding->fd, finding->arena, finding->state);
    recap_put_number(finding->arena, finding->ties, "shutdown", finding->diag->shutdown);
    struct linux_home home;
    int stopped = 0;
    if (result == 0 && finding->diag->state != TCP_LISTEN &&
        linux_badge_home(finding->kernel, finding->badge, &home) == 0)
        stopped = linux_home_is_stopped(home, finding->error);
    if (stopped < 0)
        result = stopped;
    else if (stopped)
        result = linux_unix_queue_describe(finding->kernel, finding->badge, finding->fd,
                                           finding->diag->type, finding->arena, finding->object,
                                           finding->ties, finding->error);
    return result;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(clear_finding))) struct finding finding = {.kernel = kernel,
                                                                      .badge = badge,
                                                                      .description = description,
                                                                      .arena = arena,
                                                                      .object = object,
                                                                      .state = recap_record(arena),
                                                                      .fd = -1,
                                                                      .error = error};
    finding.ties = recap_put_record(arena, finding.state, "ties");
    int result = linux_badge_fd(kernel, badge, &finding.fd, error);
    if (result == 0)
        result = find_out(&finding);
    if (result == 0 && !object->external)
        result = describe_inside(&finding);
    if (result < 0)
        return result;
    object->state = object->external ? recap_record(arena) : finding.state;
    return 0;
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)description;
    const char *type = recap_text_or_null(object->state, "type");
    const void *name = "";
    size_t length = 0;
    recap_get_bytes(object->state, "name", &name, &length);
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    if (linux_socket_number(fd, SO_TYPE) != linux_unix_type_number(type))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is no %s socket", type);
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return recap_fail(error, -errno, "reading the name of a socket");
    size_t bound = size - offsetof(struct sockaddr_un, sun_path);
    if (bound && address.sun_path[0])
        bound = strnlen(address.sun_path, bound);
    if (bound != length || memcmp(address.sun_path, name, length) != 0)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is bound to another name");
    bool listens = recap_member(object->state, "backlog") != NULL;
    if ((linux_socket_number(fd, SO_ACCEPTCONN) == 1) != listens)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is %slistening",
                            listens ? "not " : "");
    return 0;
}

const struct linux_kind linux_kind_unix = {
    .name = "unix",
    .recognise = recognise,
    .describe = describe,
    .content = linux_unix_queue_content,
    .create = linux_unix_create,
    .tie = linux_unix_tie,
    .compare = compare,
};
