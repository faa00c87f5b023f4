/* inet_diag.c: what the kernel tells of TCP and UDP sockets by address (sock_diag). */
#include "kernel/linux/objects/inet_diag.h"
#include "kernel/linux/objects/inet_address.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

struct request {
    struct nlmsghdr header;
    struct inet_diag_req_v2 ask;
};

static void put_address(const struct sockaddr_storage *address, __be16 *port, __be32 *into)
{
    *port = htons(linux_inet_port(address));
    if (address->ss_family == AF_INET)
        *into = ((const struct sockaddr_in *)address)->sin_addr.s_addr;
    else
        memcpy(into, &((const struct sockaddr_in6 *)address)->sin6_addr, sizeof(struct in6_addr));
}

static int parse(const struct nlmsghdr *header, struct linux_inet_diag *found)
{
    const struct inet_diag_msg *message = NLMSG_DATA(header);
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof *message))
        return -EPROTO;
    *found = (struct linux_inet_diag){.inode = message->idiag_inode, .state = message->idiag_state};
    size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof *message);
    const struct rtattr *attribute = (const struct rtattr *)(message + 1);
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == INET_DIAG_SHUTDOWN && RTA_PAYLOAD(attribute) >= 1)
            found->shutdown = *(const uint8_t *)RTA_DATA(attribute);
        if (attribute->rta_type == INET_DIAG_MD5SIG && RTA_PAYLOAD(attribute) > 0)
            found->signs = true;
    }
    return 0;
}

/* Sends the request; a negative errno or the socket that the answer comes to. */
static int ask(struct request *request)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -errno;
    request->header.nlmsg_len = sizeof *request;
    request->header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request->header.nlmsg_flags |= NLM_F_REQUEST;
    if (send(fd, request, sizeof *request, 0) < 0) {
        int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

/* One part of an answer: 1 when it was the last, with the socket in `found` if `inode` is its own
 * (0: any). */
static int take(int fd, uint32_t inode, struct linux_inet_diag *found)
{
    _Alignas(struct nlmsghdr) char buffer[32768];
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length <= 0)
        return length ? -errno : -EPROTO;
    const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
    for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
        struct linux_inet_diag one;
        if (header->nlmsg_type == NLMSG_DONE)
            return -ENOENT;
        if (header->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *answer = NLMSG_DATA(header);
            return header->nlmsg_len >= NLMSG_LENGTH(sizeof *answer) && answer->error < 0
                       ? answer->error
                       : -EPROTO;
        }
        int result = parse(header, &one);
        if (result < 0)
            return result;
        if (!inode || one.inode == inode) {
            *found = one;
            return 1;
        }
    }
    return 0;
}

int linux_inet_diag_at(int protocol, const struct sockaddr_storage *own,
                       const struct sockaddr_storage *peer, struct linux_inet_diag *found)
{
    struct request request = {.ask = {.sdiag_family = (uint8_t)own->ss_family,
                                      .sdiag_protocol = (uint8_t)protocol,
                                      .idiag_states = UINT32_MAX,
                                      .id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}};
    struct inet_diag_sockid *id = &request.ask.id;
    bool swapped = protocol != IPPROTO_TCP; /* UDP takes them the other way round */
    put_address(own, swapped ? &id->idiag_dport : &id->idiag_sport,
                swapped ? id->idiag_dst : id->idiag_src);
    put_address(peer, swapped ? &id->idiag_sport : &id->idiag_dport,
                swapped ? id->idiag_src : id->idiag_dst);
    __attribute__((cleanup(linux_close_descriptor))) int fd = ask(&request);
    int result = fd < 0 ? fd : take(fd, 0, found);
    return result < 0 ? result : 0;
}

int linux_inet_diag_inode(int family, int protocol, uint32_t states, uint32_t inode,
                          struct linux_inet_diag *found)
{
    struct request request = {.header = {.nlmsg_flags = NLM_F_DUMP},
                              .ask = {.sdiag_family = (uint8_t)family,
                                      .sdiag_protocol = (uint8_t)protocol,
                                      .idiag_states = states}};
    __attribute__((cleanup(linux_close_descriptor))) int fd = ask(&request);
    int result = fd < 0 ? fd : 0;
    while (result == 0)
        result = take(fd, inode, found);
    return result < 0 ? result : 0;
}
