/* send.c: descriptors that travel into the target with a batch.
 *
 * The target makes a datagram socket and stops; we take a descriptor of the same socket, and send
 * to its own address what the target then receives. No other socket has to exist, and nothing of it
 * is left when either side dies: without a message the target's receiving fails at once, its
 * numbers stay -1, and every call on them fails with EBADF.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* SCM_MAX_FD of the kernel: descriptors in one message. */
#define PER_MESSAGE 253

#define CALL(...) ((const uint64_t[6]){__VA_ARGS__})

static uint64_t argument(uint64_t entry, int index)
{
    return entry + offsetof(struct linux_entry, arguments) + (uint64_t)index * 8;
}

/* The receiving call of up to PER_MESSAGE descriptors from token `first` on. Returns where its
 * first argument is. */
static uint64_t receive(struct linux_sequence *sequence, size_t first, size_t count)
{
    struct linux_batch *batch = sequence->batch;
    size_t control_size = CMSG_SPACE(count * sizeof(int));
    uint64_t control = linux_batch_put(batch, NULL, control_size);
    uint64_t data = linux_batch_put(batch, NULL, 16);
    struct {
        struct iovec iov;
        struct msghdr header;
    } message = {0};
    uint64_t place = linux_batch_put(batch, NULL, sizeof message);
    void *mirror = linux_batch_mirror(batch, control);
    if (!mirror || !place)
        return 0;
    memset(mirror, 0xff, control_size);
    message.iov = (struct iovec){(void *)data, 1};
    message.header.msg_iov = (struct iovec *)place;
    message.header.msg_iovlen = 1;
    message.header.msg_control = (void *)control;
    message.header.msg_controllen = CMSG_LEN(count * sizeof(int));
    memcpy(linux_batch_mirror(batch, place), &message, sizeof message);
    for (size_t i = 0; i < count; i++)
        batch->tokens[first + i].landing = control + CMSG_LEN(i * sizeof(int));
    uint64_t call = 0;
    linux_sequence_call(sequence, SYS_recvmsg,
                        CALL(UINT64_MAX, place + offsetof(__typeof__(message), header),
                             MSG_DONTWAIT | MSG_CMSG_CLOEXEC),
                        &call);
    return argument(call, 0);
}

/* Copies each number to the calls that use it and to the one that closes it. */
static void distribute(struct linux_sequence *sequence)
{
    struct linux_batch *batch = sequence->batch;
    size_t count = batch->use_count + batch->token_count;
    for (size_t done = 0; done < count;) {
        size_t part = count - done < IOV_MAX ? count - done : IOV_MAX;
        uint64_t iov = linux_batch_put(batch, NULL, 2 * part * sizeof(struct iovec));
        struct iovec *local = linux_batch_mirror(batch, iov);
        size_t pairs = 0;
        if (!local)
            return;
        struct iovec *remote = local + part;
        for (size_t i = done; i < done + part; i++) {
            const struct linux_token *token;
            uint64_t to;
            if (i < batch->use_count) {
                const struct linux_use *use = &batch->uses[i];
                struct linux_call *call = &batch->calls[use->call];
                token = &batch->tokens[use->token];
                to = argument(call->address, use->argument);
                call->entry->arguments[use->argument] = UINT32_MAX;
            } else {
                token = &batch->tokens[i - batch->use_count];
                to = argument(token->closing, 0);
            }
            if (token->keep && i >= batch->use_count)
                continue;
            local[pairs] = (struct iovec){(void *)to, sizeof(int)};
            remote[pairs++] = (struct iovec){(void *)token->landing, sizeof(int)};
        }
        linux_sequence_call(
            sequence, SYS_process_vm_readv,
            CALL(linux_batch_own_id(batch), iov, pairs, iov + part * sizeof *local, pairs), NULL);
        done += part;
    }
}

void linux_sending_before(struct linux_sequence *sequence, struct linux_sending *sending)
{
    struct linux_batch *batch = sequence->batch;
    struct linux_pd *pd = batch->pd;
    size_t messages = (batch->token_count + PER_MESSAGE - 1) / PER_MESSAGE;
    uint64_t *places = calloc(messages + 1, sizeof *places);
    uint64_t made = 0;
    if (!places) {
        recap_fail(&batch->error, -ENOMEM, "sending descriptors to process %d", pd->pid);
        return;
    }
    linux_sequence_call(sequence, SYS_socket, CALL(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC), &made);
    sending->number = made;
    linux_sequence_stop(sequence);
    struct linux_sequence receiving = {.batch = batch};
    for (size_t i = 0; i < messages; i++) {
        size_t first = i * PER_MESSAGE;
        size_t left = batch->token_count - first;
        places[i] = receive(&receiving, first, left < PER_MESSAGE ? left : PER_MESSAGE);
    }
    for (size_t i = 0; i < batch->token_count; i++)
        if (!batch->tokens[i].keep)
            batch->tokens[i].close =
                linux_batch_entry(batch, SYS_close, CALL(UINT32_MAX), &batch->tokens[i].closing);
    uint64_t closing = 0;
    linux_sequence_call(&receiving, SYS_close, CALL(UINT64_MAX), &closing);
    places[messages] = argument(closing, 0);
    linux_sequence_copy(sequence, sending->number, 8, places, messages + 1);
    if (batch->error.code == 0) {
        sequence->last->next = receiving.first;
        sequence->last = receiving.last;
        distribute(sequence);
    }
    free(places);
}

void linux_sending_after(struct linux_sequence *sequence)
{
    struct linux_batch *batch = sequence->batch;
    if (batch->error.code != 0)
        return;
    for (size_t i = 0; i < batch->token_count; i++)
        if (!batch->tokens[i].keep)
            linux_sequence_add(sequence, batch->tokens[i].close, batch->tokens[i].closing);
}

static int send_some(int socket, const struct sockaddr_un *name, socklen_t length,
                     const struct linux_token *tokens, size_t count)
{
    union {
        char bytes[CMSG_SPACE(PER_MESSAGE * sizeof(int))];
        struct cmsghdr align;
    } control;
    char byte = 0;
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_name = (void *)name,
                             .msg_namelen = length,
                             .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(header) + i * sizeof(int), &tokens[i].fd, sizeof(int));
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int linux_sending_send(struct linux_batch *batch, struct linux_sending *sending,
                       struct recap_error *error)
{
    struct linux_pd *pd = batch->pd;
    int64_t number;
    int code = linux_access_read(pd, sending->number, &number, sizeof number, error);
    if (code != 0)
        return code;
    if (number < 0) {
        recap_fail(error, (int)number, "opening a descriptor in process %d", pd->pid);
        if (number == -EMFILE || number == -EINVAL)
            recap_error_remedy(error, "its table of descriptors is full: raise its limit with "
                                      "prlimit --nofile");
        return (int)number;
    }
    int socket = linux_task_descriptor(pd->task, (int)number);
    if (socket < 0)
        return recap_fail(error, socket, "reaching descriptor %d of process %d", (int)number,
                          pd->pid);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    socklen_t length = sizeof name;
    /* A bind without a name has the kernel choose a free one, which goes with the socket. */
    if (bind(socket, (struct sockaddr *)&name, sizeof name.sun_family) != 0 ||
        getsockname(socket, (struct sockaddr *)&name, &length) != 0)
        code = recap_fail(error, -errno, "naming a socket of process %d", pd->pid);
    for (size_t done = 0; code == 0 && done < batch->token_count; done += PER_MESSAGE) {
        size_t left = batch->token_count - done;
        code = send_some(socket, &name, length, &batch->tokens[done],
                         left < PER_MESSAGE ? left : PER_MESSAGE);
        if (code != 0)
            recap_fail(error, code, "sending descriptors to process %d", pd->pid);
    }
    close(socket);
    return code;
}

void linux_sending_done(struct linux_batch *batch)
{
    for (size_t i = 0; i < batch->token_count; i++) {
        const int *number = linux_batch_mirror(batch, batch->tokens[i].landing);
        batch->tokens[i].arrived = number ? *number : -1;
    }
}
