/* unix_diag.c: what the kernel tells of Unix sockets by inode (sock_diag). */
#include "kernel/linux/objects/unix_diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

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

/* Sends the request; a negative errno or the socket that the answer comes to. */
static int ask(struct request *request)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -errno;
    request->header.nlmsg_len = sizeof *request;
    request->header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request->header.nlmsg_flags |= NLM_F_REQUEST;
    request->ask.sdiag_family = AF_UNIX;
    request->ask.udiag_cookie[0] = request->ask.udiag_cookie[1] = UINT32_MAX;
    if (send(fd, request, sizeof *request, 0) < 0) {
        int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

int linux_unix_diag(uint32_t inode, struct linux_unix_diag **diag)
{
    struct request request = {.ask = {.udiag_states = UINT32_MAX,
                                      .udiag_ino = inode,
                                      .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS |
                                                    UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS |
                                                    UDIAG_SHOW_RQLEN}};
    _Alignas(struct nlmsghdr) char buffer[16384];
    int fd = ask(&request);
    if (fd < 0)
        return fd;
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    int result = length < 0 ? -errno : 0;
    close(fd);
    if (result < 0)
        return result;
    const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
    if (!NLMSG_OK(header, length))
        return -EPROTO;
    if (header->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *answer = NLMSG_DATA(header);
        return answer->error < 0 ? answer->error : -EPROTO;
    }
    struct linux_unix_diag *found = calloc(1, sizeof *found);
    result = found ? parse(header, found) : -ENOMEM;
    if (result < 0)
        linux_unix_diag_free(found);
    else
        *diag = found;
    return result;
}

int linux_unix_diag_all(uint32_t states,
                        int (*visit)(void *context, const struct linux_unix_diag *diag),
                        void *context)
{
    struct request request = {
        .header = {.nlmsg_flags = NLM_F_DUMP},
        .ask = {.udiag_states = states,
                .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS}};
    _Alignas(struct nlmsghdr) char buffer[32768];
    int fd = ask(&request);
    if (fd < 0)
        return fd;
    int result = 0;
    for (bool done = false; !done && result == 0;) {
        ssize_t length = recv(fd, buffer, sizeof buffer, 0);
        if (length <= 0) {
            result = length ? -errno : -EPROTO;
            break;
        }
        const struct nlmsghdr *header = (const struct nlmsghdr *)buffer;
        for (; result == 0 && NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
            struct linux_unix_diag one = {0};
            if (header->nlmsg_type == NLMSG_DONE) {
                done = true;
                break;
            }
            result = header->nlmsg_type == NLMSG_ERROR ? -EPROTO : parse(header, &one);
            if (result == 0)
                result = visit(context, &one);
            free(one.pending);
        }
    }
    close(fd);
    return result;
}
