/* descriptor_stream.c: bytes, and descriptors beside them, over a descriptor. */
#include "core/host/descriptor_stream.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct descriptor_stream *own(struct core_stream *stream)
{
    return (struct descriptor_stream *)stream;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Waits until the descriptor is ready: 0, -ETIMEDOUT, -EINTR for a signal that it listens to,
 * -EOWNERDEAD. */
static int await(const struct descriptor_stream *stream, short events, int milliseconds)
{
    struct pollfd ready[] = {{.fd = stream->fd, .events = events},
                             {.fd = stream->speaker, .events = POLLIN}};
    milliseconds = stream->speaker_ended ? 0 : milliseconds;
    struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    for (;;) {
        int result = ppoll(ready, 2, milliseconds < 0 ? NULL : &time, stream->listening);
        if (result > 0)
            return ready[0].revents ? 0 : -EOWNERDEAD;
        if (result == 0)
            return stream->speaker_ended ? -EOWNERDEAD : -ETIMEDOUT;
        if (errno != EINTR || stream->listening ||
            (stream->wanted && !stream->wanted(stream->wanted_context)))
            return -errno;
    }
}

/* The pid is another process's only if that one has ended already. */
static void hear(struct descriptor_stream *stream, const struct cmsghdr *said)
{
    struct ucred who;
    memcpy(&who, CMSG_DATA(said), sizeof who);
    if (who.pid == stream->speaker_id && stream->speaker >= 0)
        return;
    drop(&stream->speaker);
    stream->speaker_id = who.pid;
    if (who.pid > 0)
        stream->speaker = (int)syscall(SYS_pidfd_open, who.pid, 0);
    stream->speaker_ended = who.pid > 0 && stream->speaker < 0 && errno == ESRCH;
}

/* Keeps the first descriptor that came with a message, and closes what nobody asked for. */
static void keep(struct descriptor_stream *stream, struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (stream->follows && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS)
            hear(stream, c);
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (stream->arrived < 0)
                stream->arrived = fd;
            else
                close(fd);
        }
    }
}

static ssize_t receive(struct descriptor_stream *stream, void *buffer, size_t size)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(4 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec bytes = {buffer, size};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(stream->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got >= 0)
        keep(stream, &message);
    return got;
}

/* How long the next bytes may take. */
static int patience(const struct descriptor_stream *stream)
{
    if (stream->follows && stream->speaker < 0 && stream->speaker_id >= 0 && !stream->since)
        return stream->unseen < INT32_MAX ? (int)stream->unseen : INT32_MAX;
    if (stream->hurry < 0 || !stream->since)
        return stream->patience;
    int64_t left = stream->since + stream->hurry - now_ms();
    left = left > 0 ? left : 0;
    return stream->patience >= 0 && stream->patience < left ? stream->patience : (int)left;
}

static ssize_t stream_read(struct core_stream *base, void *buffer, size_t size)
{
    struct descriptor_stream *stream = own(base);
    for (;;) {
        int result = await(stream, POLLIN, patience(stream));
        if (result < 0)
            return result;
        ssize_t got =
            base->take_fd ? receive(stream, buffer, size) : read(stream->fd, buffer, size);
        if (got > 0 && !stream->since)
            stream->since = now_ms();
        if (got >= 0)
            return got;
        if (errno == ECONNRESET || errno == EIO)
            return 0;
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
    }
}

static ssize_t send_some(struct descriptor_stream *stream, const void *buffer, size_t size)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec bytes = {(void *)buffer, size};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    if (stream->leaving >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &stream->leaving, sizeof(int));
    }
    ssize_t sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        drop(&stream->leaving);
    return sent;
}

static int stream_write(struct core_stream *base, const void *buffer, size_t size)
{
    struct descriptor_stream *stream = own(base);
    stream->since = 0;
    while (size) {
        ssize_t sent =
            base->send_fd ? send_some(stream, buffer, size) : write(stream->fd, buffer, size);
        if (sent < 0 && errno == EAGAIN) {
            int result =
                await(stream, POLLOUT, stream->patience < 0 ? stream->hurry : stream->patience);
            if (result < 0)
                return result;
            continue;
        }
        if (sent < 0 && errno != EINTR)
            return -errno;
        buffer = (const char *)buffer + (sent > 0 ? sent : 0);
        size -= sent > 0 ? (size_t)sent : 0;
    }
    return 0;
}

static int stream_send_fd(struct core_stream *base, int fd)
{
    struct descriptor_stream *stream = own(base);
    drop(&stream->leaving);
    stream->leaving = fd;
    return 0;
}

static int stream_take_fd(struct core_stream *base, int *fd)
{
    struct descriptor_stream *stream = own(base);
    if (stream->arrived < 0)
        return -ENOENT;
    drop(&stream->taken);
    *fd = stream->taken = stream->arrived;
    stream->arrived = -1;
    return 0;
}

void descriptor_stream_init(struct descriptor_stream *stream, int fd, bool carries)
{
    *stream = (struct descriptor_stream){.base = {.read = stream_read, .write = stream_write},
                                         .fd = fd,
                                         .patience = -1,
                                         .hurry = -1,
                                         .speaker = -1,
                                         .speaker_id = -1,
                                         .unseen = -1,
                                         .arrived = -1,
                                         .taken = -1,
                                         .leaving = -1};
    if (carries) {
        stream->base.send_fd = stream_send_fd;
        stream->base.take_fd = stream_take_fd;
    }
}

void descriptor_stream_follow(struct descriptor_stream *stream, int speaker)
{
    const int on = 1;
    stream->follows = setsockopt(stream->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
    stream->speaker = speaker;
}

void descriptor_stream_drop(struct descriptor_stream *stream)
{
    drop(&stream->arrived);
    drop(&stream->taken);
}

void descriptor_stream_clear(struct descriptor_stream *stream)
{
    descriptor_stream_drop(stream);
    drop(&stream->leaving);
    drop(&stream->speaker);
}
