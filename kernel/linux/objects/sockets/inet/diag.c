/* diag.c: what the kernel tells of TCP and UDP sockets by address (sock_diag). */
#include "kernel/linux/objects/sockets/inet/diag.h"
#include "kernel/linux/objects/sockets/inet/address.h"
#include "kernel/linux/objects/sockets/sock_diag.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
    uint32_t inode; /* of the socket that is meant; 0: any */
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

static int keep_if_meant(void *context, const struct nlmsghdr *header)
{
    struct answer *answer = context;
    struct linux_inet_diag one;
    const struct rtattr *keys = NULL;
    int result = parse(header, &one, &keys);
    return result < 0 || (answer->inode && one.inode != answer->inode) ? result
                                                                       : keep(answer, &one, keys);
}

/* Asks, and reads the answer up to the socket that is meant. 0 or a negative errno. */
static int find(struct request *request, struct answer *answer)
{
    int result = linux_sock_diag(&request->header, sizeof *request, keep_if_meant, answer);
    return result < 0 ? result : result ? 0 : -ENOENT;
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
    return find(&request, answer);
}

static int find_inode(int family, int protocol, uint32_t states, struct answer *answer)
{
    struct request request = {.header = {.nlmsg_flags = NLM_F_DUMP},
                              .ask = {.sdiag_family = (uint8_t)family,
                                      .sdiag_protocol = (uint8_t)protocol,
                                      .idiag_ext = answer->wants_keys ? KEYS_COME_WITH : 0,
                                      .idiag_states = states}};
    return find(&request, answer);
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
    struct answer answer = {.found = found, .inode = inode};
    return find_inode(family, protocol, states, &answer);
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
        answer = (struct answer){.found = &found, .inode = inode, .wants_keys = true};
        result = find_inode(own->ss_family, IPPROTO_TCP, 1u << LISTEN, &answer);
    }
    if (result < 0)
        return result;
    *keys = answer.keys;
    *length = answer.length;
    return 0;
}
