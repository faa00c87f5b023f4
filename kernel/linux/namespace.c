/* namespace.c: restoring into PID and user namespaces of one's own, and their first process.
 *
 * A PID namespace wants a /proc of its own, in which a process finds itself under its own number,
 * and that one a mount namespace. We work with the outer numbers until the components start: the
 * new /proc is made at once, by the first process, but put into its place last.
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
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

/* Users and groups stand for themselves: whatever is not mapped, we could not become anyway. */
static int write_maps(uid_t user, gid_t group)
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

/* The files of a process that may not be traced are root's. */
int linux_namespace_map_ids(uid_t user, gid_t group)
{
    int before = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    if (before != 1)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    int code = write_maps(user, group);
    if (before == 0)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    return code;
}

static int separate(struct recap_error *error)
{
    uid_t user = geteuid();
    gid_t group = getegid();
    if (unshare(CLONE_NEWPID | CLONE_NEWNS) == 0)
        return 0;
    int code = -errno;
    if (code == -EPERM) {
        code = unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) == 0
                   ? linux_namespace_map_ids(user, group)
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

/* A /proc of the caller's PID namespace, mounted nowhere yet; a negative errno where the kernel
 * permits none: parts of the outer one are hidden, and must stay so. */
static int make_proc(void)
{
    int system = fsopen("proc", FSOPEN_CLOEXEC);
    if (system < 0)
        return -errno;
    int result = fsconfig(system, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
    if (result == 0) {
        result = fsmount(system, FSMOUNT_CLOEXEC,
                         MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        result = result < 0 ? -errno : result;
    }
    close(system);
    return result;
}

/* One message, which carries a descriptor if `fd` is one. */
static int send_proc(int socket, int fd)
{
    char byte = 0;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {&byte, sizeof byte};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* The descriptor, or -1: there is none. The end of the sender is an end, too. */
static int receive_proc(int socket)
{
    char byte;
    int fd = -1;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)];
    struct iovec part = {&byte, sizeof byte};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t got;
    while ((got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        ;
    const struct cmsghdr *header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
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
    int proc = make_proc();
    if (chdir("/") != 0 || restored < 0 || send_proc(0, proc) < 0)
        _exit(1);
    if (proc >= 0)
        close(proc);
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
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
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
    kernel->own_proc = receive_proc(ends[1]);
    kernel->proc_is_outside = kernel->own_proc < 0;
    return 0;
}

int linux_namespace_show_proc(struct linux_kernel *kernel, struct recap_error *error)
{
    if (kernel->own_proc < 0)
        return 0;
    /* Those with whom the outer /proc is shared must not see it change. */
    if (mount(NULL, "/proc", NULL, MS_SLAVE, NULL) < 0 ||
        move_mount(kernel->own_proc, "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return recap_fail(error, -errno, "mounting a /proc of the namespace's own");
    close(kernel->own_proc);
    kernel->own_proc = -1;
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
    if (kernel->own_proc >= 0)
        close(kernel->own_proc);
    kernel->own_proc = -1;
    if (!kernel->namespace_kept)
        waitpid(kernel->namespace_first, NULL, 0);
    kernel->own_namespace = false;
}
