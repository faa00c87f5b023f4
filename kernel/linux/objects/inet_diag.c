/* inet_diag.c: what the kernel tells of TCP and UDP sockets by address (sock_diag). */
#include "kernel/linux/objects/inet_diag.h"
#include "kernel/linux/objects/inet_address.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
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

/* Which extension has to be asked for. */
enum { KEYS_COME_WITH = 1 << (INET_DIAG_INFO - 1) };

/* What an answer is read into; keys only if somebody wants to have them. */
struct answer {
    struct linux_inet_diag *found;
    bool wants_keys;
    void *keys;
    size_t length;
};

static int parse(const struct nlmsghdr *header, struct linux_inet_diag *found,
                 const struct rtattr **keys)
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
            *keys = attribute;
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

/* The next part of an answer, however long it is; the caller frees it. */
static ssize_t receive(int fd, void **part)
{
    ssize_t length = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC);
    if (length <= 0)
        return length ? -errno : -EPROTO;
    void *buffer = malloc((size_t)length);
    if (!buffer)
        return -ENOMEM;
    ssize_t got = recv(fd, buffer, (size_t)length, 0);
    if (got < 0) {
        got = -errno;
        free(buffer);
        return got;
    }
    *part = buffer;
    return got;
}

static int keep(struct answer *answer, const struct linux_inet_diag *one, const struct rtattr *keys)
{
    *answer->found = *one;
    if (!keys || !answer->wants_keys)
        return 1;
    answer->keys = malloc(RTA_PAYLOAD(keys));
    if (!answer->keys)
        return -ENOMEM;
    answer->length = RTA_PAYLOAD(keys);
    memcpy(answer->keys, RTA_DATA(keys), answer->length);
    return 1;
}

/* Looks through a part: 1 when the socket with that inode (0: any) was found in it. */
static int look(const struct nlmsghdr *header, ssize_t length, uint32_t inode,
                struct answer *answer)
{
    for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
        struct linux_inet_diag one;
        const struct rtattr *keys = NULL;
        if (header->nlmsg_type == NLMSG_DONE)
            return -ENOENT;
        if (header->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *said = NLMSG_DATA(header);
            return header->nlmsg_len >= NLMSG_LENGTH(sizeof *said) && said->error < 0 ? said->error
                                                                                      : -EPROTO;
        }
        int result = parse(header, &one, &keys);
        if (result < 0)
            return result;
        if (!inode || one.inode == inode)
            return keep(answer, &one, keys);
    }
    return 0;
}

/* Asks, and reads the answer up to the socket that is meant. 0 or a negative errno. */
static int find(struct request *request, uint32_t inode, struct answer *answer)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = ask(request);
    int result = fd < 0 ? fd : 0;
    while (result == 0) {
        void *part = NULL;
        ssize_t length = receive(fd, &part);
        if (length < 0)
            return (int)length;
        result = look(part, length, inode, answer);
        free(part);
    }
    return result < 0 ? result : 0;
}

static int find_at(int protocol, const struct sockaddr_storage *own,
                   const struct sockaddr_storage *peer, struct answer *answer)
{
    struct request request = {.ask = {.sdiag_family = (uint8_t)own->ss_family,
                                      .sdiag_protocol = (uint8_t)protocol,
                                      .idiag_ext = answer->wants_keys ? KEYS_COME_WITH : 0,
                                      .idiag_states = UINT32_MAX,
                                      .id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}};
    struct inet_diag_sockid *id = &request.ask.id;
    bool swapped = protocol != IPPROTO_TCP; /* UDP takes them the other way round */
    put_address(own, swapped ? &id->idiag_dport : &id->idiag_sport,
                swapped ? id->idiag_dst : id->idiag_src);
    put_address(peer, swapped ? &id->idiag_sport : &id->idiag_dport,
                swapped ? id->idiag_src : id->idiag_dst);
    return find(&request, 0, answer);
}

static int find_inode(int family, int protocol, uint32_t states, uint32_t inode,
                      struct answer *answer)
{
    struct request request = {.header = {.nlmsg_flags = NLM_F_DUMP},
                              .ask = {.sdiag_family = (uint8_t)family,
                                      .sdiag_protocol = (uint8_t)protocol,
                                      .idiag_ext = answer->wants_keys ? KEYS_COME_WITH : 0,
                                      .idiag_states = states}};
    return find(&request, inode, answer);
}

int linux_inet_diag_at(int protocol, const struct sockaddr_storage *own,
                       const struct sockaddr_storage *peer, struct linux_inet_diag *found)
{
    struct answer answer = {.found = found};
    return find_at(protocol, own, peer, &answer);
}

int linux_inet_diag_inode(int family, int protocol, uint32_t states, uint32_t inode,
                          struct linux_inet_diag *found)
{
    struct answer answer = {.found = found};
    return find_inode(family, protocol, states, inode, &answer);
}

int linux_inet_diag_keys(const struct sockaddr_storage *own, uint32_t inode, void **keys,
                         size_t *length)
{
    enum { LISTEN = 10 };
    struct linux_inet_diag found = {0};
    const struct sockaddr_storage nobody = {.ss_family = own->ss_family};
    struct answer answer = {.found = &found, .wants_keys = true};
    int result = find_at(IPPROTO_TCP, own, &nobody, &answer);
    if (result < 0 || found.inode != inode) { /* it shares its address */
        free(answer.keys);
        answer = (struct answer){.found = &found, .wants_keys = true};
        result = find_inode(own->ss_family, IPPROTO_TCP, 1u << LISTEN, inode, &answer);
    }
    if (result < 0)
        return result;
    *keys = answer.keys;
    *length = answer.length;
    return 0;
}
