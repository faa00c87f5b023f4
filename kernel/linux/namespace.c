/* namespace.c: restoring into PID and user namespaces of one's own, and their first process.
 *
 * The first process of a PID namespace ends all others when it ends. Ours learns through a pipe
 * which processes to wait for; when the pipe closes before any was named, the restore did not come
 * to its end, and the namespace goes.
 */
#include "kernel/linux/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t length = (ssize_t)strlen(text);
    int code = write(fd, text, (size_t)length) == length ? 0 : -errno;
    close(fd);
    return code;
}

int linux_namespace_map_ids(uid_t user, gid_t group)
{
    char text[64];
    int code = write_text("/proc/self/setgroups", "deny");
    if (code != 0 && code != -ENOENT)
        return code;
    snprintf(text, sizeof text, "%u %u 1", user, user);
    code = write_text("/proc/self/uid_map", text);
    snprintf(text, sizeof text, "%u %u 1", group, group);
    return code ? code : write_text("/proc/self/gid_map", text);
}

static int separate(struct recap_error *error)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(CLONE_NEWPID) == 0)
        return 0;
    int code = -errno;
    if (code == -EPERM) {
        code = unshare(CLONE_NEWUSER | CLONE_NEWPID) == 0 ? linux_namespace_map_ids(user, group)
                                                          : -errno;
        if (code == 0)
            return 0;
    }
    recap_fail(error, code, "entering namespaces of our own to choose process ids");
    recap_error_remedy(error,
                       "run as root, or with CAP_CHECKPOINT_RESTORE, or allow user namespaces "
                       "(sysctl user.max_user_namespaces)");
    return code;
}

/* Waits for the restored processes, which are no children of ours, and then for what they leave
 * behind, which becomes ours. */
__attribute__((noreturn)) static void outlast_all(int restored, size_t count)
{
    struct epoll_event ended;
    while (count) {
        int got = epoll_wait(restored, &ended, 1, -1);
        if (got < 0 && errno != EINTR)
            break;
        count -= got > 0;
    }
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
        ;
    _exit(0);
}

/* Whether its end will be told by `restored`; it may have come to it. */
static bool watch(int restored, pid_t id)
{
    int process = (int)syscall(SYS_pidfd_open, id, 0);
    struct epoll_event end = {.events = EPOLLIN | EPOLLONESHOT};
    return process >= 0 && epoll_ctl(restored, EPOLL_CTL_ADD, process, &end) == 0;
}

/* The first process of the namespace. Orphans are reaped by the kernel. */
__attribute__((noreturn)) static void be_first(int orders)
{
    signal(SIGCHLD, SIG_IGN);
    prctl(PR_SET_NAME, "recap-init");
    if (orders != 0)
        dup2(orders, 0);
    syscall(SYS_close_range, 1, ~0U, 0);
    setsid();
    int restored = epoll_create1(0);
    if (chdir("/") != 0 || restored < 0)
        _exit(1);
    size_t count = 0;
    pid_t id;
    ssize_t got;
    bool named = false;
    while ((got = read(0, &id, sizeof id)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        if (got != sizeof id)
            continue;
        named = true;
        count += watch(restored, id);
    }
    if (!named)
        _exit(0);
    outlast_all(restored, count);
}

int linux_namespace_enter(struct linux_kernel *kernel, struct recap_error *error)
{
    int ends[2];
    if (kernel->own_namespace)
        return 0;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return recap_fail(error, -errno, "entering namespaces of our own");
    int code = separate(error);
    pid_t first = code == 0 ? fork() : -1;
    if (first == 0) {
        close(ends[1]);
        be_first(ends[0]);
    }
    close(ends[0]);
    if (first < 0) {
        code = code ? code : recap_fail(error, -errno, "making the first process of a namespace");
        close(ends[1]);
        return code;
    }
    kernel->own_namespace = true;
    kernel->lifeline = ends[1];
    kernel->namespace_first = first;
    return 0;
}

int linux_namespace_keep(struct linux_kernel *kernel, pid_t id, struct recap_error *error)
{
    if (!kernel->own_namespace)
        return 0;
    kernel->namespace_kept = true;
    if (write(kernel->lifeline, &id, sizeof id) != sizeof id)
        return recap_fail(error, -errno, "keeping the namespace of process %d", id);
    return 0;
}

void linux_namespace_leave(struct linux_kernel *kernel)
{
    if (!kernel->own_namespace)
        return;
    close(kernel->lifeline);
    if (!kernel->namespace_kept)
        waitpid(kernel->namespace_first, NULL, 0);
    kernel->own_namespace = false;
}
