/* signal_owner.c: who is told of a description's events by a signal (F_SETOWN, F_SETSIG, O_ASYNC).
 *
 * Only what sends such signals is asked: pipes, sockets, character devices, inotify. On a regular
 * file an owner means something for leases alone, which are refused, and on a directory it stands
 * for F_NOTIFY, of which the kernel shows nothing else. */
#include "kernel/linux/objects/signal_owner.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static const char *const types[] = {
    [F_OWNER_TID] = "thread", [F_OWNER_PID] = "process", [F_OWNER_PGRP] = "group"};

enum { TYPES = sizeof types / sizeof types[0] };

bool linux_sends_signals(const struct linux_description *description)
{
    mode_t mode = description->status.st_mode;
    if (description->open_flags & O_PATH)
        return false;
    /* Memory devices are always ready, but for those of random numbers. */
    if (S_ISCHR(mode) && major(description->status.st_rdev) == 1)
        return minor(description->status.st_rdev) == 8 || minor(description->status.st_rdev) == 9;
    return S_ISFIFO(mode) || S_ISSOCK(mode) || S_ISCHR(mode) || S_ISDIR(mode) ||
           strncmp(description->link, "anon_inode:inotify", 18) == 0;
}

/* The number of a thread of process `pid` in its own namespace; 0: it is none of its threads. */
static pid_t own_number(pid_t pid, pid_t tid)
{
    char path[64], status[8192];
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, tid);
    if (linux_procfs_read_into(AT_FDCWD, path, status, sizeof status) < 0)
        return 0;
    const char *numbers = linux_procfs_field(status, "NSpid");
    pid_t last = tid;
    for (char *end; numbers && *numbers != '\n' && *numbers; numbers = end) {
        last = (pid_t)strtol(numbers, &end, 10);
        end += strspn(end, "\t ");
    }
    return last;
}

static int refuse_owner(const struct f_owner_ex *owner, struct recap_error *error)
{
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "it sends signals to %s %d (F_SETOWN), which is not the process itself",
                        types[owner->type], owner->pid);
}

/* Whether `owner` comes back with process `pid`; its number there goes to `number`. */
static int own(pid_t pid, const struct f_owner_ex *owner, pid_t *number, struct recap_error *error)
{
    pid_t thread = owner->type == F_OWNER_TID ? owner->pid : pid;
    if (owner->type != F_OWNER_TID && owner->pid != pid)
        return refuse_owner(owner, error);
    if (owner->type == F_OWNER_PGRP && getpgid(pid) != pid)
        return refuse_owner(owner, error);
    *number = own_number(pid, thread);
    return *number ? 0 : refuse_owner(owner, error);
}

int linux_signal_owner_describe(struct linux_kernel *kernel, recap_badge badge,
                                const struct linux_description *description,
                                struct recap_arena *arena, struct recap_value *state,
                                struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct f_owner_ex owner = {0};
    if (!linux_sends_signals(description))
        return 0;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    int signal = fcntl(fd, F_GETSIG);
    if (signal < 0 || fcntl(fd, F_GETOWN_EX, &owner) < 0 || (unsigned)owner.type >= TYPES)
        return recap_fail(error, -errno, "reading who is told of events by a signal");
    if (S_ISDIR(description->status.st_mode) && (owner.pid || signal))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "changes in the directory %s are told by signals (F_NOTIFY)",
                            description->link);
    if (!owner.pid && !signal && !(description->open_flags & O_ASYNC))
        return 0;
    pid_t number = 0;
    if (owner.pid &&
        (result = own(description->pid ? description->pid : getpid(), &owner, &number, error)) < 0)
        return result;
    struct recap_value *record = recap_put_record(arena, state, "owner");
    recap_put_text(arena, record, "type", types[owner.type]);
    recap_put_number(arena, record, "id", number);
    recap_put_number(arena, record, "signal", signal);
    return 0;
}

static int get_owner(const struct recap_object *object, const struct recap_value *record,
                     struct f_owner_ex *owner, int64_t *signal, struct recap_error *error)
{
    const char *type = recap_text_or_null(record, "type");
    int64_t id;
    if (!type || recap_get_number(record, "id", &id) < 0 || id < 0 || id > INT32_MAX ||
        recap_get_number(record, "signal", signal) < 0 || *signal < 0 || *signal > SIGRTMAX)
        return linux_state_damaged(object, "owner", error);
    for (int i = 0; i < (int)TYPES; i++)
        if (strcmp(types[i], type) == 0) {
            *owner = (struct f_owner_ex){.type = i, .pid = (pid_t)id};
            return 0;
        }
    return linux_state_damaged(object, "owner", error);
}

static int plan(struct linux_steps *steps, const struct recap_object *object,
                recap_selector selector, struct recap_error *error)
{
    const struct recap_value *record = recap_member(object->state, "owner");
    struct f_owner_ex owner;
    int64_t signal;
    uint64_t flags = 0;
    if (!record)
        return 0;
    int result = get_owner(object, record, &owner, &signal, error);
    if (result < 0)
        return result;
    if (recap_get_hex(object->state, "flags", &flags) < 0)
        return linux_state_damaged(object, "flags", error);
    if (owner.pid)
        linux_step(steps, "setting who is told of events by a signal", SYS_fcntl, selector,
                   F_SETOWN_EX, linux_batch_put(linux_steps_batch(steps), &owner, sizeof owner));
    if (signal)
        linux_step(steps, "setting the signal that tells of events", SYS_fcntl, selector, F_SETSIG,
                   signal);
    /* Last, and by the component: the kernel tells it the selector that this was done with. */
    if (flags & O_ASYNC)
        linux_step(steps, "setting signal-driven input and output", SYS_fcntl, selector, F_SETFL,
                   flags);
    return 0;
}

int linux_signal_owners_set(struct linux_steps *steps, const struct linux_pd *pd,
                            const struct recap_graph *graph, struct recap_error *error)
{
    int result = 0;
    unsigned char *done = calloc(graph->object_count + 1, 1);
    if (!done)
        return recap_fail(error, -ENOMEM, "setting who is told of events by signals");
    for (size_t p = 0; result == 0 && p < graph->pd_count; p++) {
        const struct recap_pd_image *image = &graph->pds[p];
        for (size_t i = 0; result == 0 && image->id == (uint64_t)pd->vpid && i < image->slot_count;
             i++) {
            const struct recap_object *object = recap_graph_object(graph, image->slots[i].object);
            if (object && object->state && !done[object->id]++)
                result = plan(steps, object, image->slots[i].selector, error);
        }
    }
    free(done);
    return result;
}
