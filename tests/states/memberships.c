/* memberships.c: the groups that a socket is a member of, and the senders that it wants to hear. */
#include "states.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* numbers: {domain, family of the group, how: 0 all, 1 one source, 2 all but one source} */
static void group_of(const struct held *held, struct sockaddr_storage *group,
                     struct sockaddr_storage *source)
{
    int family = (int)held->state->numbers[1];
    *group = *source = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    if (family == AF_INET) {
        inet_pton(family, "239.1.2.3", &((struct sockaddr_in *)group)->sin_addr);
        inet_pton(family, "127.0.0.9", &((struct sockaddr_in *)source)->sin_addr);
    } else {
        inet_pton(family, "ff01::123", &((struct sockaddr_in6 *)group)->sin6_addr);
        inet_pton(family, "fd00::9", &((struct sockaddr_in6 *)source)->sin6_addr);
    }
}

static int open_datagram(struct held *held)
{
    held->fd = socket((int)held->state->numbers[0], SOCK_DGRAM, 0);
    return held->fd < 0 ? -1 : 0;
}

static int set_group(struct held *held)
{
    const long *n = held->state->numbers;
    int level = n[1] == AF_INET ? SOL_IP : SOL_IPV6;
    struct group_source_req request = {.gsr_interface = if_nametoindex("lo")};
    group_of(held, &request.gsr_group, &request.gsr_source);
    struct group_req all = {request.gsr_interface, request.gsr_group};
    if (n[2] == 1)
        return setsockopt(held->fd, level, MCAST_JOIN_SOURCE_GROUP, &request, sizeof request);
    if (setsockopt(held->fd, level, MCAST_JOIN_GROUP, &all, sizeof all) < 0)
        return -1;
    return n[2] ? setsockopt(held->fd, level, MCAST_BLOCK_SOURCE, &request, sizeof request) : 0;
}

static void read_group(struct held *held, char text[STATE_TEXT])
{
    unsigned char room[GROUP_FILTER_SIZE(4)] = {0};
    struct group_filter *filter = (struct group_filter *)room;
    struct sockaddr_storage source;
    socklen_t size = sizeof room;
    filter->gf_interface = if_nametoindex("lo");
    filter->gf_numsrc = 4;
    group_of(held, &filter->gf_group, &source);
    bool read = getsockopt(held->fd, held->state->numbers[1] == AF_INET ? SOL_IP : SOL_IPV6,
                           MCAST_MSFILTER, filter, &size) == 0;
    bool same = filter->gf_numsrc && memcmp(&filter->gf_slist[0], &source, 28) == 0;
    state_say(text, read, "%s %u%s", filter->gf_fmode == MCAST_EXCLUDE ? "all but" : "only",
              filter->gf_numsrc, same ? ", that one" : "");
}

static int open_netlink(struct held *held)
{
    held->fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    return held->fd < 0 ? -1 : 0;
}

static void read_memberships(struct held *held, char text[STATE_TEXT])
{
    unsigned char groups[64] = {0};
    socklen_t size = sizeof groups;
    bool read = getsockopt(held->fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &size) == 0;
    state_say_bytes(text, read, groups, size);
}

static int join_netlink(struct held *held)
{
    int group = 37; /* beyond those that an address can say */
    return setsockopt(held->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
}

/* A byte that waits comes with how many there are, if the receiver has asked for that. */
#define GROUPS(where, ...)                                                                         \
    {.name = "MCAST_JOIN_GROUP " where,                                                            \
     .claims = "MCAST_JOIN_GROUP",                                                                 \
     .open = open_datagram,                                                                        \
     .set = set_group,                                                                             \
     .read = read_group,                                                                           \
     .numbers = {__VA_ARGS__, 0}},                                                                 \
        {.name = "MCAST_JOIN_SOURCE_GROUP " where,                                                 \
         .claims = "MCAST_JOIN_SOURCE_GROUP",                                                      \
         .open = open_datagram,                                                                    \
         .set = set_group,                                                                         \
         .read = read_group,                                                                       \
         .numbers = {__VA_ARGS__, 1}},                                                             \
    {                                                                                              \
        .name = "MCAST_BLOCK_SOURCE " where, .claims = "MCAST_BLOCK_SOURCE",                       \
        .open = open_datagram, .set = set_group, .read = read_group, .numbers = {                  \
            __VA_ARGS__,                                                                           \
            2                                                                                      \
        }                                                                                          \
    }

static const struct state states[] = {
    {.name = "NETLINK_ADD_MEMBERSHIP",
     .claims = "NETLINK_ADD_MEMBERSHIP NETLINK_LIST_MEMBERSHIPS",
     .open = open_netlink,
     .set = join_netlink,
     .read = read_memberships},
    GROUPS("udp4", AF_INET, AF_INET),
    GROUPS("udp6", AF_INET6, AF_INET6),
    GROUPS("of IPv4 at udp6", AF_INET6, AF_INET),
};

STATE_FAMILY(memberships_family, "memberships", states);
