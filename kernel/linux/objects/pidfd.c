/* pidfd.c: descriptors of processes: of the component's own, or of one that is gone. */
#include "kernel/linux/linux.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What Debian 12's headers lack (6.13): how the process of a pidfd ended. */
struct pidfd_info_64 {
    uint64_t mask;
    uint64_t control_group;
    uint32_t ids[11];
    int32_t exit_code;
};
enum { PIDFD_EXIT = 1 << 3, THREAD = O_EXCL };
#define PIDFD_INFO _IOWR(0xFF, 11, struct pidfd_info_64)

static bool recognise(const struct linux_description *description)
{
    return strcmp(description->link, "anon_inode:[pidfd]") == 0 ||
           strncmp(description->link, "pidfd:[", 7) == 0;
}

/* The last number of the line: what the process is in its own PID namespace. */
static int64_t innermost(const char *fdinfo)
{
    const char *numbers = linux_fdinfo_text(fdinfo, "NSpid");
    int64_t number = -1;
    for (char *end; numbers && *numbers != '\n'; numbers = end) {
        long next = strtol(numbers, &end, 10);
        if (end == numbers)
            break;
        number = next;
    }
    return number;
}

static bool is_of(void *context, recap_badge badge, struct linux_home home)
{
    (void)badge;
    return (home.pid ? home.pid : getpid()) == *(const pid_t *)context;
}

static int describe_gone(struct linux_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                         struct recap_object *object, struct recap_value *state,
                         struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    struct pidfd_info_64 info = {.mask = PIDFD_EXIT};
    bool known = ioctl(fd, PIDFD_INFO, &info) == 0 && (info.mask & PIDFD_EXIT);
    recap_put_number(arena, state, "ended", known ? info.exit_code : 0);
    object->label = "process that has ended";
    return 0;
}

static const char *process_label(pid_t pid, struct recap_arena *arena)
{
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    if (linux_procfs_read_into(AT_FDCWD, path, name, sizeof name) > 0)
        name[strcspn(name, "\n")] = '\0';
    return recap_arena_printf(arena, "process %d%s%s", pid, *name ? " " : "", name);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    const char *number = linux_fdinfo_text(description->fdinfo, "Pid");
    pid_t pid = number ? (pid_t)strtol(number, NULL, 10) : 0;
    struct recap_value *state = recap_record(arena);
    int result = linux_status_flags_describe(description, arena, state, error);
    if (result < 0)
        return result;
    object->state = state;
    if (pid < 0)
        return describe_gone(kernel, badge, arena, object, state, error);
    object->label = process_label(pid, arena);
    if (!pid || !linux_badge_find(kernel, is_of, &pid)) {
        object->external = true;
        object->state = recap_record(arena);
        if (!pid)
            object->label = "process in another PID namespace";
        return 0;
    }
    recap_put_number(arena, state, "process", innermost(description->fdinfo));
    return 0;
}

/* --- create --------------------------------------------------------------------------------------
 */

/* The process with that number among those that are being restored, as we see it; -1 for none. */
static pid_t restored(const struct recap_creation *creation, int64_t number)
{
    for (size_t i = 0; creation->pds && i < creation->graph->pd_count; i++)
        if ((int64_t)creation->graph->pds[i].id == number)
            return linux_pd(creation->pds[i])->pid;
    return -1;
}

/* A descriptor of a process that ended in the same way. */
static int open_ended(int64_t status, int *fd, struct recap_error *error)
{
    pid_t pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (pid == 0) {
        if (WIFSIGNALED(status)) {
            setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            signal(WTERMSIG(status), SIG_DFL);
            kill(getpid(), WTERMSIG(status));
            kill(getpid(), SIGKILL);
        }
        _exit(WEXITSTATUS(status));
    }
    int opened = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    int result = opened < 0 ? -errno : 0;
    if (pid > 0)
        waitpid(pid, NULL, __WALL);
    if (result < 0)
        return recap_fail(error, result, "making a process that has ended");
    *fd = opened;
    return 0;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    int64_t process, status;
    uint64_t flags = 0;
    int fd = -1, result;
    recap_get_hex(object->state, "flags", &flags);
    if (recap_get_number(object->state, "ended", &status) == 0) {
        result = open_ended(status, &fd, error);
    } else if (recap_get_number(object->state, "process", &process) == 0) {
        pid_t pid = restored(creation, process);
        fd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, flags & THREAD);
        result = fd < 0 ? recap_fail(error, pid < 0 ? -ESRCH : -errno,
                                     "making a descriptor of process %lld", (long long)process)
                        : 0;
    } else {
        result = linux_state_damaged(object, "process", error);
    }
    return result < 0 ? result : linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    int64_t process;
    if (recap_get_number(object->state, "process", &process) == 0 &&
        innermost(description->fdinfo) != process)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is of process %lld and not %lld",
                            (long long)innermost(description->fdinfo), (long long)process);
    return 0;
}

const struct linux_kind linux_kind_pidfd = {
    .name = "pidfd",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
