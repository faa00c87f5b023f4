/* fill.c: sending again what waited in a Unix socket. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/objects/sockets/unix/name.h"
#include "kernel/linux/objects/sockets/unix/unix.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST_DESCRIPTORS = 253 };

/* One message on its way back into a queue. */
struct sending {
    struct linux_pd *pd;
    const struct recap_creation *creation;
    const struct recap_object *object;
    struct recap_error *error;
    int type;
    int from; /* sends it */
    bool close_from;
    struct sockaddr_storage to;
    socklen_t to_length; /* 0: where `from` is connected to */
    const struct recap_value *credentials;
    int fds[MOST_DESCRIPTORS];
    size_t fd_count;
};

static void clear_sending(struct sending *sending)
{
    for (size_t i = 0; i < sending->fd_count; i++)
        close(sending->fds[i]);
    if (sending->close_from)
        close(sending->from);
}

socklen_t linux_unix_reach(struct linux_kernel *kernel, const struct recap_creation *creation,
                           const struct recap_object *object, struct sockaddr_storage *address)
{
    const struct linux_unix_kept *kept = linux_unix_kept(kernel, creation->badges[object->id]);
    struct sockaddr_un *un = (struct sockaddr_un *)address;
    const void *name;
    size_t length;
    if (recap_get_bytes(object->state, "name", &name, &length) < 0 || !length)
        return 0;
    if (!*(const char *)name)
        return linux_unix_address(name, length, un);
    if (!kept || kept->place < 0)
        return 0;
    char path[64];
    int used = snprintf(path, sizeof path, "/proc/self/fd/%d", kept->place);
    return linux_unix_address(path, (size_t)used, un);
}

static int own_descriptor(struct sending *sending, uint64_t object)
{
    if (!recap_graph_object(sending->creation->graph, object))
        return linux_state_damaged(sending->object, "queue", sending->error);
    int result = linux_badge_fd(sending->pd->kernel, sending->creation->badges[object],
                                &sending->from, sending->error);
    sending->close_from = result == 0;
    return result;
}

/* Who sends: the other end of a connection, the socket that sent it, or one made for the occasion.
 */
static int find_sender(struct sending *sending, const struct recap_value *message)
{
    const struct recap_value *ties = recap_member(sending->object->state, "ties");
    const struct linux_unix_kept *kept =
        linux_unix_kept(sending->pd->kernel, sending->creation->badges[sending->object->id]);
    uint64_t object;
    const void *name;
    size_t length;
    bool datagram = sending->type == SOCK_DGRAM;
    if (datagram && recap_get_object(message, "sender", &object) == 0) {
        sending->to_length =
            linux_unix_reach(sending->pd->kernel, sending->creation, sending->object, &sending->to);
        return own_descriptor(sending, object);
    }
    bool named = recap_get_bytes(message, "sender-name", &name, &length) == 0;
    if (!named && recap_get_object(ties, "peer", &object) == 0)
        return own_descriptor(sending, object);
    if (!named && kept && kept->other >= 0) {
        sending->from = kept->other;
        return 0;
    }
    sending->to_length =
        linux_unix_reach(sending->pd->kernel, sending->creation, sending->object, &sending->to);
    if (!datagram || !sending->to_length)
        return recap_refuse(sending->error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "nobody can send to the socket what waited in it");
    sending->from = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sending->from < 0)
        return recap_fail(sending->error, -errno, "refilling a socket");
    sending->close_from = true;
    return named ? linux_unix_bind(sending->pd->kernel, sending->from, name, length, NULL,
                                   sending->error)
                 : 0;
}

static int find_carried(struct sending *sending, const struct recap_value *message)
{
    for (const struct recap_value *v = recap_items(message, "carries"); v; v = v->next) {
        if (v->type != RECAP_OBJECT || sending->fd_count == MOST_DESCRIPTORS ||
            !recap_graph_object(sending->creation->graph, v->u.object))
            return linux_state_damaged(sending->object, "queue", sending->error);
        int result = linux_badge_fd(sending->pd->kernel, sending->creation->badges[v->u.object],
                                    &sending->fds[sending->fd_count], sending->error);
        if (result < 0)
            return result;
        sending->fd_count++;
    }
    return 0;
}

static void put_control(struct msghdr *header, char *room, int type, const void *data,
                        size_t length)
{
    struct cmsghdr *c = (struct cmsghdr *)(room + header->msg_controllen);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(c), data, length);
    header->msg_control = room;
    header->msg_controllen += CMSG_SPACE(length);
}

static bool get_credentials(const struct sending *sending, struct ucred *credentials)
{
    if (!linux_unix_credentials_get(sending->credentials, credentials))
        return false;
    if (credentials->pid == sending->pd->vpid)
        credentials->pid = sending->pd->pid;
    return true;
}

/* The restored process may always say who it is, which only a privileged caller may say for it. */
static bool must_act(const struct sending *sending, const struct ucred *credentials)
{
    return credentials->pid == sending->pd->pid && sending->pd->suspended && geteuid() != 0;
}

/* Has the restored process send. */
static int send_by_component(struct sending *sending, const struct ucred *credentials,
                             const char *data, size_t length)
{
    struct linux_batch *batch = linux_batch_new(sending->pd, 0);
    if (!batch)
        return recap_fail(sending->error, -ENOMEM, "refilling a socket");
    struct ucred own = *credentials;
    own.pid = sending->pd->vpid;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof own)] = {0};
    struct sockaddr_un *to = (struct sockaddr_un *)&sending->to;
    static const char ours[] = "/proc/self/fd/";
    if (sending->to_length && strncmp(to->sun_path, ours, sizeof ours - 1) == 0) {
        char path[sizeof to->sun_path];
        int used = snprintf(path, sizeof path, "/proc/%d/fd/%s", (int)getpid(),
                            to->sun_path + sizeof ours - 1);
        sending->to_length = linux_unix_address(path, (size_t)used, to);
    }
    struct iovec part = {(void *)linux_batch_put(batch, data, length), length};
    struct msghdr header = {.msg_iov = (void *)linux_batch_put(batch, &part, sizeof part),
                            .msg_iovlen = 1};
    put_control(&header, control, SCM_CREDENTIALS, &own, sizeof own);
    header.msg_control = (void *)linux_batch_put(batch, control, sizeof control);
    if (sending->to_length) {
        header.msg_name = (void *)linux_batch_put(batch, to, sending->to_length);
        header.msg_namelen = sending->to_length;
    }
    size_t token = linux_batch_send_fd(batch, sending->from);
    size_t call =
        linux_batch_call(batch, SYS_sendmsg, -1, linux_batch_put(batch, &header, sizeof header),
                         MSG_DONTWAIT | MSG_NOSIGNAL);
    linux_batch_use_fd(batch, token, call, 0);
    int result = linux_batch_run(batch, sending->error);
    if (result == 0)
        result = linux_batch_check(batch, call, "refilling a socket", sending->error);
    if (result == 0 && linux_batch_result(batch, call) != (int64_t)length)
        result = recap_fail(sending->error, -EMSGSIZE, "refilling a socket");
    linux_batch_free(batch);
    return result;
}

/* Sends `length` bytes, with what goes with the first of them. */
static int send_message(struct sending *sending, const char *data, size_t length)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(MOST_DESCRIPTORS * sizeof(int)) +
                                          CMSG_SPACE(sizeof(struct ucred))] = {0};
    struct ucred credentials = {0};
    bool first = true, known = sending->credentials && get_credentials(sending, &credentials);
    if (known && !sending->fd_count && must_act(sending, &credentials))
        return send_by_component(sending, &credentials, data, length);
    do {
        struct iovec part = {(char *)data, length};
        struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
        if (sending->to_length) {
            header.msg_name = &sending->to;
            header.msg_namelen = sending->to_length;
        }
        if (first && sending->fd_count)
            put_control(&header, control, SCM_RIGHTS, sending->fds,
                        sending->fd_count * sizeof(int));
        if (known)
            put_control(&header, control, SCM_CREDENTIALS, &credentials, sizeof credentials);
        ssize_t sent = sendmsg(sending->from, &header, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EPERM && known)
            return recap_refuse(sending->error, RECAP_FAILED, -EPERM,
                                "only root may send again what process %d had sent to a socket "
                                "that asks for credentials",
                                credentials.pid);
        if (sent < 0)
            return recap_fail(sending->error, -errno, "refilling a socket");
        data += sent;
        length -= (size_t)sent;
        first = false;
    } while (length && sending->type == SOCK_STREAM);
    return 0;
}

/* Sending under SO_PASSCRED gives a socket without a name one: not this time. */
static void pass_credentials(int fd, int on, int *old)
{
    socklen_t size = sizeof *old;
    if (old && getsockopt(fd, SOL_SOCKET, SO_PASSCRED, old, &size) < 0)
        *old = 0;
    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
}

static int refill_one(struct sending *sending, const struct recap_value *message, uint64_t offset,
                      size_t length)
{
    char *data = malloc(length + 1);
    int result = data ? 0 : recap_fail(sending->error, -ENOMEM, "refilling a socket");
    for (size_t at = 0; result == 0 && at < length;) {
        ssize_t got = sending->creation->content(sending->creation->context, sending->object->id,
                                                 offset + at, data + at, length - at);
        if (got <= 0)
            result = recap_fail(sending->error, got ? (int)got : -EIO, "refilling a socket");
        else
            at += (size_t)got;
    }
    sending->credentials = recap_member(message, "credentials");
    if (result == 0)
        result = find_sender(sending, message);
    if (result == 0)
        result = find_carried(sending, message);
    if (result == 0) {
        int old;
        pass_credentials(sending->from, 0, &old);
        result = send_message(sending, data, length);
        pass_credentials(sending->from, old, NULL);
    }
    free(data);
    return result;
}

int linux_unix_queue_fill(struct linux_pd *pd, const struct recap_creation *creation,
                          const struct recap_object *object, struct recap_error *error)
{
    uint64_t offset = 0;
    const struct recap_value *list = recap_items(recap_member(object->state, "ties"), "queue");
    for (const struct recap_value *v = list; v; v = v->next) {
        int64_t length;
        if (recap_get_number(v, "length", &length) < 0 || length < 0 ||
            (uint64_t)length > object->content - offset)
            return linux_state_damaged(object, "queue", error);
        __attribute__((cleanup(clear_sending))) struct sending sending = {
            .pd = pd,
            .creation = creation,
            .object = object,
            .error = error,
            .type = linux_unix_type_number(recap_text_or_null(object->state, "type")),
            .from = -1};
        int result = refill_one(&sending, v, offset, (size_t)length);
        if (result < 0)
            return result;
        offset += (uint64_t)length;
    }
    return 0;
}
