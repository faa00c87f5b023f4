/* diag.c: what the kernel tells of Unix sockets by inode (sock_diag). */
#include "kernel/linux/objects/sockets/unix/diag.h"
#include "kernel/linux/objects/sockets/sock_diag.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/unix_diag.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

struct request {
    struct nlmsghdr header;
    struct unix_diag_req ask;
};

void linux_unix_diag_free(struct linux_unix_diag *diag)
{
    if (!diag)
        return;
    free(diag->pending);
    free(diag);
}

static uint32_t number(const struct rtattr *attribute)
{
    uint32_t value = 0;
    if (RTA_PAYLOAD(attribute) >= sizeof value)
        memcpy(&value, RTA_DATA(attribute), sizeof value);
    return value;
}

static int attribute_into(struct linux_unix_diag *diag, const struct rtattr *attribute)
{
    const void *data = RTA_DATA(attribute);
    size_t size = RTA_PAYLOAD(attribute);
    switch (attribute->rta_type) {
    case UNIX_DIAG_NAME:
        diag->name_length = size < sizeof diag->name ? size : sizeof diag->name;
        memcpy(diag->name, data, diag->name_length);
        break;
    case UNIX_DIAG_VFS:
        if (size < sizeof(struct unix_diag_vfs))
            return -EPROTO;
        diag->has_file = true;
        diag->file_inode = ((const struct unix_diag_vfs *)data)->udiag_vfs_ino;
        /* The kernel's own encoding, not that of stat(2). */
        diag->file_device = makedev(((const struct unix_diag_vfs *)data)->udiag_vfs_dev >> 20,
                                    ((const struct unix_diag_vfs *)data)->udiag_vfs_dev & 0xfffff);
        break;
    case UNIX_DIAG_PEER:
        diag->has_peer = true;
        diag->peer = number(attribute);
        break;
    case UNIX_DIAG_ICONS:
        diag->pending = malloc(size + 1);
        if (!diag->pending)
            return -ENOMEM;
        memcpy(diag->pending, data, size);
        diag->pending_count = size / sizeof *diag->pending;
        break;
    case UNIX_DIAG_RQLEN:
        if (size < sizeof(struct unix_diag_rqlen))
            return -EPROTO;
        diag->queued = ((const struct unix_diag_rqlen *)data)->udiag_rqueue;
        diag->backlog = ((const struct unix_diag_rqlen *)data)->udiag_wqueue;
        break;
    case UNIX_DIAG_SHUTDOWN:
        diag->shutdown = size ? *(const uint8_t *)data : 0;
        break;
    default:
        break;
    }
    return 0;
}

static int parse(const struct nlmsghdr *header, struct linux_unix_diag *diag)
{
    const struct unix_diag_msg *message = NLMSG_DATA(header);
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof *message))
        return -EPROTO;
    diag->inode = message->udiag_ino;
    diag->type = message->udiag_type;
    diag->state = message->udiag_state;
    size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof *message);
    const struct rtattr *attribute = (const struct rtattr *)(message + 1);
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        int result = attribute_into(diag, attribute);
        if (result < 0)
            return result;
    }
    return 0;
}

static int keep_one(void *context, const struct nlmsghdr *header)
{
    return parse(header, context);
}

/* One that is looked for in a list. */
struct search {
    uint32_t inode;
    struct linux_unix_diag *found;
    bool met;
};

static int keep_if_meant(void *context, const struct nlmsghdr *header)
{
    struct search *search = context;
    const struct unix_diag_msg *message = NLMSG_DATA(header);
    if (header->nlmsg_len < NLMSG_LENGTH(sizeof *message))
        return -EPROTO;
    if (message->udiag_ino != search->inode)
        return 0;
    search->met = true;
    int result = parse(header, search->found);
    return result ? result : 1;
}

static int find(uint32_t inode, struct linux_unix_diag *found)
{
    const struct unix_diag_req ask = {.sdiag_family = AF_UNIX,
                                      .udiag_states = UINT32_MAX,
                                      .udiag_ino = inode,
                                      .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS |
                                                    UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS |
                                                    UDIAG_SHOW_RQLEN,
                                      .udiag_cookie = {UINT32_MAX, UINT32_MAX}};
    struct request one = {.ask = ask}, all = {.header = {.nlmsg_flags = NLM_F_DUMP}, .ask = ask};
    struct search search = {.inode = inode, .found = found};
    int result = linux_sock_diag(&one.header, sizeof one, keep_one, found);
    if (result != -EMSGSIZE)
        return result;
    /* So many wait to be accepted there that a page cannot hold them; the parts of a list can. */
    all.ask.udiag_states = 1u << TCP_LISTEN;
    result = linux_sock_diag(&all.header, sizeof all, keep_if_meant, &search);
    return result < 0 ? result : search.met ? 0 : -EMSGSIZE;
}

int linux_unix_diag(uint32_t inode, struct linux_unix_diag **diag)
{
    struct linux_unix_diag *found = calloc(1, sizeof *found);
    int result = found ? find(inode, found) : -ENOMEM;
    if (result < 0)
        linux_unix_diag_free(found);
    else
        *diag = found;
    return result;
}

struct visit {
    int (*visit)(void *context, const struct linux_unix_diag *diag);
    void *context;
};

static int visit_one(void *context, const struct nlmsghdr *header)
{
    const struct visit *visit = context;
    struct linux_unix_diag one = {0};
    int result = parse(header, &one);
    if (result == 0)
        result = visit->visit(visit->context, &one);
    free(one.pending);
    return result;
}

int linux_unix_diag_all(uint32_t states,
                        int (*visit)(void *context, const struct linux_unix_diag *diag),
                        void *context)
{
    struct request request = {
        .header = {.nlmsg_flags = NLM_F_DUMP},
        .ask = {.sdiag_family = AF_UNIX,
                .udiag_states = states,
                .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS}};
    return linux_sock_diag(&request.header, sizeof request, visit_one,
                           &(struct visit){visit, context});
}
