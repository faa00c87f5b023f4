/* sock_diag.c: asking the kernel about sockets of any family.
 *
 * Each question has a socket of its own: one that is kept would belong to the network namespace and
 * to the rights of when it was made, and would hold the rest of a list that was not read to its
 * end. The kernel has the next part of an answer ready whenever it is asked for, so nothing waits
 * here. */
#include "kernel/linux/objects/sockets/sock_diag.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The next part of an answer, however long it is; the caller frees it. */
static ssize_t receive(int fd, void **part)
{
    ssize_t length = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (length <= 0)
        return length ? -errno : -EPROTO;
    void *buffer = malloc((size_t)length);
    if (!buffer)
        return -ENOMEM;
    ssize_t got = recv(fd, buffer, (size_t)length, MSG_DONTWAIT);
    if (got < 0) {
        got = -errno;
        free(buffer);
        return got;
    }
    *part = buffer;
    return got;
}

/* The kernel makes the parts of a list as long as what was received before, and ends the list, as
 * if it were whole, at a socket that does not fit: who waits at a listening socket takes 4 bytes
 * each. */
static int ask_for_long_parts(int fd)
{
    enum { LONGEST = 32768 }; /* of what the kernel makes at once */
    const struct nlmsghdr nothing = {.nlmsg_len = sizeof nothing,
                                     .nlmsg_type = NLMSG_NOOP,
                                     .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
    char *buffer = malloc(LONGEST);
    if (!buffer)
        return -ENOMEM;
    int result =
        send(fd, &nothing, sizeof nothing, 0) < 0 || recv(fd, buffer, LONGEST, MSG_DONTWAIT) < 0
            ? -errno
            : 0;
    free(buffer);
    return result;
}

/* Looks through a part: 1 when nothing follows it, or when `visit` wants no more: `result` then is
 * what it returned. */
static int look(const struct nlmsghdr *header, ssize_t length,
                int (*visit)(void *context, const struct nlmsghdr *message), void *context,
                int *result)
{
    for (; NLMSG_OK(header, length); header = NLMSG_NEXT(header, length)) {
        if (header->nlmsg_type == NLMSG_DONE)
            return 1;
        if (header->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *said = NLMSG_DATA(header);
            return header->nlmsg_len >= NLMSG_LENGTH(sizeof *said) && said->error < 0 ? said->error
                                                                                      : -EPROTO;
        }
        *result = visit(context, header);
        if (*result || !(header->nlmsg_flags & NLM_F_MULTI))
            return 1;
    }
    return 0;
}

int linux_sock_diag(struct nlmsghdr *request, size_t length,
                    int (*visit)(void *context, const struct nlmsghdr *message), void *context)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return -errno;
    request->nlmsg_len = (uint32_t)length;
    request->nlmsg_type = SOCK_DIAG_BY_FAMILY;
    request->nlmsg_flags |= NLM_F_REQUEST;
    int state = request->nlmsg_flags & NLM_F_DUMP ? ask_for_long_parts(fd) : 0, result = 0;
    if (state == 0 && send(fd, request, length, 0) < 0)
        state = -errno;
    while (state == 0) {
        void *part = NULL;
        ssize_t got = receive(fd, &part);
        state = got < 0 ? (int)got : look(part, got, visit, context, &result);
        free(part);
    }
    return state < 0 ? state : result;
}
