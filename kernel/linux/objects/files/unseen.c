/* unseen.c: opening files so that nobody sees it.
 *
 * Whoever is told of a file by fanotify gets a descriptor of it from the kernel, of which no watch
 * hears anything. So we ask to be asked for permission, ask for the file, take the descriptor that
 * comes with the question, and refuse ourselves: an opening that was not permitted did not happen.
 * Nobody else's opening is refused, and while we would answer none the kernel lets us end.
 *
 * Without the privilege for that a file is only opened when no watch that we can see would report
 * it.
 */
#include "kernel/linux/objects/files/unseen.h"

#include "kernel/linux/objects/apart.h"
#include "kernel/linux/objects/outside.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/fanotify.h>
#include <time.h>
#include <unistd.h>

/* How long the question may take. Only a machine that is too busy to run the one who asks needs
 * more than an instant, and giving up early would let the opening through. */
enum { MODE = O_RDONLY | O_CLOEXEC | O_NONBLOCK, PATIENCE_MS = 30000, TRIES = 3 };

/* Asks for a file and waits for the permission, which we give: a thread of its own does. Once it
 * has begun it cannot be called off, but ends with us without having opened anything. */
struct asking {
    const char *path;
    int result; /* a descriptor or a negative errno */
    atomic_bool begun;
    atomic_bool done;
};

static void *ask(void *context)
{
    struct asking *asking = context;
    if (!atomic_exchange(&asking->begun, true)) {
        int fd = open(asking->path, MODE);
        asking->result = fd < 0 ? -errno : fd;
    }
    atomic_store(&asking->done, true);
    return NULL;
}

/* As long as this fails the asking one waits, and when we give up it gets what it asks for. */
static int answer(int group, int fd, unsigned response)
{
    const struct fanotify_response answer = {.fd = fd, .response = response};
    int tries = 0;
    while (write(group, &answer, sizeof answer) != (ssize_t)sizeof answer)
        if (++tries == TRIES)
            return -errno;
    return 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes the descriptor that comes with the question about our own opening. The kernel names the
 * process that asks as we know it. */
static int take_offered(int group, struct asking *asking, int *fd)
{
    struct pollfd ready = {.fd = group, .events = POLLIN};
    struct fanotify_event_metadata event = {.fd = -1};
    for (int64_t end = now_ms() + PATIENCE_MS;;) {
        if (now_ms() >= end || atomic_load(&asking->done))
            return -ETIMEDOUT;
        poll(&ready, 1, 10);
        if (read(group, &event, sizeof event) < (ssize_t)sizeof event || event.fd < 0)
            continue;
        if (event.pid == getpid())
            break;
        /* Somebody else's opening, which we only hold up. */
        answer(group, event.fd, FAN_ALLOW);
        close(event.fd);
    }
    int result = answer(group, event.fd, FAN_DENY);
    if (result < 0)
        close(event.fd);
    else
        *fd = event.fd;
    return result;
}

static int open_privileged(const char *path, bool directory, int *fd)
{
    int group = fanotify_init(FAN_CLASS_PRE_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK,
                              MODE | O_NOATIME | O_LARGEFILE);
    if (group < 0)
        return -EPERM;
    struct asking asking = {.path = path, .result = -EPERM};
    pthread_t thread;
    int offered = -1;
    int result = fanotify_mark(group, FAN_MARK_ADD, FAN_OPEN_PERM | (directory ? FAN_ONDIR : 0),
                               AT_FDCWD, path) < 0
                     ? -EPERM
                     : -pthread_create(&thread, NULL, ask, &asking);
    bool running = result == 0;
    if (running)
        result = take_offered(group, &asking, &offered);
    /* It is called off if it has not even begun. */
    atomic_exchange(&asking.begun, true);
    /* Whatever still waits for an answer is let go with it. */
    close(group);
    if (running)
        pthread_join(thread, NULL);
    if (asking.result >= 0)
        close(asking.result);
    if (result == 0)
        *fd = offered;
    return result;
}

/* The directory that a file is in, or was in when it had a name: 1, 0 when there is none, or a
 * negative errno. */
static int directory_of(int named, struct stat *status)
{
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", named);
    ssize_t length = linux_procfs_link(AT_FDCWD, link, path, sizeof path);
    if (length <= 0 || path[0] != '/')
        return length < 0 ? (int)length : 0;
    char *slash = strrchr(path, '/');
    slash[slash == path] = '\0';
    int result = stat(path, status) == 0 ? 1 : -errno;
    return result == -ENOENT || result == -ENOTDIR || linux_procfs_hidden(result) ? 0 : result;
}

int linux_unseen_open(struct linux_kernel *kernel, const char *path, int *fd)
{
    char own[64];
    struct stat status, directory;
    __attribute__((cleanup(linux_close_descriptor))) int named = open(path, O_PATH | O_CLOEXEC);
    if (named < 0 || fstat(named, &status) < 0)
        return -errno;
    snprintf(own, sizeof own, "/proc/self/fd/%d", named);
    if (open_privileged(own, S_ISDIR(status.st_mode), fd) == 0)
        return 0;
    int has = directory_of(named, &directory);
    int watched = has < 0 ? has : linux_outside_watched(kernel, &status, has ? &directory : NULL);
    if (watched != 0)
        return watched < 0 ? watched : -EBUSY;
    int opened = open(own, MODE | O_NOATIME);
    if (opened < 0 && errno == EPERM)
        opened = open(own, MODE);
    if (opened < 0)
        return -errno;
    *fd = opened;
    return 0;
}

DIR *linux_unseen_list(struct linux_kernel *kernel, const char *path)
{
    int fd = -1;
    int result = linux_unseen_open(kernel, path, &fd);
    DIR *stream = result < 0 ? NULL : fdopendir(fd);
    if (!stream && fd >= 0)
        close(fd);
    if (result < 0)
        errno = -result;
    return stream;
}

struct by_handle {
    int mount;
    struct file_handle *handle;
    int fd;
};

/* A directory that is only named serves as the mount when it is the one that we are in. */
static int open_handle(void *context)
{
    struct by_handle *by = context;
    if (fchdir(by->mount) < 0)
        return -errno;
    by->fd = open_by_handle_at(AT_FDCWD, by->handle, O_PATH | O_CLOEXEC);
    return by->fd < 0 ? -errno : 0;
}

int linux_unseen_by_handle(const char *mount, struct file_handle *handle, int *fd)
{
    __attribute__((cleanup(linux_close_descriptor))) int named =
        open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct by_handle by = {.mount = named, .handle = handle, .fd = -1};
    int result = named < 0 ? -errno : linux_apart(CLONE_FILES, open_handle, &by);
    if (result == 0)
        *fd = by.fd;
    return result;
}
