/* socket_queue.h: what waits in the receive queue of a socket, read without taking it. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_QUEUE_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCKET_QUEUE_H

#include <recap/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* A datagram, or a run of a stream that the kernel keeps together. */
struct linux_socket_message {
    size_t length; /* its bytes follow those of the one before */
    struct sockaddr_storage sender;
    socklen_t sender_length;
    bool has_credentials;
    struct ucred credentials;
    size_t
        fd_count; /* descriptors of ours for what it carries; they follow those of the one before */
};

struct linux_socket_queue {
    char *data;
    size_t size;
    struct linux_socket_message *messages;
    size_t count;
    int *fds;
    size_t fd_count;
    size_t data_room, message_room, fd_room; /* bytes mapped */
};

/* Reads the whole queue of `fd`, a socket of that type whose other holders are stopped: its peek
 * offset is moved meanwhile, by a process that moves it back also when the caller is killed. A
 * socket other than a stream must not have a pending error: it would be taken. */
int linux_socket_peek(int fd, int type, struct linux_socket_queue *queue,
                      struct recap_error *error);
/* Frees the memory, and closes the descriptors that are not -1. */
void linux_socket_queue_clear(struct linux_socket_queue *queue);

#endif
