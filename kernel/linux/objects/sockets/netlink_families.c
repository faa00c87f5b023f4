/* netlink_families.c: the groups of generic netlink, whose numbers are given as families come. */
#include "kernel/linux/objects/sockets/netlink_families.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct request {
    struct nlmsghdr header;
    struct genlmsghdr command;
};

enum { KIND = 0x3fff, LONGEST = 16 }; /* of an attribute; of a name with its end */

/* The first attribute of that type in a row of them, or NULL. */
static const struct rtattr *attribute(const void *row, size_t size, unsigned short type)
{
    const struct rtattr *one = row;
    for (; RTA_OK(one, size); one = RTA_NEXT(one, size))
        if ((one->rta_type & KIND) == type)
            return one;
    return NULL;
}

static const char *text(const struct rtattr *one)
{
    size_t size = one ? RTA_PAYLOAD(one) : 0;
    const char *name = one ? RTA_DATA(one) : NULL;
    return size && size <= LONGEST && !name[size - 1] ? name : NULL;
}

/* Whether the group is one of the family that the message is about. */
static bool find_in(const struct nlmsghdr *header, unsigned group, char name[LINUX_NETLINK_NAME])
{
    size_t head = NLMSG_LENGTH(sizeof(struct genlmsghdr));
    if (header->nlmsg_len < head)
        return false;
    const char *row = (const char *)header + head;
    const char *family = text(attribute(row, header->nlmsg_len - head, CTRL_ATTR_FAMILY_NAME));
    const struct rtattr *groups = attribute(row, header->nlmsg_len - head, CTRL_ATTR_MCAST_GROUPS);
    size_t left = groups ? RTA_PAYLOAD(groups) : 0;
    for (const struct rtattr *one = groups ? RTA_DATA(groups) : NULL; left && RTA_OK(one, left);
         one = RTA_NEXT(one, left)) {
        const struct rtattr *id =
            attribute(RTA_DATA(one), RTA_PAYLOAD(one), CTRL_ATTR_MCAST_GRP_ID);
        const char *word =
            text(attribute(RTA_DATA(one), RTA_PAYLOAD(one), CTRL_ATTR_MCAST_GRP_NAME));
        uint32_t number = 0;
        if (id && RTA_PAYLOAD(id) >= sizeof number)
            memcpy(&number, RTA_DATA(id), sizeof number);
        if (number != group || !word || !family)
            continue;
        snprintf(name, LINUX_NETLINK_NAME, "%s/%s", family, word);
        return true;
    }
    return false;
}

int linux_netlink_group_name(unsigned group, char name[LINUX_NETLINK_NAME])
{
    _Alignas(struct nlmsghdr) char buffer[32768];
    const struct request request = {.header = {.nlmsg_len = sizeof request,
                                               .nlmsg_type = GENL_ID_CTRL,
                                               .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                                    .command = {.cmd = CTRL_CMD_GETFAMILY, .version = 1}};
    __attribute__((cleanup(linux_close_descriptor))) int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
    if (fd < 0 || send(fd, &request, sizeof request, 0) < 0)
        return -errno;
    for (;;) {
        ssize_t length = recv(fd, buffer, sizeof buffer, 0);
        if (length <= 0)
            return length ? -errno : -EPROTO;
        const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
        for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
            if (header->nlmsg_type == NLMSG_DONE)
                return -ENOENT;
            if (header->nlmsg_type == NLMSG_ERROR)
                return -EPROTO;
            if (find_in(header, group, name))
                return 0;
        }
    }
}
