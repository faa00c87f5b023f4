/* client.c: the process that serves one client of a hosted core: with the client's own rights,
 * within bounds, and with nothing of core's own in reach. */
#include "core/client.h"
#include "core/descriptor_stream.h"
#include "core/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FRAME = 1024 * 1024,
    OWN_MEMORY =
        1024 * 1024 * 1024, /* address space for the backend, beside what the client holds */
};

/* The process serves one client with one kernel, whose table it changes: these are the original
 * one, and the PD of a session. */
static const struct recap_kernel_ops *original;
static struct recap_kernel_ops changed;
static struct recap_pd *pinned;
static const struct core_client *served;

static void set_address_space(pid_t pid, rlim_t bytes)
{
    struct rlimit limit;
    if (prlimit(pid, RLIMIT_AS, NULL, &limit) < 0)
        return;
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    prlimit(pid, RLIMIT_AS, &limit, NULL);
}

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

/* What this process may use is no matter of the PDs that it makes. */
static int create_unlimited(struct recap_kernel *kernel, const struct recap_graph *graph,
                            const struct recap_pd_image *plan, struct recap_pd **pd,
                            struct recap_error *error)
{
    struct rlimit before;
    int had = prlimit(0, RLIMIT_AS, NULL, &before);
    set_address_space(0, RLIM_INFINITY);
    int result = original->pd_create(kernel, graph, plan, pd, error);
    if (had == 0)
        prlimit(0, RLIMIT_AS, &before, NULL);
    return result;
}

static int refuse_own(struct recap_error *error)
{
    return recap_refuse(error, RECAP_FAILED, -EPERM,
                        "what core itself holds is not its client's to reach");
}

static pid_t parent_of(uint64_t pid)
{
    char path[48];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%llu/status", (unsigned long long)pid);
    FILE *file = fopen(path, "re");
    for (char line[256]; file && fgets(line, sizeof line, file);)
        if (sscanf(line, "PPid: %d", &parent) == 1)
            break;
    if (file)
        fclose(file);
    return parent;
}

/* Whether it is a process of core itself. */
static bool is_ours(uint64_t pid)
{
    if (pid == (uint64_t)getpid() || pid == (uint64_t)getppid())
        return true;
    for (size_t i = 0; i < served->other_count; i++)
        if ((uint64_t)served->others[i] == pid && parent_of(pid) == getppid())
            return true;
    return false;
}

/* "fd:N" would be a descriptor of this process; a client gives its own along the socket. */
static int bind_not_ours(struct recap_kernel *kernel, const char *spec, uint32_t rights,
                         recap_badge *badge, struct recap_error *error)
{
    if (strncmp(spec, "fd:", 3) == 0 ||
        (strncmp(spec, "pid:", 4) == 0 && is_ours(strtoull(spec + 4, NULL, 10))))
        return refuse_own(error);
    return original->bind(kernel, spec, rights, badge, error);
}

/* Nor is the client's own process listed, as it is not where it lists by itself. */
static int list_others(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                       struct recap_error *error)
{
    int result = original->list(kernel, ids, count, error);
    if (result < 0)
        return result;
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (!is_ours((*ids)[i]) && (*ids)[i] != (uint64_t)served->identity->pid)
            (*ids)[kept++] = (*ids)[i];
    *count = kept;
    return 0;
}

/* For a session: the id is its PD's only as long as that has not ended. */
static int open_not_ours(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                         struct recap_error *error)
{
    struct recap_pd *opened = NULL;
    struct recap_cap cap;
    if (is_ours(id))
        return refuse_own(error);
    int result = original->pd_open(kernel, id, &opened, error);
    if (result == 0 && pinned)
        result = original->request(pinned, 0, &cap, NULL, error);
    if (result < 0) {
        original->pd_close(opened);
        return result;
    }
    *pd = opened;
    return 0;
}

/* Asks core, which forks the process that serves it. */
static int hand_on(void *context, struct recap_pd *pd, int *fd, struct recap_error *error)
{
    const struct core_client *client = context;
    struct core_session_wish wish = {pd->id};
    struct recap_cap cap;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec bytes = {&wish, sizeof wish};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int ends[2], status[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return recap_fail(error, -errno, "making a session");
    if (pipe2(status, O_CLOEXEC) < 0) {
        int code = -errno;
        close(ends[0]);
        close(ends[1]);
        return recap_fail(error, code, "making a session");
    }
    const int sent[2] = {ends[1], status[1]};
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof sent);
    memcpy(CMSG_DATA(c), sent, sizeof sent);
    int result = sendmsg(client->control, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
    close(ends[1]);
    close(status[1]);
    struct pollfd ready = {.fd = status[0], .events = POLLIN};
    int answer = -EPIPE;
    if (result == 0 && poll(&ready, 1, client->patience_ms) == 1 &&
        read(status[0], &answer, sizeof answer) != sizeof answer)
        answer = -EAGAIN; /* core would not */
    result = result ? result : answer;
    close(status[0]);
    if (result < 0)
        recap_fail(error, result, "making a session of PD %llu", (unsigned long long)pd->id);
    else /* its id was this PD's all the time only if it has not ended by now */
        result = pd->kernel->ops->request(pd, 0, &cap, NULL, error);
    if (result < 0) {
        close(ends[0]);
        return result;
    }
    *fd = ends[0];
    return 0;
}

static int open_kernel(const struct core_client *client, struct recap_kernel **kernel)
{
    int result = core_identity_take_on(client->identity, NULL);
    if (result == 0)
        result = recap_linux_open(kernel, NULL);
    if (result < 0)
        return result;
    original = (*kernel)->ops;
    changed = *original;
    changed.pd_create = create_unlimited;
    changed.bind = bind_not_ours;
    changed.list = list_others;
    changed.pd_open = open_not_ours;
    (*kernel)->ops = &changed;
    return client->confined ? original->pd_open(*kernel, client->confined, &pinned, NULL) : 0;
}

static void end_on_signal(int number)
{
    (void)number; /* the read that it interrupts says the rest */
}

int core_client_serve(const struct core_client *client)
{
    struct recap_kernel *kernel = NULL;
    struct descriptor_stream stream;
    struct core_limits limits = {.frame = FRAME,
                                 .memory = client->memory,
                                 .confined = client->confined,
                                 .session = client->control < 0 ? NULL : hand_on,
                                 .context = (void *)client};
    struct sigaction action = {.sa_handler = end_on_signal};
    sigset_t listening;
    sigaction(SIGTERM, &action, NULL);
    sigprocmask(SIG_SETMASK, NULL, &listening);
    sigdelset(&listening, SIGTERM);
    served = client;
    int result = open_kernel(client, &kernel);
    if (client->ready >= 0) {
        ssize_t told = write(client->ready, &result, sizeof result);
        close(client->ready);
        if (told != sizeof result)
            result = -EPIPE;
    }
    if (result == 0) {
        set_address_space(0, address_space() + (rlim_t)client->memory * 2 + OWN_MEMORY);
        descriptor_stream_init(&stream, client->socket, true);
        stream.patience = -1;
        stream.hurry = client->patience_ms;
        stream.listening = &listening;
        result = core_serve(kernel, &stream.base, &limits);
        descriptor_stream_clear(&stream);
    }
    if (kernel) {
        kernel->ops->pd_close(pinned);
        kernel->ops->close(kernel);
    }
    return result == 0 || result == -EINTR ? 0 : 1;
}
