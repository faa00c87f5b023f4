/* pidfd.c: descriptors of processes: of the component's own, or of one that is gone. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/linux.h"
#include "kernel/linux/objects/events/ended_process.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREAD = O_EXCL };

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

static int describe_gone(struct linux_kernel *kernel, recap_badge badge,
                         const struct linux_description *description, struct recap_arena *arena,
                         struct recap_object *object, struct recap_value *state,
                         struct recap_error *error)
{
    recap_badge process;
    int result = linux_ended_process_of(kernel, badge, description, &process, error);
    if (result < 0)
        return result;
    recap_put_object(arena, state, "ended", process);
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
        return describe_gone(kernel, badge, description, arena, object, state, error);
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

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    int64_t process;
    uint64_t flags = 0, ended;
    int fd = -1, result;
    recap_get_hex(object->state, "flags", &flags);
    if (recap_get_object(object->state, "ended", &ended) == 0) {
        result = recap_graph_object(creation->graph, ended)
                     ? linux_ended_process_open(kernel, creation->badges[ended], &fd, error)
                     : linux_state_damaged(object, "ended", error);
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
