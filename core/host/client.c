/* client.c: the process that serves one client of a hosted core: with the client's own rights,
 * within bounds, and with nothing of core's own in reach. */
#include "core/host/client.h"
#include "core/host/apart.h"
#include "core/host/client_kernel.h"
#include "core/host/descriptor_stream.h"
#include "core/protocol.h"
#include "core/server.h"
#include "core/wire.h"
#include "kernel/defaults.h"
#include "kernel/linux/abi.h"
#include "kernel/linux/backend.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    FRAME = 1024 * 1024,
    OWN_MEMORY =
        1024 * 1024 * 1024, /* address space for the backend, beside what the client holds */
};

/* What a client, or one holder of a session, is served with. */
struct service {
    const struct core_client *client;
    struct recap_pd *pinned; /* the PD of a session */
    struct descriptor_stream stream;
};

/* The address space that this process has already: with a sanitizer it is vast. */
static rlim_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    bool read = file && fscanf(file, "%llu", &pages) == 1;
    if (file)
        fclose(file);
    return read ? (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) : 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes what came with an answer, if anything did. */
static int receive_answer(int socket, struct core_session_answer *answer, int *fd)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec bytes = {answer, sizeof *answer};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
    *fd = -1;
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof *fd))
        memcpy(fd, CMSG_DATA(c), sizeof *fd);
    if (got < 0)
        return errno == EAGAIN ? 0 : -errno;
    return got == sizeof *answer ? 0 : -EPIPE;
}

/* The answer to that wish; those to earlier ones, which came too late, are passed over. */
static int await_answer(const struct core_client *client, uint64_t number, int *fd)
{
    int64_t end = now_ms() + client->patience_ms;
    for (int64_t left; (left = end - now_ms()) > 0;) {
        struct pollfd ready = {.fd = CORE_CLIENT_ANSWERS, .events = POLLIN};
        struct core_session_answer answer = {0};
        if (poll(&ready, 1, (int)left) < 0 && errno != EINTR)
            return -errno;
        int result = receive_answer(CORE_CLIENT_ANSWERS, &answer, fd);
        if (result < 0)
            return result;
        if (answer.number == number)
            return answer.result < 0 ? (int)answer.result : *fd < 0 ? -EPIPE : 0;
        if (*fd >= 0)
            close(*fd);
    }
    return -ETIMEDOUT;
}

/* Asks core, which forks the process that serves it. */
static int hand_on(void *context, struct recap_pd *pd, bool looks, int *fd,
                   struct recap_error *error)
{
    static uint64_t number;
    const struct core_client *client = ((const struct service *)context)->client;
    struct core_session_wish wish = {++number, pd->id, looks};
    struct recap_cap cap;
    int given = -1;
    int result = write(CORE_CLIENT_WISHES, &wish, sizeof wish) < 0 ? -errno : 0;
    result = result ? result : await_answer(client, number, &given);
    if (result == -EAGAIN)
        recap_refuse(error, RECAP_FAILED, result,
                     "core serves no more clients and sessions of this user");
    else if (result < 0)
        recap_fail(error, result, "making a session of PD %llu", (unsigned long long)pd->id);
    else /* its id was this PD's all the time only if it has not ended by now */
        result = pd->kernel->ops->request(pd, 0, &cap, NULL, error);
    if (result < 0) {
        if (given >= 0)
            close(given);
        return result;
    }
    *fd = given;
    return 0;
}

/* Tells whoever wished for this session how it went, and gives it the other end. */
static int report(const struct core_client *client, int result)
{
    struct core_session_answer answer = {client->number, result};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec bytes = {&answer, sizeof answer};
    struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
    const int given = CORE_CLIENT_GIVEN;
    if (result == 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof given);
        memcpy(CMSG_DATA(c), &given, sizeof given);
    }
    if (sendmsg(CORE_CLIENT_REPORT, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && result == 0)
        result = -errno;
    close(CORE_CLIENT_REPORT);
    close(CORE_CLIENT_GIVEN);
    return result;
}

void core_client_turn_away(int socket, const struct recap_error *why)
{
    struct descriptor_stream stream;
    struct wire_out out = {0};
    descriptor_stream_init(&stream, socket, true);
    stream.patience = 0;
    struct wire_channel channel = {.stream = &stream.base, .frame_in = FRAME, .frame_out = FRAME};
    wire_put_error(&out, why);
    if (!out.failed)
        wire_send(&channel, ANSWER_ERROR, 0, out.data, out.length, -1);
    free(out.data);
    shutdown(socket, SHUT_WR);
}

void core_client_fail(const struct core_client *client, int result)
{
    struct recap_error why;
    recap_fail(&why, result, "serving a client");
    if (client->confined)
        report(client, result);
    else
        core_client_turn_away(CORE_CLIENT_SOCKET, &why);
}

static int open_kernel(void *context, struct recap_kernel **kernel, struct recap_error *error)
{
    const struct service *service = context;
    return core_client_kernel_open(service->client, service->pinned, kernel, error);
}

/* Whatever came from the client goes too: it may be a copy of what it wants to see closed. */
static void close_kernel(void *context, struct recap_kernel *kernel)
{
    struct service *service = context;
    kernel_close(kernel);
    descriptor_stream_drop(&service->stream);
}

/* The PD of a session stays open in a kernel of its own, whatever the holder begins anew. */
static int pin(const struct core_client *client, struct recap_kernel **kernel,
               struct recap_pd **pinned)
{
    int result = recap_linux_open(kernel, NULL);
    return result ? result : (*kernel)->ops->pd_open(*kernel, client->confined, pinned, NULL);
}

/* Who speaks for the client: as long as nothing was said, the process that connected. */
static int first_speaker(const struct core_client *client)
{
    int speaker = -1;
    socklen_t size = sizeof speaker;
    if (client->confined)
        return -1;
    if (getsockopt(CORE_CLIENT_SOCKET, SOL_SOCKET, SO_PEERPIDFD, &speaker, &size) == 0)
        return speaker;
    return client->identity.pid > 0 ? (int)syscall(SYS_pidfd_open, client->identity.pid, 0) : -1;
}

/* One client, or one holder of a session after the other: what was held for a process, what it gave
 * among it, is let go when that process ends, whoever else holds the stream by then. */
static int serve_speaker(const struct core_client *client, struct recap_pd *pinned,
                         const sigset_t *listening, int speaker)
{
    enum { UNSEEN = 60 }; /* times the patience, for whom nothing tells whether it is there */
    struct service service = {.client = client, .pinned = pinned};
    const struct core_limits limits = {.frame = FRAME,
                                       .memory = client->memory,
                                       .confined = client->confined,
                                       .looks = client->looks,
                                       .open = open_kernel,
                                       .close = close_kernel,
                                       .session = client->confined ? NULL : hand_on,
                                       .context = &service};
    struct descriptor_stream *stream = &service.stream;
    descriptor_stream_init(stream, CORE_CLIENT_SOCKET, true);
    stream->hurry = client->patience_ms;
    stream->unseen = (int64_t)client->patience_ms * UNSEEN;
    stream->listening = listening;
    descriptor_stream_follow(stream, speaker);
    int result = core_serve(NULL, &stream->base, &limits);
    descriptor_stream_clear(stream);
    return result;
}

static void end_on_signal(int number)
{
    (void)number; /* the read that it interrupts says the rest */
}

int core_client_serve(const struct core_client *client)
{
    struct recap_kernel *holder = NULL;
    struct recap_pd *pinned = NULL;
    struct sigaction action = {.sa_handler = end_on_signal};
    sigset_t listening;
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_SETMASK, NULL, &listening);
    sigdelset(&listening, SIGTERM);
    int result = core_identity_take_on(&client->identity, NULL);
    /* A second one is the user's own where his quota of keys permits it; it is empty in any case.
     */
    if (result == 0)
        core_apart_keyring();
    if (client->confined)
        result = report(client, result ? result : pin(client, &holder, &pinned));
    else if (result < 0)
        core_client_fail(client, result);
    if (result == 0)
        core_client_limit_space(0, address_space() + (rlim_t)client->memory * 2 + OWN_MEMORY);
    for (int speaker = first_speaker(client); result == 0; speaker = -1) {
        result = serve_speaker(client, pinned, &listening, speaker);
        if (result != -EOWNERDEAD || !client->confined)
            break;
        result = 0;
    }
    if (holder) {
        holder->ops->pd_close(pinned);
        kernel_close(holder);
    }
    return result == 0 || result == -EINTR || result == -EOWNERDEAD ? 0 : 1;
}
