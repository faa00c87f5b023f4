/* tcp_connected.c: TCP connections, which are refused.
 *
 * The other end cannot be put back to the time of the checkpoint. What a program can do about it
 * depends on which end it is: who connected can connect again, who accepted cannot. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/sockets/inet/address.h"
#include "kernel/linux/objects/sockets/inet/diag.h"
#include "kernel/linux/objects/sockets/inet/tcp.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>

/* The states of a connection. */
static const char *state_name(int state)
{
    static const char *const names[] = {
        [1] = "established", [2] = "connecting", [3] = "connecting",         [4] = "closing",
        [5] = "closing",     [6] = "closing",    [8] = "closed by its peer", [9] = "closing",
        [11] = "closing",
    };
    bool known = state > 0 && (size_t)state < sizeof names / sizeof *names && names[state];
    return known ? names[state] : "in an unknown state";
}

/* The selector that the other end has inside what is checkpointed, or -1. */
static int inside(struct linux_kernel *kernel, const struct sockaddr_storage *name,
                  const struct sockaddr_storage *peer)
{
    struct linux_inet_diag other;
    struct linux_home home;
    if (linux_inet_diag_at(IPPROTO_TCP, peer, name, &other) < 0 || !other.inode ||
        other.state == LINUX_TCP_LISTEN)
        return -1;
    recap_badge badge = linux_badge_with_inode(kernel, other.inode, 0);
    return badge && linux_badge_home(kernel, badge, &home) == 0 ? home.fd : -1;
}

/* Whether somebody listens where the socket is: then it was accepted there. */
static bool was_accepted(const struct sockaddr_storage *name)
{
    struct linux_inet_diag listener;
    const struct sockaddr_storage nobody = {.ss_family = name->ss_family};
    return linux_inet_diag_at(IPPROTO_TCP, name, &nobody, &listener) == 0 &&
           listener.state == LINUX_TCP_LISTEN;
}

int linux_tcp_refuse_connected(struct linux_kernel *kernel, int fd, int tcp_state,
                               const struct sockaddr_storage *name,
                               const struct linux_description *description,
                               struct recap_arena *arena, struct recap_object *object,
                               struct recap_error *error)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    int own = description->fd;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0) {
        object->label = recap_arena_printf(arena, "TCP socket, %s", state_name(tcp_state));
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "the TCP socket is %s",
                     state_name(tcp_state));
        return recap_error_remedy(error,
                                  "try again once it is connected or not, or checkpoint with "
                                  "--external %d and restore with --bind %d=hangup",
                                  own, own);
    }
    const char *text = linux_inet_text(arena, &peer);
    object->label = recap_arena_printf(arena, "TCP socket to %s, %s", text, state_name(tcp_state));
    int other = inside(kernel, name, &peer);
    if (other >= 0) {
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "the other end of the TCP connection (%s) is selector %d of what is "
                     "checkpointed, and connections cannot be restored",
                     state_name(tcp_state), other);
        return recap_error_remedy(error,
                                  "checkpoint with --external for each end and restore with "
                                  "--bind %d=hangup --bind %d=hangup, which end the connection",
                                  own, other);
    }
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "the TCP connection to %s (%s) has its other end elsewhere", text,
                 state_name(tcp_state));
    if (was_accepted(name))
        return recap_error_remedy(error,
                                  "checkpoint with --external %d and restore with "
                                  "--bind %d=hangup, as if who connected had gone",
                                  own, own);
    return recap_error_remedy(error,
                              "checkpoint with --external %d and restore with --bind %d=tcp:%s, a "
                              "new connection, or --bind %d=hangup",
                              own, own, text, own);
}
