/* launch.c: executing recap anew for a client. What it has to know goes in a file without a name,
 * of which the kernel says that nobody can change it any more. */
#include "core/host/launch.h"
#include "core/host/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };

static int write_all(int fd, const void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t written = write(fd, (const char *)data + at, size - at);
        if (written < 0)
            return -errno;
        at += (size_t)written;
    }
    return 0;
}

static int read_all(int fd, void *data, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t got = read(fd, (char *)data + at, size - at);
        if (got <= 0)
            return got < 0 ? -errno : -EBADMSG;
        at += (size_t)got;
    }
    return 0;
}

/* The client, its groups, and the other clients' processes: both ends are one program. */
static int write_task(const struct core_client *client)
{
    const struct core_identity *identity = &client->identity;
    int fd = memfd_create("recap-client", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    int result = write_all(fd, client, sizeof *client);
    if (result == 0)
        result = write_all(fd, identity->groups, identity->group_count * sizeof *identity->groups);
    if (result == 0)
        result = write_all(fd, client->others, client->other_count * sizeof *client->others);
    if (result == 0 && (lseek(fd, 0, SEEK_SET) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0))
        result = -errno;
    if (result < 0)
        close(fd);
    return result < 0 ? result : fd;
}

/* The standard three are nobody's, and so is the task's place as yet; what has none is closed. */
static int place(const int descriptors[CORE_CLIENT_END])
{
    int away[CORE_CLIENT_END];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < CORE_CLIENT_END; i++) {
        bool nobodys = i < CORE_CLIENT_SOCKET || i == CORE_CLIENT_TASK;
        int from = nobodys ? null : descriptors[i];
        if (from < 0 || (away[i] = fcntl(from, F_DUPFD_CLOEXEC, CORE_CLIENT_END)) < 0)
            return -errno;
    }
    for (int i = 0; i < CORE_CLIENT_END; i++)
        if (dup2(away[i], i) < 0)
            return -errno;
    return syscall(SYS_close_range, CORE_CLIENT_END, ~0u, 0) < 0 ? -errno : 0;
}

static int leave_core(struct core_client *client)
{
    char *const arguments[] = {"recap", CORE_CLIENT_COMMAND, NULL}, *const environment[] = {NULL};
    int result = core_apart(client->model, &client->identity);
    int task = result < 0 ? result : write_task(client);
    if (task < 0)
        return task;
    if (dup2(task, CORE_CLIENT_TASK) < 0)
        return -errno;
    close(task);
    execve("/proc/self/exe", arguments, environment);
    return -errno;
}

_Noreturn void core_launch(struct core_client *client, const int descriptors[CORE_CLIENT_END])
{
    if (place(descriptors) == 0)
        core_client_fail(client, leave_core(client));
    _exit(1);
}

static int read_task(struct core_client *client)
{
    struct stat status;
    int result = read_all(CORE_CLIENT_TASK, client, sizeof *client);
    if (result < 0 || fstat(CORE_CLIENT_TASK, &status) < 0)
        return result < 0 ? result : -errno;
    struct core_identity *identity = &client->identity;
    size_t groups = identity->group_count, others = client->other_count;
    identity->groups = NULL;
    client->others = NULL;
    if (groups > (size_t)status.st_size || others > (size_t)status.st_size)
        return -EBADMSG;
    identity->groups = calloc(groups + 1, sizeof *identity->groups);
    client->others = calloc(others + 1, sizeof *client->others);
    if (!identity->groups || !client->others)
        return -ENOMEM;
    result = read_all(CORE_CLIENT_TASK, identity->groups, groups * sizeof *identity->groups);
    return result ? result
                  : read_all(CORE_CLIENT_TASK, client->others, others * sizeof *client->others);
}

int core_launched(struct core_client *client)
{
    int seals = fcntl(CORE_CLIENT_TASK, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS)
        return -ENOENT;
    for (int fd = CORE_CLIENT_SOCKET; fd < CORE_CLIENT_END; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return -errno;
    prctl(PR_SET_NAME, "recap", 0, 0, 0);
    int result = read_task(client);
    close(CORE_CLIENT_TASK);
    return result;
}
