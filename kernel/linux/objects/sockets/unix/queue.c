/* queue.c: what waits in a Unix socket, described: bytes and datagrams, who sent them, and the
 * capabilities in flight with them. */
#include "kernel/linux/objects/sockets/unix/diag.h"
#include "kernel/linux/objects/sockets/unix/name.h"
#include "kernel/linux/objects/sockets/unix/unix.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct name_search {
    const char *name;
    size_t length;
    uint32_t found;
};

static int same_name(void *context, const struct linux_unix_diag *diag)
{
    struct name_search *search = context;
    if (diag->type != SOCK_DGRAM || diag->name_length != search->length ||
        memcmp(diag->name, search->name, search->length) != 0)
        return 0;
    search->found = diag->inode;
    return 1;
}

/* Who sent a datagram: a socket inside, or only a name. */
static int put_sender(struct linux_kernel *kernel, const struct linux_socket_message *message,
                      struct recap_arena *arena, struct recap_value *record,
                      struct recap_error *error)
{
    const struct sockaddr_un *address = (const struct sockaddr_un *)&message->sender;
    size_t header = offsetof(struct sockaddr_un, sun_path);
    if (message->sender_length <= header)
        return 0;
    struct name_search search = {address->sun_path, message->sender_length - header, 0};
    linux_unix_diag_all(UINT32_MAX, same_name, &search);
    recap_badge sender = linux_unix_inside(kernel, search.found);
    if (search.found && !sender && !address->sun_path[0])
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "a datagram waits in the socket whose sender, %s, lives outside and "
                            "keeps its name",
                            linux_unix_name_text(arena, search.name, search.length));
    if (sender)
        recap_put_object(arena, record, "sender", sender);
    else
        recap_put_bytes(arena, record, "sender-name", search.name,
                        search.name[0] ? strnlen(search.name, search.length) : search.length);
    return 0;
}

static int put_message(struct linux_kernel *kernel, const struct linux_socket_message *message,
                       const recap_badge *carried, bool datagram, struct recap_arena *arena,
                       struct recap_value *list, struct recap_error *error)
{
    struct recap_value *record = recap_put_record(arena, list, NULL);
    recap_put_number(arena, record, "length", (int64_t)message->length);
    if (message->has_credentials && message->credentials.pid)
        linux_unix_credentials_put(arena, record, "credentials", &message->credentials);
    struct recap_value *objects =
        message->fd_count ? recap_put_list(arena, record, "carries") : NULL;
    for (size_t i = 0; i < message->fd_count; i++)
        recap_put_object(arena, objects, NULL, carried[i]);
    return datagram ? put_sender(kernel, message, arena, record, error) : 0;
}

/* 1 when something waits that can be looked at. */
static int something_waits(int fd, int type, struct recap_error *error)
{
    struct pollfd poll_one = {.fd = fd, .events = POLLIN | POLLPRI};
    int left = 0;
    if (poll(&poll_one, 1, 0) < 0)
        return recap_fail(error, -errno, "looking into a Unix socket");
    if (poll_one.revents & POLLPRI)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "out-of-band data waits in the socket");
    if (!(poll_one.revents & POLLIN))
        return 0;
    if (!(poll_one.revents & POLLERR) || type == SOCK_STREAM)
        return 1;
    if (ioctl(fd, FIONREAD, &left) == 0 && !left)
        return 0;
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "the socket holds an error that hides what waits in it");
}

int linux_unix_queue_describe(struct linux_kernel *kernel, recap_badge badge, int fd, int type,
                              struct recap_arena *arena, struct recap_object *object,
                              struct recap_value *ties, struct recap_error *error)
{
    const struct linux_unix_kept *kept = NULL;
    int result = something_waits(fd, type, error);
    if (result <= 0)
        return result;
    result = linux_unix_look(kernel, badge, fd, type, &kept, error);
    if (result < 0 || !kept->queue.count)
        return result;
    struct recap_value *list = recap_put_list(arena, ties, "queue");
    const recap_badge *carried = kept->carried;
    for (size_t i = 0; result == 0 && i < kept->queue.count; i++) {
        const struct linux_socket_message *message = &kept->queue.messages[i];
        result = put_message(kernel, message, carried, type == SOCK_DGRAM, arena, list, error);
        carried += message->fd_count;
    }
    object->content = kept->queue.size;
    return result;
}

ssize_t linux_unix_queue_content(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                                 void *buffer, size_t size, struct recap_error *error)
{
    (void)error;
    const struct linux_unix_kept *kept = linux_unix_kept(kernel, badge);
    if (!kept || offset >= kept->queue.size)
        return 0;
    if (size > kept->queue.size - offset)
        size = kept->queue.size - offset;
    memcpy(buffer, kept->queue.data + offset, size);
    return (ssize_t)size;
}
