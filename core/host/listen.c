/* listen.c: accepts clients and has a process forked for each. This process holds nothing of a
 * client's, reads nothing that a client sends and does nothing for it, so that no client can hold
 * up another. */
#include "core/host/listen.h"
#include "core/host/children.h"
#include "files/name.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct core {
    int socket;
    struct core_children children;
    struct pollfd *polls; /* the socket, then the children's wishes */
    size_t poll_count;
    bool exhausted; /* a client waits for whom there are no descriptors */
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
    if (result == 0 && listen(made, SOMAXCONN) < 0)
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

static void accept_client(struct core *core)
{
    struct core_identity identity = {0};
    struct recap_error why = {0};
    int socket = accept4(core->socket, NULL, NULL, SOCK_CLOEXEC);
    core->exhausted = socket < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM);
    if (socket < 0)
        return;
    int result = core_identity_of_peer(socket, &identity, &why);
    if (result == 0 && !core_identity_servable(&identity))
        result =
            recap_refuse(&why, RECAP_FAILED, -EPERM, "this core serves user %u and not user %u",
                         (unsigned)geteuid(), (unsigned)identity.uid);
    if (result == 0) {
        result = core_children_serve(&core->children, socket, &identity);
        if (result == -EAGAIN)
            recap_refuse(&why, RECAP_FAILED, result,
                         "core serves no more than %zu clients and sessions of one user",
                         core->children.options->clients);
        else if (result < 0)
            recap_fail(&why, result, "serving a client");
    }
    if (result < 0)
        core_children_refuse(socket, &why);
    core_identity_clear(&identity);
}

static int make_polls(struct core *core)
{
    size_t count = core->children.count + 1;
    if (count <= core->poll_count)
        return 0;
    struct pollfd *larger = reallocarray(core->polls, count * 2, sizeof *larger);
    if (!larger)
        return -ENOMEM;
    core->polls = larger;
    core->poll_count = count * 2;
    return 0;
}

/* One round; `timeout` NULL: for ever. Each client gets one thing done in it. */
static int serve_round(struct core *core, const struct timespec *timeout, struct recap_error *error)
{
    /* Without descriptors it would be told of the next client all the time. */
    const struct timespec later = {.tv_nsec = 200 * 1000 * 1000};
    size_t count = core->children.count;
    int result = make_polls(core);
    if (result < 0)
        return recap_fail(error, result, "waiting for clients");
    bool accepting = !ending && !core->exhausted;
    core->polls[0] = (struct pollfd){.fd = accepting ? core->socket : -1, .events = POLLIN};
    for (size_t i = 0; i < count; i++)
        core->polls[i + 1] =
            (struct pollfd){.fd = ending ? -1 : core->children.items[i].wishes, .events = POLLIN};
    int ready = ppoll(core->polls, count + 1, core->exhausted && !timeout ? &later : timeout,
                      &core->waiting);
    if (ready < 0 && errno != EINTR)
        return recap_fail(error, -errno, "waiting for clients");
    core->exhausted = false;
    for (size_t i = 0; ready > 0 && i < count; i++)
        if (core->polls[i + 1].revents)
            core_children_hear(&core->children, i);
    if (ready > 0 && core->polls[0].revents)
        accept_client(core);
    core_children_reap(&core->children);
    return 0;
}

/* They let go of what they hold at the end of the request that they serve. Who does not even end
 * when it is killed waits for something that the kernel waits for, and is not waited for. */
static void wind_up(struct core *core)
{
    enum { TICKS_EACH = 100 };
    const struct timespec tick = {.tv_nsec = 100 * 1000 * 1000};
    const int numbers[] = {SIGTERM, SIGKILL};
    for (size_t n = 0; n < 2; n++) {
        core_children_signal(&core->children, numbers[n]);
        for (int i = 0; i < TICKS_EACH && core->children.count; i++)
            serve_round(core, &tick, NULL);
    }
}

/* As many clients as there may be descriptors; none of them inherits it. */
static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int core_listen_run(int socket, const struct core_listen_options *options,
                    struct recap_error *error)
{
    struct core core = {.socket = socket, .children.options = options};
    struct sigaction action = {.sa_handler = on_signal};
    int result = 0;
    raise_limit();
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
    signal(SIGXFSZ, SIG_IGN);
    /* Components that are restored live on when the process that made them ends: as ours. */
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    while (result == 0 && !ending)
        result = serve_round(&core, NULL, error);
    wind_up(&core);
    core_children_clear(&core.children);
    free(core.polls);
    return result;
}
