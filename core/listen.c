/* listen.c: accepts clients and forks a process for each. This process holds nothing of a client's
 * and does nothing for it, so that no client can hold up another. */
#include "core/listen.h"
#include "core/client.h"
#include "core/descriptor_stream.h"
#include "core/protocol.h"
#include "core/wire.h"
#include "files/name.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct child {
    pid_t pid;
    struct core_identity identity;
    int control; /* our end; -1 for sessions of one PD, which ask for nothing */
};

struct core {
    int socket;
    const struct core_listen_options *options;
    struct child *children;
    size_t count, capacity;
    struct pollfd *polls; /* the socket, then the children's; room for capacity + 1 */
    sigset_t blocked, waiting;
};

static volatile sig_atomic_t ending;

static void on_signal(int number)
{
    if (number != SIGCHLD)
        ending = 1;
}

/* Removes a socket that nobody listens at any more. */
static int make_way(const char *path, const struct sockaddr_un *name, struct recap_error *error)
{
    struct files_name at;
    struct stat status;
    int result = files_find(path, FILES_AS_IS, &at, error);
    if (result < 0)
        return result;
    bool there = files_look(&at, &status) == 0;
    if (at.others) {
        recap_refuse(error, RECAP_FAILED, -EPERM,
                     "others could put a socket of theirs in place of core's at %s", path);
        recap_error_remedy(error, "listen in a folder that only %s writes to",
                           geteuid() == 0 ? "root" : "you or root");
        result = -EPERM;
    } else if (there && S_ISSOCK(status.st_mode)) {
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (probe >= 0 && connect(probe, (const struct sockaddr *)name, sizeof *name) < 0 &&
            errno == ECONNREFUSED)
            files_remove(&at, &status);
        if (probe >= 0)
            close(probe);
    }
    files_name_clear(&at);
    return result;
}

int core_listen_at(const char *path, int *listener, struct recap_error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (!length || length >= sizeof name.sun_path)
        return recap_refuse(error, RECAP_USAGE, -ENAMETOOLONG,
                            "\"%s\" cannot be the path of a socket", path);
    memcpy(name.sun_path, path, length);
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (made < 0)
        return recap_fail(error, -errno, "making a socket");
    int result = make_way(path, &name, error);
    if (result < 0) {
        close(made);
        return result;
    }
    mode_t before = umask(geteuid() == 0 ? 0111 : 0177);
    result = bind(made, (struct sockaddr *)&name, sizeof name) < 0 ? -errno : 0;
    umask(before);
    if (result == 0 && listen(made, 64) < 0)
        result = -errno;
    if (result < 0) {
        close(made);
        return recap_fail(error, result, "listening at %s", path);
    }
    *listener = made;
    return 0;
}

int core_listen_inherited(int *listener, struct recap_error *error)
{
    enum { FIRST = 3 };
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    int listening = 0;
    socklen_t size = sizeof listening;
    if (!pid || !count || strtol(pid, NULL, 10) != getpid() || strtol(count, NULL, 10) < 1)
        return recap_refuse(error, RECAP_USAGE, -ENOENT, "there is no socket to listen at");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    if (getsockopt(FIRST, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) < 0 || !listening)
        return recap_refuse(error, RECAP_USAGE, -ENOTSOCK,
                            "what the service manager passed is no listening socket");
    /* One that is gone before it is accepted must not be waited for. */
    int flags = fcntl(FIRST, F_GETFL);
    if (flags < 0 || fcntl(FIRST, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(FIRST, F_SETFD, FD_CLOEXEC) < 0)
        return recap_fail(error, -errno, "taking over the socket of the service manager");
    *listener = FIRST;
    return 0;
}

static size_t count_of(const struct core *core, uid_t uid)
{
    size_t count = 0;
    for (size_t i = 0; i < core->count; i++)
        count += core->children[i].identity.uid == uid;
    return count;
}

/* Room for one more child. */
static int make_room(struct core *core)
{
    if (core->count < core->capacity)
        return 0;
    size_t capacity = core->capacity ? core->capacity * 2 : 16;
    struct child *children = reallocarray(core->children, capacity, sizeof *children);
    if (!children)
        return -ENOMEM;
    core->children = children;
    struct pollfd *polls = reallocarray(core->polls, capacity + 1, sizeof *polls);
    if (!polls)
        return -ENOMEM;
    core->polls = polls;
    core->capacity = capacity;
    return 0;
}

/* In the child: nothing of core's own, nor of other clients, is left open. */
static void forget_core(struct core *core)
{
    close(core->socket);
    for (size_t i = 0; i < core->count; i++)
        if (core->children[i].control >= 0)
            close(core->children[i].control);
}

/* Forks the process that serves `client`, whose identity becomes the child's. 0 or a negative
 * errno.
 */
static int spawn(struct core *core, struct core_client *client, struct core_identity *identity)
{
    int control[2] = {-1, -1};
    int result = make_room(core);
    if (result == 0 && count_of(core, identity->uid) >= core->options->clients)
        result = -EAGAIN;
    if (result == 0 && !client->confined &&
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
        result = -errno;
    if (result < 0)
        return result;
    client->identity = identity;
    client->memory = core->options->memory;
    client->patience_ms = core->options->patience_ms;
    client->control = control[1];
    pid_t pid = fork();
    result = pid < 0 ? -errno : 0;
    if (pid == 0) {
        struct sigaction plain = {.sa_handler = SIG_DFL};
        sigaction(SIGCHLD, &plain, NULL);
        sigaction(SIGINT, &plain, NULL);
        /* SIGTERM alone stays blocked: it waits for the end of a request. */
        sigset_t blocked;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        sigprocmask(SIG_SETMASK, &blocked, NULL);
        forget_core(core);
        if (control[0] >= 0)
            close(control[0]);
        pid_t *others = calloc(core->count + 1, sizeof *others);
        for (size_t i = 0; others && i < core->count; i++)
            others[client->other_count++] = core->children[i].pid;
        client->others = others;
        _exit(core_client_serve(client));
    }
    if (control[1] >= 0)
        close(control[1]);
    if (result < 0) {
        if (control[0] >= 0)
            close(control[0]);
        return result;
    }
    core->children[core->count++] = (struct child){pid, *identity, control[0]};
    *identity = (struct core_identity){0};
    return 0;
}

/* Says why, to whoever is there, if it can be said at once. */
static void turn_away(int socket, const struct recap_error *why)
{
    struct descriptor_stream stream;
    struct wire_out out = {0};
    descriptor_stream_init(&stream, socket, true);
    stream.patience = 0;
    struct wire_channel channel = {.stream = &stream.base, .frame_in = 4096, .frame_out = 4096};
    wire_put_error(&out, why);
    if (!out.failed)
        wire_send(&channel, ANSWER_ERROR, 0, out.data, out.length, -1);
    free(out.data);
    /* What it said is read: closing over it would take back what we said. */
    char said[4096];
    while (recv(socket, said, sizeof said, MSG_DONTWAIT) > 0)
        continue;
    shutdown(socket, SHUT_WR);
}

static void accept_client(struct core *core)
{
    struct core_identity identity = {0};
    struct recap_error why = {0};
    int socket = accept4(core->socket, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0)
        return;
    int result = core_identity_of_peer(socket, &identity, &why);
    if (result == 0 && !core_identity_servable(&identity))
        result =
            recap_refuse(&why, RECAP_FAILED, -EPERM, "this core serves user %u and not user %u",
                         (unsigned)geteuid(), (unsigned)identity.uid);
    if (result == 0) {
        struct core_client client = {.socket = socket, .ready = -1};
        result = spawn(core, &client, &identity);
        if (result == -EAGAIN)
            recap_refuse(&why, RECAP_FAILED, result,
                         "core serves no more than %zu clients and sessions of one user",
                         core->options->clients);
        else if (result < 0)
            recap_fail(&why, result, "serving a client");
    }
    if (result < 0)
        turn_away(socket, &why);
    core_identity_clear(&identity);
    close(socket);
}

/* A client's process asks for a session of one PD. That it does not get it shows in `ready`, which
 * is closed without a word. */
static void make_session(struct core *core, size_t index)
{
    struct core_session_wish wish;
    struct core_identity identity = {0};
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec bytes = {&wish, sizeof wish};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    struct child *child = &core->children[index];
    ssize_t got = recvmsg(child->control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    struct cmsghdr *c = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
    int fds[2] = {-1, -1};
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len <= CMSG_LEN(sizeof fds))
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        close(child->control);
        child->control = -1;
    }
    if (got == sizeof wish && wish.id && fds[1] >= 0 &&
        core_identity_copy(&child->identity, &identity) == 0) {
        struct core_client client = {.socket = fds[0], .confined = wish.id, .ready = fds[1]};
        spawn(core, &client, &identity);
    }
    core_identity_clear(&identity);
    for (size_t i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* Children, and what they made and left: components that were restored. */
static void reap(struct core *core)
{
    for (pid_t pid; (pid = waitpid(-1, NULL, WNOHANG)) > 0;)
        for (size_t i = 0; i < core->count; i++)
            if (core->children[i].pid == pid) {
                if (core->children[i].control >= 0)
                    close(core->children[i].control);
                core_identity_clear(&core->children[i].identity);
                core->children[i] = core->children[--core->count];
                break;
            }
}

/* One round; `timeout` NULL: for ever. */
static int serve_round(struct core *core, const struct timespec *timeout, struct recap_error *error)
{
    size_t count = core->count;
    core->polls[0] = (struct pollfd){.fd = ending ? -1 : core->socket, .events = POLLIN};
    for (size_t i = 0; i < count; i++)
        core->polls[i + 1] =
            (struct pollfd){.fd = ending ? -1 : core->children[i].control, .events = POLLIN};
    int ready = ppoll(core->polls, count + 1, timeout, &core->waiting);
    if (ready < 0 && errno != EINTR)
        return recap_fail(error, -errno, "waiting for clients");
    for (size_t i = 0; ready > 0 && i < count; i++)
        if (core->polls[i + 1].revents)
            make_session(core, i);
    if (ready > 0 && core->polls[0].revents)
        accept_client(core);
    reap(core);
    return 0;
}

static void signal_children(const struct core *core, int number)
{
    for (size_t i = 0; i < core->count; i++)
        kill(core->children[i].pid, number);
}

/* They let go of what they hold at the end of the request that they serve. */
static void wind_up(struct core *core)
{
    enum { SECONDS = 10 };
    const struct timespec tick = {.tv_nsec = 100 * 1000 * 1000};
    signal_children(core, SIGTERM);
    for (int i = 0; i < SECONDS * 10 && core->count; i++)
        serve_round(core, &tick, NULL);
    signal_children(core, SIGKILL);
    while (core->count && waitpid(core->children[core->count - 1].pid, NULL, 0) >= 0)
        core_identity_clear(&core->children[--core->count].identity);
}

int core_listen_run(int socket, const struct core_listen_options *options,
                    struct recap_error *error)
{
    struct core core = {.socket = socket, .options = options};
    struct sigaction action = {.sa_handler = on_signal};
    int result = make_room(&core);
    if (result < 0)
        return recap_fail(error, result, "serving");
    /* Only while it waits is it interrupted. */
    sigemptyset(&core.blocked);
    sigaddset(&core.blocked, SIGTERM);
    sigaddset(&core.blocked, SIGINT);
    sigaddset(&core.blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &core.blocked, &core.waiting);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGCHLD, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    /* Components that are restored live on when the process that made them ends: as ours. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    while (result == 0 && !ending)
        result = serve_round(&core, NULL, error);
    wind_up(&core);
    free(core.children);
    free(core.polls);
    return result;
}
