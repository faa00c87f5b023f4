/* multicast.c: the multicast groups that a socket has joined.
 *
 * The kernel lists the groups of each interface, and tells a socket's filter for a group only if
 * the socket is a member of it. */
#include "kernel/linux/objects/sockets/inet/address.h"
#include "kernel/linux/objects/sockets/inet/udp.h"
#include "kernel/linux/objects/status_flags.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_filter(struct group_filter **filter)
{
    free(*filter);
}

/* A socket of IPv6 can join groups of either. */
static const char *list_of(int family)
{
    return family == AF_INET ? "groups" : "groups6";
}

struct membership {
    unsigned interface;
    struct sockaddr_storage group;
};

static int level_of(int family)
{
    return family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
}

/* The socket's filter of a group, which the caller frees: NULL and 0 when it is no member. The
 * kernel says how many sources there are, however few it had room for. */
static int read_filter(int fd, int family, const struct membership *one,
                       struct group_filter **filter)
{
    enum { FIRST_ROOM = 16 };
    for (uint32_t room = FIRST_ROOM;;) {
        socklen_t size = (socklen_t)GROUP_FILTER_SIZE(room);
        struct group_filter *found = calloc(1, size);
        if (!found)
            return -ENOMEM;
        found->gf_interface = one->interface;
        found->gf_group = one->group;
        found->gf_numsrc = room;
        if (getsockopt(fd, level_of(family), MCAST_MSFILTER, found, &size) < 0) {
            free(found);
            *filter = NULL;
            return 0;
        }
        if (found->gf_numsrc <= room) {
            *filter = found;
            return 0;
        }
        room = found->gf_numsrc;
        free(found);
    }
}

static int describe_membership(int fd, int family, const struct membership *one,
                               struct recap_arena *arena, struct recap_value *state,
                               struct recap_value **list, struct recap_error *error)
{
    __attribute__((cleanup(free_filter))) struct group_filter *filter = NULL;
    int result = read_filter(fd, family, one, &filter);
    if (result < 0)
        return recap_fail(error, result, "reading the groups of a socket");
    if (!filter)
        return 0;
    if (!*list)
        *list = recap_put_list(arena, state, list_of(family));
    struct recap_value *record = recap_put_record(arena, *list, NULL);
    recap_put_number(arena, record, "interface", one->interface);
    linux_inet_put(arena, record, "group", &one->group);
    recap_put_number(arena, record, "exclude", filter->gf_fmode == MCAST_EXCLUDE);
    struct recap_value *sources =
        filter->gf_numsrc ? recap_put_list(arena, record, "sources") : NULL;
    for (uint32_t i = 0; i < filter->gf_numsrc; i++)
        linux_inet_put(arena, sources, NULL, &filter->gf_slist[i]);
    return 0;
}

static bool parse_four(const char *line, struct membership *one)
{
    unsigned group;
    /* A line of an interface starts at the margin, those of its groups are indented. */
    if (line[0] != '\t' && line[0] != ' ') {
        one->interface = (unsigned)strtoul(line, NULL, 10);
        return false;
    }
    if (linux_procfs_scan(line, " %8x", &group) != 1)
        return false;
    struct sockaddr_in *in = (struct sockaddr_in *)&one->group;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = group};
    return true;
}

static bool parse_six(const char *line, struct membership *one)
{
    char group[33];
    if (linux_procfs_scan(line, "%u %*s %32[0-9a-f]", &one->interface, group) != 2)
        return false;
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)&one->group;
    *in = (struct sockaddr_in6){.sin6_family = AF_INET6};
    for (size_t i = 0; i < 16; i++)
        if (sscanf(group + 2 * i, "%2hhx", &in->sin6_addr.s6_addr[i]) != 1)
            return false;
    return true;
}

static int describe_groups(int fd, int family, struct recap_arena *arena, struct recap_value *state,
                           struct recap_error *error)
{
    const char *path = family == AF_INET ? "/proc/self/net/igmp" : "/proc/self/net/igmp6";
    char *text;
    struct recap_value *list = NULL;
    int result = linux_procfs_read(AT_FDCWD, path, &text, NULL);
    if (result == -ENOENT)
        return 0; /* a kernel without multicast */
    if (result < 0)
        return recap_fail(error, result, "reading the groups that sockets have joined");
    struct membership one = {0};
    for (char *line = text, *end; result == 0 && *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        if (family == AF_INET ? parse_four(line, &one) : parse_six(line, &one))
            result = describe_membership(fd, family, &one, arena, state, &list, error);
    }
    free(text);
    return result;
}

int linux_multicast_describe(int fd, int family, struct recap_arena *arena,
                             struct recap_value *state, struct recap_error *error)
{
    int result = describe_groups(fd, AF_INET, arena, state, error);
    return result == 0 && family == AF_INET6 ? describe_groups(fd, AF_INET6, arena, state, error)
                                             : result;
}

static int join(int fd, int family, const struct recap_object *object,
                const struct recap_value *record, struct recap_error *error)
{
    int64_t interface;
    size_t count = 0;
    const struct recap_value *sources = recap_items(record, "sources");
    for (const struct recap_value *v = sources; v; v = v->next)
        count++;
    __attribute__((cleanup(free_filter))) struct group_filter *filter =
        calloc(1, GROUP_FILTER_SIZE(count + 1));
    if (!filter)
        return recap_fail(error, -ENOMEM, "joining a multicast group");
    if (recap_get_number(record, "interface", &interface) < 0 || interface < 0 ||
        interface > UINT32_MAX || linux_inet_get(record, "group", family, &filter->gf_group) <= 0)
        return linux_state_damaged(object, "groups", error);
    struct group_req request = {.gr_interface = (uint32_t)interface, .gr_group = filter->gf_group};
    if (setsockopt(fd, level_of(family), MCAST_JOIN_GROUP, &request, sizeof request) < 0)
        return recap_fail(error, -errno, "joining a multicast group on interface %lld",
                          (long long)interface);
    filter->gf_interface = (uint32_t)interface;
    filter->gf_fmode = recap_number_or(record, "exclude", 1) ? MCAST_EXCLUDE : MCAST_INCLUDE;
    for (const struct recap_value *v = sources; v; v = v->next)
        if (linux_inet_get(v, NULL, family, &filter->gf_slist[filter->gf_numsrc++]) <= 0)
            return linux_state_damaged(object, "groups", error);
    if ((filter->gf_numsrc || filter->gf_fmode == MCAST_INCLUDE) &&
        setsockopt(fd, level_of(family), MCAST_MSFILTER, filter,
                   (socklen_t)GROUP_FILTER_SIZE(filter->gf_numsrc)) < 0)
        return recap_fail(error, -errno, "filtering the sources of a multicast group");
    return 0;
}

int linux_multicast_join(int fd, int family, const struct recap_object *object,
                         struct recap_error *error)
{
    int result = 0;
    for (const struct recap_value *v = recap_items(object->state, list_of(AF_INET));
         v && result == 0; v = v->next)
        result = join(fd, AF_INET, object, v, error);
    const struct recap_value *six =
        family == AF_INET6 ? recap_items(object->state, list_of(AF_INET6)) : NULL;
    for (const struct recap_value *v = six; v && result == 0; v = v->next)
        result = join(fd, AF_INET6, object, v, error);
    return result;
}
