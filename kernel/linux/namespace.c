/* namespace.c: entering a PID namespace of our own, and its init.
 *
 * clone(2), user_namespaces(7), pid_namespaces(7).
 */
#include "kernel/linux/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The namespace's process 1. Orphans of the namespace become its children. The pipe says when the
 * caller is gone: from then on, no child means that the component has ended. */
static _Noreturn void be_init(int lifeline)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, "recap-init");
    if (dup2(lifeline, 0) < 0 || close_range(1, ~0u, 0) < 0)
        _exit(1);
    char byte;
    while (read(0, &byte, 1) < 0 && errno == EINTR)
        ;
    while (wait(NULL) > 0 || errno == EINTR)
        ;
    _exit(0);
}

static int write_map(const char *path, const char *text, struct recap_error *error)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return recap_fail(error, -errno, "opening %s", path);
    ssize_t wrote = write(fd, text, strlen(text));
    int code = wrote < 0 ? -errno : 0;
    close(fd);
    return code ? recap_fail(error, code, "writing \"%s\" to %s", text, path) : 0;
}

/* Every id stays what it is; the kernel lets an ordinary user map only its own. */
static int map_ids(uid_t uid, gid_t gid, struct recap_error *error)
{
    char line[64];
    int result = write_map("/proc/self/setgroups", "deny", error);
    snprintf(line, sizeof line, "%u %u 1", uid, uid);
    if (result == 0)
        result = write_map("/proc/self/uid_map", line, error);
    snprintf(line, sizeof line, "%u %u 1", gid, gid);
    if (result == 0)
        result = write_map("/proc/self/gid_map", line, error);
    return result;
}

static int start_init(struct linux_kernel *kernel, struct recap_error *error)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return recap_fail(error, -errno, "making a pipe");
    pid_t init = fork();
    if (init == 0) {
        close(ends[1]);
        be_init(ends[0]);
    }
    int code = -errno;
    close(ends[0]);
    if (init < 0) {
        close(ends[1]);
        return recap_fail(error, code, "starting the init of a PID namespace");
    }
    kernel->lifeline = ends[1];
    return 0;
}

int linux_namespace_enter(struct linux_kernel *kernel, struct recap_error *error)
{
    if (kernel->own_namespace)
        return 0;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(CLONE_NEWPID) < 0) {
        if (errno != EPERM)
            return recap_fail(error, -errno, "entering a PID namespace");
        if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0) {
            recap_fail(error, -errno,
                       "this user may neither choose process ids nor make user namespaces");
            recap_error_remedy(error, "run recap with CAP_CHECKPOINT_RESTORE, or allow user "
                                      "namespaces (user.max_user_namespaces, "
                                      "kernel.unprivileged_userns_clone)");
            return error ? error->code : -EPERM;
        }
        int result = map_ids(uid, gid, error);
        if (result < 0)
            return result;
    }
    int result = start_init(kernel, error);
    if (result == 0)
        kernel->own_namespace = true;
    return result;
}

void linux_namespace_leave(struct linux_kernel *kernel)
{
    if (kernel->own_namespace)
        close(kernel->lifeline);
}
