/* ended_process.c: processes that have ended and that pidfds still refer to. They have no number
 * any more; what is left is that several pidfds are of the same one, and how it ended.
 *
 * It is made by a child that ends in the same way. The child stays unreaped while Recap makes
 * pidfds of it, because nothing else can name it. */
#include "kernel/linux/objects/events/ended_process.h"
#include "kernel/linux/badges/badges.h"

#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* What Debian 12's headers lack (6.13): how the process of a pidfd ended. */
struct pidfd_info_64 {
    uint64_t mask;
    uint64_t control_group;
    uint32_t ids[11];
    int32_t exit_code;
};
enum { PIDFD_EXIT = 1 << 3, PIDFS_MAGIC = 0x50494446 };
#define PIDFD_INFO _IOWR(0xFF, 11, struct pidfd_info_64)

struct live_process {
    recap_badge pidfd;
};

struct made_process {
    pid_t pid;
};

static void release_live(void *data)
{
    free(data);
}

static void release_made(void *data)
{
    struct made_process *made = data;
    while (waitpid(made->pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
    free(made);
}

int linux_ended_process_of(struct linux_kernel *kernel, recap_badge badge,
                           const struct linux_description *description, recap_badge *process,
                           struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct statfs system;
    recap_badge inner;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    /* Before Linux 6.9 all anonymous files shared one inode, which says nothing. */
    bool told = fstatfs(fd, &system) == 0 && system.f_type == PIDFS_MAGIC;
    result = linux_badge_inner(kernel, linux_kind_ended_process.name, told,
                               told ? description->status.st_ino : badge, &inner, error);
    if (result < 0)
        return result;
    if (!linux_badge_kept(kernel, inner, release_live)) {
        struct live_process *live = malloc(sizeof *live);
        if (!live)
            return recap_fail(error, -ENOMEM, "entering a process that has ended");
        live->pidfd = badge;
        linux_badge_keep(kernel, inner, live, release_live);
    }
    *process = inner;
    return 0;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)description;
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    const struct live_process *live = linux_badge_kept(kernel, badge, release_live);
    if (!live)
        return recap_fail(error, -EINVAL, "nothing is known of a process that has ended");
    int result = linux_badge_fd(kernel, live->pidfd, &fd, error);
    if (result < 0)
        return result;
    struct pidfd_info_64 info = {.mask = PIDFD_EXIT};
    bool known = ioctl(fd, PIDFD_INFO, &info) == 0 && (info.mask & PIDFD_EXIT);
    struct recap_value *state = recap_record(arena);
    recap_put_number(arena, state, "ended", known ? info.exit_code : 0);
    object->label = "process that has ended";
    object->state = state;
    return 0;
}

static _Noreturn void end_as(int64_t status)
{
    if (WIFSIGNALED(status)) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(WTERMSIG(status), SIG_DFL);
        kill(getpid(), WTERMSIG(status));
        kill(getpid(), SIGKILL);
    }
    _exit(WEXITSTATUS(status));
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    int64_t status;
    if (recap_get_number(object->state, "ended", &status) < 0 || status < 0 || status > UINT16_MAX)
        return linux_state_damaged(object, "ended", error);
    struct made_process *made = malloc(sizeof *made);
    if (!made)
        return recap_fail(error, -ENOMEM, "making a process that has ended");
    /* Without an exit signal: nobody is told. */
    made->pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (made->pid == 0)
        end_as(status);
    if (made->pid < 0) {
        int code = -errno;
        free(made);
        return recap_fail(error, code, "making a process that has ended");
    }
    return linux_badge_made(kernel, linux_kind_ended_process.name, made, release_made, badge,
                            error);
}

int linux_ended_process_open(struct linux_kernel *kernel, recap_badge process, int *fd,
                             struct recap_error *error)
{
    /* An image may name any other object here. */
    const struct made_process *made = linux_badge_kept(kernel, process, release_made);
    if (!made)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                            "the image names as a process that has ended what is none");
    int opened = (int)syscall(SYS_pidfd_open, made->pid, 0);
    if (opened < 0)
        return recap_fail(error, -errno, "making a descriptor of a process that has ended");
    *fd = opened;
    return 0;
}

const struct linux_kind linux_kind_ended_process = {
    .name = "ended-process",
    .inner = true,
    .describe = describe,
    .create = create,
};
