/* netlink.c: netlink sockets: their address, what they are connected to, the groups they have
 * joined.
 *
 * What waits in one came from the kernel, which does not say it again: such a socket is refused
 * while something waits. The numbers of groups are fixed but for the families of generic netlink,
 * which get them as they come: those are kept by name, and have to have the same numbers at a
 * restore, as the program knows them. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/sockets/netlink_families.h"
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/sockets/socket_options.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const protocols[] = {
    [NETLINK_ROUTE] = "route",
    [NETLINK_USERSOCK] = "between programs",
    [NETLINK_SOCK_DIAG] = "sock_diag",
    [NETLINK_XFRM] = "xfrm",
    [NETLINK_SELINUX] = "selinux",
    [NETLINK_ISCSI] = "iscsi",
    [NETLINK_AUDIT] = "audit",
    [NETLINK_FIB_LOOKUP] = "fib",
    [NETLINK_CONNECTOR] = "connector",
    [NETLINK_NETFILTER] = "netfilter",
    [NETLINK_KOBJECT_UEVENT] = "uevent",
    [NETLINK_GENERIC] = "generic",
    [NETLINK_RDMA] = "rdma",
    [NETLINK_CRYPTO] = "crypto",
};

enum { PROTOCOLS = sizeof protocols / sizeof *protocols, WORD = 32 };

static bool recognise(const struct linux_description *description)
{
    return linux_socket_is(description, "NETLINK");
}

static int refuse_busy(const struct linux_description *description, const char *what,
                       struct recap_error *error)
{
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s", what);
    return recap_error_remedy(error,
                              "try again once the program has read it, or checkpoint with "
                              "--external %d and restore with --bind %d=OBJECT",
                              description->fd, description->fd);
}

/* Whether an answer of many messages is being read: /proc/net/netlink has a line for each socket
 * that ends with its inode. 1, 0, or a negative errno. */
static int answers(ino_t inode)
{
    char *text;
    bool found = false;
    int result = linux_procfs_read(AT_FDCWD, "/proc/self/net/netlink", &text, NULL);
    if (result < 0)
        return result;
    for (char *line = text, *end; *line && !found; line = end) {
        unsigned long at = 0;
        int dump = 0;
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        found =
            linux_procfs_scan(line, "%*s %*d %*u %*x %*d %*d %d %*d %*u %lu", &dump, &at) == 2 &&
            at == inode && dump;
    }
    free(text);
    return found;
}

static int check(int fd, const struct linux_description *description, struct recap_error *error)
{
    struct pollfd poll_one = {.fd = fd, .events = POLLIN};
    if (!linux_socket_is_here(fd))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the netlink socket belongs to another network namespace");
    if (poll(&poll_one, 1, 0) < 0)
        return recap_fail(error, -errno, "looking into a netlink socket");
    if (poll_one.revents & POLLERR)
        return refuse_busy(description, "an error waits to be read from the netlink socket", error);
    if (poll_one.revents & POLLIN)
        return refuse_busy(description, "messages of the kernel wait in the netlink socket", error);
    int answering = answers(description->status.st_ino);
    if (answering < 0)
        return recap_fail(error, answering, "looking into a netlink socket");
    if (answering)
        return refuse_busy(description, "an answer is being read from the netlink socket", error);
    return 0;
}

static int describe_groups(int fd, int protocol, struct recap_arena *arena,
                           struct recap_value *state, struct recap_error *error)
{
    socklen_t size = 0;
    if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, NULL, &size) < 0)
        return recap_fail(error, -errno, "reading the groups of a netlink socket");
    uint32_t *joined = size ? recap_arena_alloc(arena, size) : NULL;
    struct recap_value *list = NULL;
    if (size && !joined)
        return recap_fail(error, -ENOMEM, "reading the groups of a netlink socket");
    if (size && getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, joined, &size) < 0)
        return recap_fail(error, -errno, "reading the groups of a netlink socket");
    for (unsigned group = 1; group <= size * 8; group++) {
        if (!(joined[(group - 1) / WORD] >> (group - 1) % WORD & 1))
            continue;
        if (!list)
            list = recap_put_list(arena, state, "groups");
        struct recap_value *record = recap_put_record(arena, list, NULL);
        recap_put_number(arena, record, "group", group);
        if (protocol != NETLINK_GENERIC)
            continue;
        char name[LINUX_NETLINK_NAME];
        int result = linux_netlink_group_name(group, name);
        if (result == -ENOENT)
            continue; /* no family has it yet */
        if (result < 0)
            return recap_fail(error, result, "asking for the groups of generic netlink");
        recap_put_text(arena, record, "name", name);
    }
    return 0;
}

static int join(int fd, unsigned group, struct recap_error *error)
{
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) == 0)
        return 0;
    return recap_fail(error, -errno, "joining group %u of a netlink protocol", group);
}

static int join_all(int fd, int protocol, const struct recap_object *object,
                    struct recap_error *error)
{
    int result = 0;
    for (const struct recap_value *v = recap_items(object->state, "groups"); v && result == 0;
         v = v->next) {
        int64_t group;
        const char *name = recap_text_or_null(v, "name");
        char now[LINUX_NETLINK_NAME];
        if (recap_get_number(v, "group", &group) < 0 || group <= 0 || group > INT32_MAX)
            return linux_state_damaged(object, "groups", error);
        int known =
            protocol == NETLINK_GENERIC ? linux_netlink_group_name((unsigned)group, now) : -ENOENT;
        if (known < 0 && known != -ENOENT)
            return recap_fail(error, known, "asking for the groups of generic netlink");
        if (known == 0 ? !name || strcmp(name, now) != 0 : name != NULL)
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "group %lld of generic netlink was %s and is %s here",
                                (long long)group, name ? name : "nobody's",
                                known == 0 ? now : "nobody's");
        result = join(fd, (unsigned)group, error);
    }
    return result;
}

/* The same socket again, but not at the same address: that is in use. */
static int rehearse(int type, int protocol, struct recap_value *state, struct recap_error *error)
{
    const struct recap_object object = {.kind = "netlink", .state = state};
    __attribute__((cleanup(linux_close_descriptor))) int fd =
        socket(AF_NETLINK, type | SOCK_CLOEXEC, protocol);
    int result = fd < 0 ? recap_fail(error, -errno, "creating a netlink socket")
                        : join_all(fd, protocol, &object, error);
    if (result == 0)
        return 0;
    if (error)
        error->cls = RECAP_UNSUPPORTED;
    if (result == -EPERM || result == -EACCES)
        recap_error_remedy(error, "checkpoint and restore as root");
    return -EOPNOTSUPP;
}

static int describe_socket(int fd, const struct linux_description *description,
                           struct recap_arena *arena, struct recap_object *object,
                           struct recap_value *state, struct recap_error *error)
{
    struct sockaddr_nl name = {0}, peer = {0};
    socklen_t size = sizeof name;
    int type = linux_socket_number(fd, SO_TYPE), protocol = linux_socket_number(fd, SO_PROTOCOL);
    const char *word = protocol >= 0 && protocol < PROTOCOLS ? protocols[protocol] : NULL;
    object->label = word ? recap_arena_printf(arena, "netlink socket (%s)", word)
                         : recap_arena_printf(arena, "netlink socket (protocol %d)", protocol);
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return recap_fail(error, -errno, "reading a netlink socket");
    size = sizeof peer;
    if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0)
        return recap_fail(error, -errno, "reading a netlink socket");
    int result = check(fd, description, error);
    if (result < 0)
        return result;
    recap_put_text(arena, state, "type", type == SOCK_RAW ? "raw" : "datagram");
    recap_put_number(arena, state, "protocol", protocol);
    if (name.nl_pid)
        recap_put_number(arena, state, "port", name.nl_pid);
    if (peer.nl_pid || peer.nl_groups) {
        recap_put_number(arena, state, "peer", peer.nl_pid);
        recap_put_hex(arena, state, "peer-groups", peer.nl_groups);
    }
    result = describe_groups(fd, protocol, arena, state, error);
    if (result == 0)
        result = linux_socket_options_describe(fd, arena, state, error);
    return result ? result : rehearse(type, protocol, state, error);
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
        object->state = state;
    return result;
}

static int bind_and_connect(int fd, const struct recap_object *object, struct recap_error *error)
{
    int64_t port = recap_number_or(object->state, "port", 0),
            peer = recap_number_or(object->state, "peer", 0);
    uint64_t groups = 0;
    if (port < 0 || port > UINT32_MAX || peer < 0 || peer > UINT32_MAX ||
        (recap_member(object->state, "peer") &&
         (recap_get_hex(object->state, "peer-groups", &groups) < 0 || groups > UINT32_MAX)))
        return linux_state_damaged(object, "port", error);
    const struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_pid = (uint32_t)port};
    const struct sockaddr_nl to = {
        .nl_family = AF_NETLINK, .nl_pid = (uint32_t)peer, .nl_groups = (uint32_t)groups};
    if (port && bind(fd, (const struct sockaddr *)&name, sizeof name) < 0) {
        int result = recap_fail(error, -errno, "giving a netlink socket its port %lld again",
                                (long long)port);
        if (result == -EADDRINUSE)
            recap_error_remedy(error, "end who has it: ss -f netlink shows them");
        return result;
    }
    if ((peer || groups) && connect(fd, (const struct sockaddr *)&to, sizeof to) < 0)
        return recap_fail(error, -errno, "connecting a netlink socket");
    return 0;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    const char *type = recap_text_or_null(object->state, "type");
    int64_t protocol = recap_number_or(object->state, "protocol", -1);
    bool raw = type && strcmp(type, "raw") == 0;
    if (!raw && (!type || strcmp(type, "datagram") != 0))
        return linux_state_damaged(object, "type", error);
    if (protocol < 0 || protocol >= MAX_LINKS)
        return linux_state_damaged(object, "protocol", error);
    int fd = socket(AF_NETLINK, (raw ? SOCK_RAW : SOCK_DGRAM) | SOCK_CLOEXEC, (int)protocol);
    if (fd < 0)
        return recap_fail(error, -errno, "creating a %s",
                          object->label ? object->label : object->kind);
    int result = linux_socket_options_set(fd, object, LINUX_SOCKET_NEW, error);
    if (result == 0)
        result = bind_and_connect(fd, object, error);
    /* Filtered before it joins: what the program did not want to have does not come either. */
    if (result == 0)
        result = linux_socket_options_set(fd, object, LINUX_SOCKET_COMPLETE, error);
    if (result == 0)
        result = join_all(fd, (int)protocol, object, error);
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
    struct sockaddr_nl name = {0};
    socklen_t size = sizeof name;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0)
        return recap_fail(error, -errno, "reading a netlink socket");
    if (linux_socket_number(fd, SO_PROTOCOL) != recap_number_or(object->state, "protocol", -1))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is of another netlink protocol");
    if (name.nl_pid != recap_number_or(object->state, "port", name.nl_pid))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it has another port");
    return 0;
}

const struct linux_kind linux_kind_netlink = {
    .name = "netlink",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
