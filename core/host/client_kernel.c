/* client_kernel.c: the kernel as the process that serves a client has it: within the client's
 * bounds, and without what is core's own. */
#include "core/host/client_kernel.h"
#include "kernel/linux/abi.h"
#include "kernel/linux/backend.h"
#include "kernel/linux/objects/sockets/unix/diag.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* The process serves one client, with a changed table: these are the original one, and the PD of a
 * session. */
static const struct recap_kernel_ops *original;
static struct recap_kernel_ops changed;
static struct recap_pd *pinned;
static const struct core_client *served;

void core_client_limit_space(pid_t pid, rlim_t bytes)
{
    struct rlimit limit;
    if (prlimit(pid, RLIMIT_AS, NULL, &limit) < 0)
        return;
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    prlimit(pid, RLIMIT_AS, &limit, NULL);
}

/* What this process may use is no matter of the PDs that it makes. */
static int create_unlimited(struct recap_kernel *kernel, const struct recap_graph *graph,
                            const struct recap_pd_image *plan, struct recap_pd **pd,
                            struct recap_error *error)
{
    struct rlimit before;
    int had = prlimit(0, RLIMIT_AS, NULL, &before);
    core_client_limit_space(0, RLIM_INFINITY);
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

/* A client names only what PDs hold: whatever else it wants it opens itself, where its own names
 * count, and gives it along the socket. Here a name could lead to what this process holds. */
static int bind_not_ours(struct recap_kernel *kernel, const char *spec, uint32_t rights,
                         recap_badge *badge, struct recap_error *error)
{
    static const char of_pd[] = "pid:";
    if (strncmp(spec, of_pd, sizeof of_pd - 1) != 0) {
        recap_refuse(error, RECAP_FAILED, -EPERM, "core opens nothing by name for a client");
        return recap_error_remedy(error, "open it and give it to core as a descriptor");
    }
    if (is_ours(strtoull(spec + sizeof of_pd - 1, NULL, 10)))
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
        if (!is_ours((*ids)[i]) && (*ids)[i] != (uint64_t)served->identity.pid)
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

/* The other end of the stream would keep it open for as long as this process holds it. */
static int adopt_not_ours(struct recap_kernel *kernel, int fd, recap_badge *badge,
                          struct recap_error *error)
{
    struct linux_unix_diag *stream = NULL;
    struct stat own, given;
    bool same = fstat(fd, &given) == 0 && S_ISSOCK(given.st_mode) &&
                fstat(CORE_CLIENT_SOCKET, &own) == 0 &&
                linux_unix_diag((uint32_t)own.st_ino, &stream) == 0 && stream->has_peer &&
                stream->peer == (uint32_t)given.st_ino;
    linux_unix_diag_free(stream);
    if (same)
        return recap_refuse(error, RECAP_FAILED, -EPERM,
                            "that is the client's connection to core, which goes with its client");
    return original->adopt(kernel, fd, badge, error);
}

int core_client_kernel_open(const struct core_client *client, struct recap_pd *session_of,
                            struct recap_kernel **kernel, struct recap_error *error)
{
    int result = recap_linux_open(kernel, error);
    if (result < 0)
        return result;
    served = client;
    pinned = session_of;
    original = (*kernel)->ops;
    changed = *original;
    changed.pd_create = create_unlimited;
    changed.bind = bind_not_ours;
    changed.adopt = adopt_not_ours;
    changed.list = list_others;
    changed.pd_open = open_not_ours;
    (*kernel)->ops = &changed;
    return 0;
}
