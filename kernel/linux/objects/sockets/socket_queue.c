/* socket_queue.c: what waits in the receive queue of a socket, read without taking it.
 *
 * MSG_PEEK alone sees only the first datagram, and of a stream nothing beyond the first descriptors
 * in flight; with SO_PEEK_OFF each peek goes on where the one before ended. */
#include "kernel/linux/objects/sockets/socket_queue.h"
#include "kernel/linux/objects/apart.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    FIRST_ROOM = 256 * 1024,
    MOST_DESCRIPTORS = 253, /* that one message carries (SCM_MAX_FD) */
    CONTROL = 4096,
};

struct task {
    int fd;
    bool stream;
    bool packet; /* SOCK_SEQPACKET */
    struct linux_socket_queue *queue;
};

/* Grows a mapping to at least `needed` bytes. Takes no lock, unlike malloc. */
static int reserve(void *place, size_t *room, size_t needed)
{
    void **mapping = place;
    size_t wanted = *room ? *room : FIRST_ROOM;
    while (wanted < needed)
        wanted *= 2;
    if (wanted == *room)
        return 0;
    void *moved =
        *room ? mremap(*mapping, *room, wanted, MREMAP_MAYMOVE)
              : mmap(NULL, wanted, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (moved == MAP_FAILED)
        return -errno;
    *mapping = moved;
    *room = wanted;
    return 0;
}

void linux_socket_queue_clear(struct linux_socket_queue *queue)
{
    for (size_t i = 0; i < queue->fd_count; i++)
        if (queue->fds[i] >= 0)
            close(queue->fds[i]);
    if (queue->data_room)
        munmap(queue->data, queue->data_room);
    if (queue->message_room)
        munmap(queue->messages, queue->message_room);
    if (queue->fd_room)
        munmap(queue->fds, queue->fd_room);
    *queue = (struct linux_socket_queue){0};
}

static int take_control(struct linux_socket_queue *queue, struct linux_socket_message *message,
                        struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
        size_t length = c->cmsg_len - CMSG_LEN(0);
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_CREDENTIALS && length >= sizeof message->credentials) {
            memcpy(&message->credentials, CMSG_DATA(c), sizeof message->credentials);
            message->has_credentials = true;
        } else if (c->cmsg_type == SCM_RIGHTS) {
            memcpy(&queue->fds[queue->fd_count], CMSG_DATA(c), length);
            message->fd_count += length / sizeof(int);
            queue->fd_count += length / sizeof(int);
        }
    }
    return header->msg_flags & MSG_CTRUNC ? -EMFILE : 0;
}

static bool continues(const struct linux_socket_queue *queue,
                      const struct linux_socket_message *message)
{
    if (!queue->count || message->fd_count)
        return false;
    const struct linux_socket_message *last = &queue->messages[queue->count - 1];
    return !last->fd_count && last->has_credentials == message->has_credentials &&
           memcmp(&last->credentials, &message->credentials, sizeof last->credentials) == 0;
}

static int set_offset(const struct task *task, size_t offset)
{
    int value = (int)offset;
    return setsockopt(task->fd, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof value) < 0 ? -errno : 0;
}

static ssize_t peek(const struct task *task, struct linux_socket_message *message,
                    struct msghdr *header, char *control, char *data, size_t room)
{
    struct iovec part = {data, room};
    *message = (struct linux_socket_message){0};
    *header = (struct msghdr){.msg_iov = &part,
                              .msg_iovlen = 1,
                              .msg_name = &message->sender,
                              .msg_namelen = sizeof message->sender,
                              .msg_control = control,
                              .msg_controllen = CONTROL};
    ssize_t got =
        recvmsg(task->fd, header,
                MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC | (task->stream ? 0 : MSG_TRUNC));
    header->msg_iov = NULL;
    return got < 0 ? -errno : got;
}

static void drop_fds(struct linux_socket_queue *queue, size_t keep)
{
    while (queue->fd_count > keep)
        close(queue->fds[--queue->fd_count]);
}

/* A peek goes on from plain bytes into those that came with descriptors, and ends after them. How
 * many of the `length` bytes are plain is found by not having room for the last byte: the kernel
 * copies what was sent together or, faulting, nothing of it. */
static int find_plain(const struct task *task, size_t length, size_t *plain)
{
    struct linux_socket_queue *queue = task->queue;
    struct iovec parts[] = {{queue->data + queue->size, length - 1}, {(void *)1, 1}};
    struct msghdr header = {.msg_iov = parts, .msg_iovlen = 2};
    int result = set_offset(task, queue->size);
    ssize_t got = result < 0 ? result : recvmsg(task->fd, &header, MSG_PEEK | MSG_DONTWAIT);
    if (result < 0 || (got < 0 && errno != EFAULT) || got >= (ssize_t)length)
        return result < 0 ? result : got < 0 ? -errno : -EPROTO;
    *plain = got < 0 ? 0 : (size_t)got;
    return set_offset(task, queue->size + length);
}

static void append(const struct task *task, const struct linux_socket_message *message)
{
    struct linux_socket_queue *queue = task->queue;
    queue->size += message->length;
    if (task->stream && continues(queue, message))
        queue->messages[queue->count - 1].length += message->length;
    else
        queue->messages[queue->count++] = *message;
}

static int make_room(struct linux_socket_queue *queue, size_t room)
{
    int result = reserve(&queue->data, &queue->data_room, queue->size + room);
    if (result == 0)
        result = reserve(&queue->messages, &queue->message_room,
                         (queue->count + 2) * sizeof *queue->messages);
    if (result == 0)
        result = reserve(&queue->fds, &queue->fd_room,
                         (queue->fd_count + 2 * MOST_DESCRIPTORS) * sizeof *queue->fds);
    return result;
}

/* Peeks at the next message: 1, 0 when there is none, or a negative errno. */
static int peek_one(const struct task *task, size_t room)
{
    struct linux_socket_queue *queue = task->queue;
    _Alignas(struct cmsghdr) char control[CONTROL];
    struct linux_socket_message message;
    struct msghdr header;
    int result = make_room(queue, room);
    if (result < 0)
        return result;
    size_t fds_before = queue->fd_count;
    ssize_t got = peek(task, &message, &header, control, queue->data + queue->size, room);
    if (got == -EAGAIN || (got == 0 && task->stream))
        return 0;
    if (got >= 0)
        result = take_control(queue, &message, &header);
    if (got < 0 || result < 0)
        return got < 0 ? (int)got : result;
    if ((size_t)got > room || (task->stream && message.fd_count && (size_t)got == room)) {
        /* Larger than expected, or perhaps: once more with enough room, from where it starts. */
        drop_fds(queue, fds_before);
        result = set_offset(task, queue->size);
        return result < 0 ? result : peek_one(task, (size_t)got * 2);
    }
    message.length = (size_t)got;
    message.sender_length = header.msg_namelen;
    if (task->stream && message.fd_count) {
        struct linux_socket_message before = message;
        before.fd_count = 0;
        result = find_plain(task, message.length, &before.length);
        if (result < 0)
            return result;
        if (before.length)
            append(task, &before);
        message.length -= before.length;
    }
    append(task, &message);
    return 1;
}

/* Whether the queue is read to its end. A stream is never asked beyond it: it would answer with a
 * pending error, and forget that. A packet socket that was shut down answers 0 for ever there, as
 * it does for an empty packet. */
static bool at_end(const struct task *task, size_t total)
{
    const struct linux_socket_queue *queue = task->queue;
    if (task->stream || queue->size < total)
        return queue->size >= total;
    return task->packet && queue->count && !queue->messages[queue->count - 1].length;
}

/* Peeks at all `total` bytes of a stream at once, which needs no offset: 1, or 0 with nothing in
 * the queue when they do not come in one piece, or a negative errno. */
static int peek_whole(const struct task *task, size_t total)
{
    struct linux_socket_queue *queue = task->queue;
    _Alignas(struct cmsghdr) char control[CONTROL];
    struct linux_socket_message message;
    struct msghdr header;
    int result = make_room(queue, total);
    if (result < 0)
        return result;
    ssize_t got = peek(task, &message, &header, control, queue->data, total);
    if (got >= 0)
        result = take_control(queue, &message, &header);
    if (got != (ssize_t)total || result < 0 || queue->fd_count) {
        drop_fds(queue, 0);
        return 0;
    }
    message.length = total;
    append(task, &message);
    return 1;
}

static int peek_all(void *context)
{
    const struct task *task = context;
    int old, zero = 0, total = 0;
    socklen_t size = sizeof old;
    if (((task->stream || task->packet) && ioctl(task->fd, FIONREAD, &total) < 0) ||
        getsockopt(task->fd, SOL_SOCKET, SO_PEEK_OFF, &old, &size) < 0)
        return -errno;
    /* If recap is killed meanwhile, the program runs on at once, and could see another offset. */
    int result = task->stream && old < 0 && total > 0 ? peek_whole(task, (size_t)total) : 0;
    if (result != 0)
        return result < 0 ? result : 0;
    if (setsockopt(task->fd, SOL_SOCKET, SO_PEEK_OFF, &zero, sizeof zero) < 0)
        return -errno;
    result = 1;
    while (result > 0 && !at_end(task, (size_t)total))
        result = peek_one(task, FIRST_ROOM);
    if (setsockopt(task->fd, SOL_SOCKET, SO_PEEK_OFF, &old, sizeof old) < 0 && result >= 0)
        result = -errno;
    return result < 0 ? result : 0;
}

/* A stream without descriptors in flight is seen whole by one plain peek: 1 if that was so. */
static int peek_plainly(const struct task *task)
{
    struct linux_socket_queue *queue = task->queue;
    _Alignas(struct cmsghdr) char control[CONTROL];
    struct linux_socket_message message;
    struct msghdr header;
    int total = 0;
    if (ioctl(task->fd, FIONREAD, &total) < 0)
        return -errno;
    if (!total)
        return 1;
    int result = make_room(queue, (size_t)total);
    if (result < 0)
        return result;
    ssize_t got = peek(task, &message, &header, control, queue->data, (size_t)total);
    if (got < 0)
        return (int)got;
    result = take_control(queue, &message, &header);
    drop_fds(queue, 0);
    if (result < 0 || message.fd_count || got != total)
        return result;
    message.length = (size_t)got;
    append(task, &message);
    return 1;
}

int linux_socket_peek(int fd, int type, struct linux_socket_queue *queue, struct recap_error *error)
{
    struct linux_socket_queue found = {0};
    struct task task = {fd, type == SOCK_STREAM, type == SOCK_SEQPACKET, &found};
    int offset = -1;
    socklen_t size = sizeof offset;
    int result = 0;
    if (task.stream && getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &size) == 0 && offset < 0)
        result = peek_plainly(&task);
    if (result == 0)
        result = linux_apart(CLONE_FILES, peek_all, &task);
    if (result < 0) {
        linux_socket_queue_clear(&found);
        return recap_fail(error, result, "peeking at what waits in a socket");
    }
    *queue = found;
    return 0;
}
