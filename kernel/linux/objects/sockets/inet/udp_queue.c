/* udp_queue.c: datagrams that wait in a UDP socket.
 *
 * They are sent again by whoever sent them if that socket is inside, else from a socket bound to
 * the sender's address for a moment: what came from another machine cannot be, and is refused. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/sockets/inet/address.h"
#include "kernel/linux/objects/sockets/inet/udp.h"
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/sockets/socket_queue.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void release(void *data)
{
    linux_socket_queue_clear(data);
    free(data);
}

/* Whether an address is one of this machine. */
static bool is_local(const struct sockaddr_storage *address)
{
    struct sockaddr_storage any_port = *address;
    __attribute__((cleanup(linux_close_descriptor))) int fd =
        socket(address->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    linux_inet_set_port(&any_port, 0);
    return fd >= 0 && bind(fd, (struct sockaddr *)&any_port, linux_inet_length(&any_port)) == 0;
}

int linux_udp_queue_describe(struct linux_kernel *kernel, recap_badge badge, int fd,
                             struct recap_arena *arena, struct recap_object *object,
                             struct recap_value *ties, struct recap_error *error)
{
    struct pollfd poll_one = {.fd = fd, .events = POLLIN};
    if (poll(&poll_one, 1, 0) <= 0 || !(poll_one.revents & POLLIN))
        return 0;
    struct linux_socket_queue *queue = linux_badge_kept(kernel, badge, release);
    if (!queue) {
        queue = calloc(1, sizeof *queue);
        if (!queue)
            return recap_fail(error, -ENOMEM, "looking into a UDP socket");
        linux_badge_keep(kernel, badge, queue, release);
    }
    linux_socket_queue_clear(queue);
    int result = linux_socket_peek(fd, SOCK_DGRAM, queue, error);
    if (result < 0 || !queue->count)
        return result;
    struct recap_value *list = recap_put_list(arena, ties, "queue");
    for (size_t i = 0; i < queue->count; i++) {
        const struct linux_socket_message *message = &queue->messages[i];
        if (!message->sender_length || !is_local(&message->sender))
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "a datagram from %s waits in the UDP socket, and nobody can send "
                                "it from there again",
                                message->sender_length ? linux_inet_text(arena, &message->sender)
                                                       : "nowhere");
        struct recap_value *record = recap_put_record(arena, list, NULL);
        recap_put_number(arena, record, "length", (int64_t)message->length);
        linux_inet_put(arena, record, "sender", &message->sender);
    }
    object->content = queue->size;
    return 0;
}

ssize_t linux_udp_queue_content(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                                void *buffer, size_t size, struct recap_error *error)
{
    (void)error;
    const struct linux_socket_queue *queue = linux_badge_kept(kernel, badge, release);
    if (!queue || offset >= queue->size)
        return 0;
    if (size > queue->size - offset)
        size = queue->size - offset;
    memcpy(buffer, queue->data + offset, size);
    return (ssize_t)size;
}

/* --- fill ------------------------------------------------------------------ */

/* The restored socket that sends with that address: -1 without one. */
static int inside_sender(struct linux_kernel *kernel, const struct recap_creation *creation,
                         const struct sockaddr_storage *sender)
{
    for (size_t i = 0; i < creation->graph->object_count; i++) {
        const struct recap_object *object = &creation->graph->objects[i];
        struct sockaddr_storage name;
        struct linux_home home;
        if (!object->kind || strcmp(object->kind, "udp") != 0 || object->external ||
            linux_inet_get(object->state, "name", sender->ss_family, &name) <= 0 ||
            linux_inet_port(&name) != linux_inet_port(sender) ||
            linux_badge_home(kernel, creation->badges[object->id], &home) < 0 || home.pid)
            continue;
        linux_inet_set_port(&name, 0);
        struct sockaddr_storage bare = *sender;
        linux_inet_set_port(&bare, 0);
        if (linux_inet_is_any(&name) || memcmp(&name, &bare, linux_inet_length(&bare)) == 0)
            return home.fd;
    }
    return -1;
}

/* Where the receiver is reached from the sender's address. */
static int destination(int fd, const struct sockaddr_storage *sender,
                       struct sockaddr_storage *address, struct recap_error *error)
{
    socklen_t size = sizeof *address;
    if (getsockname(fd, (struct sockaddr *)address, &size) < 0)
        return recap_fail(error, -errno, "refilling a UDP socket");
    if (linux_inet_is_any(address)) {
        uint16_t port = linux_inet_port(address);
        *address = *sender;
        linux_inet_set_port(address, port);
    }
    return 0;
}

/* Where others share the port, the kernel gives a datagram to the one that is connected to its
 * sender.
 */
static int connect_for_now(int fd, const struct sockaddr_storage *sender, struct recap_error *error)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    if (linux_socket_number(fd, SO_REUSEPORT) <= 0 && linux_socket_number(fd, SO_REUSEADDR) <= 0)
        return 0;
    if (connect(fd, sender ? (const struct sockaddr *)sender : &nobody,
                sender ? linux_inet_length(sender) : sizeof nobody) < 0)
        return recap_fail(error, -errno, "refilling a UDP socket");
    return 0;
}

static int send_again(struct linux_kernel *kernel, const struct recap_creation *creation, int fd,
                      const struct sockaddr_storage *sender, const char *data, size_t length,
                      struct recap_error *error)
{
    struct sockaddr_storage to;
    int result = destination(fd, sender, &to, error);
    if (result < 0)
        return result;
    __attribute__((cleanup(linux_close_descriptor))) int made = -1;
    int from = inside_sender(kernel, creation, sender);
    if (from < 0) {
        from = made = socket(sender->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        int on = 1;
        if (made >= 0)
            setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (made < 0 || bind(made, (const struct sockaddr *)sender, linux_inet_length(sender)) < 0)
            return recap_fail(error, -errno, "sending what waited in a UDP socket from port %u",
                              linux_inet_port(sender));
    }
    if (sendto(from, data, length, MSG_DONTWAIT, (struct sockaddr *)&to, linux_inet_length(&to)) <
        0)
        return recap_fail(error, -errno, "refilling a UDP socket");
    return 0;
}

static uint32_t received_memory(int fd)
{
    uint32_t memory[SK_MEMINFO_VARS] = {0};
    socklen_t size = sizeof memory;
    getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &size);
    return memory[SK_MEMINFO_RMEM_ALLOC];
}

/* Loopback hands a datagram over at once or, on another processor, very soon. */
static int wait_for_more(int fd, uint32_t before, struct recap_error *error)
{
    enum { ATTEMPTS = 1000 };
    for (int i = 0; i < ATTEMPTS; i++) {
        if (received_memory(fd) > before)
            return 0;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return recap_refuse(error, RECAP_FAILED, -EIO,
                        "a datagram that waited in a UDP socket did not arrive in it again");
}

int linux_udp_queue_fill(struct linux_kernel *kernel, const struct recap_creation *creation,
                         const struct recap_object *object, int fd, int family,
                         struct recap_error *error)
{
    enum { LARGEST = 65536 };
    uint64_t offset = 0;
    const struct recap_value *list = recap_items(recap_member(object->state, "ties"), "queue");
    for (const struct recap_value *v = list; v; v = v->next) {
        char data[LARGEST];
        int64_t length;
        struct sockaddr_storage sender;
        if (recap_get_number(v, "length", &length) < 0 || length < 0 || length > LARGEST ||
            (uint64_t)length > object->content - offset ||
            linux_inet_get(v, "sender", family, &sender) <= 0)
            return linux_state_damaged(object, "queue", error);
        for (int64_t at = 0; at < length;) {
            ssize_t got = creation->content(creation->context, object->id, offset + (uint64_t)at,
                                            data + at, (size_t)(length - at));
            if (got <= 0)
                return recap_fail(error, got ? (int)got : -EIO, "refilling a UDP socket");
            at += got;
        }
        uint32_t before = received_memory(fd);
        int result = connect_for_now(fd, &sender, error);
        if (result == 0)
            result = send_again(kernel, creation, fd, &sender, data, (size_t)length, error);
        if (result == 0)
            result = wait_for_more(fd, before, error);
        if (result == 0)
            result = connect_for_now(fd, NULL, error);
        if (result < 0)
            return result;
        offset += (uint64_t)length;
    }
    return 0;
}
