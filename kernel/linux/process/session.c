/* session.c: session, process group and controlling terminal.
 *
 * A process that led its session or group leads one again; one whose group another process of the
 * image leads is in that group again; otherwise it joins the caller's. A
 * session leader that is bound to the terminal of the caller's session is the exception: it joins
 * that session too, with a process group of its own, and can control its jobs there.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/terminals/pty.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The last number of a status field: what the innermost PID namespace calls it. */
static int64_t innermost(const char *status, const char *name)
{
    const char *text = linux_procfs_field(status, name);
    int64_t value = 0;
    while (text && *text && *text != '\n') {
        char *end;
        value = strtoll(text, &end, 10);
        if (end == text)
            break;
        text = end + strspn(end, " \t");
    }
    return value;
}

int linux_session_record(const struct linux_reading *reading, const char *stat,
                         struct recap_value *state, struct recap_error *error)
{
    struct recap_arena *arena = reading->arena;
    const char *group = linux_stat_field(stat, 5);
    const char *terminal = linux_stat_field(stat, 7);
    const char *foreground = linux_stat_field(stat, 8);
    if (!group || !terminal || !foreground)
        return recap_fail(error, -EBADMSG, "reading /proc/%d/stat", reading->pd->pid);
    recap_put_number(arena, state, "session", innermost(reading->status, "NSsid"));
    recap_put_number(arena, state, "process_group", innermost(reading->status, "NSpgid"));
    unsigned long device = strtoul(terminal, NULL, 10);
    if (!device)
        return 0;
    struct recap_value *record = recap_put_record(arena, state, "terminal");
    recap_put_hex(arena, record, "device", device);
    recap_put_number(arena, record, "foreground", atoi(group) == atoi(foreground));
    return 0;
}

static struct recap_value *member(struct recap_value *record, const char *name)
{
    return (struct recap_value *)recap_member(record, name);
}

/* A terminal that controls the session stays what it is also when nobody has it open: then the
 * selector of its master says which it is, if the component holds that. */
static bool is_master(struct linux_pd *pd, recap_selector selector, const struct stat *status,
                      dev_t terminal)
{
    char path[48], text[512];
    uint64_t index;
    snprintf(path, sizeof path, "fdinfo/%llu", (unsigned long long)selector);
    return status->st_rdev == makedev(5, 2) && major(terminal) == 136 &&
           linux_procfs_read_into(pd->proc, path, text, sizeof text) > 0 &&
           linux_fdinfo_number(text, "tty-index", 10, &index) && index == minor(terminal);
}

void linux_session_find_terminal(struct linux_pd *pd, const struct recap_graph *graph,
                                 const struct recap_pd_image *image, struct recap_arena *arena,
                                 struct recap_value *state)
{
    struct recap_value *record = member(state, "terminal");
    uint64_t device;
    recap_selector held = 0;
    if (!record || recap_get_hex(record, "device", &device) < 0)
        return;
    dev_t terminal = makedev((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    const char *found = NULL;
    bool open_itself = false;
    for (size_t i = 0; i < image->slot_count && !open_itself; i++) {
        const struct recap_slot *slot = &image->slots[i];
        char path[48];
        struct stat status;
        snprintf(path, sizeof path, "fd/%llu", (unsigned long long)slot->selector);
        if (!recap_graph_object(graph, slot->object) || fstatat(pd->proc, path, &status, 0) < 0 ||
            !S_ISCHR(status.st_mode))
            continue;
        open_itself = status.st_rdev == terminal;
        if (!open_itself && (found || !is_master(pd, slot->selector, &status, terminal)))
            continue;
        found = open_itself ? "selector" : "master";
        held = slot->selector;
    }
    if (found)
        recap_put_number(arena, record, found, (int64_t)held);
}

/* Whether what the selector refers to lives outside the checkpoint. */
static bool external(const struct recap_graph *graph, const struct recap_pd_image *image,
                     int64_t selector)
{
    const struct recap_slot *slot =
        selector < 0 ? NULL : recap_graph_slot(image, (recap_selector)selector);
    const struct recap_object *object = slot ? recap_graph_object(graph, slot->object) : NULL;
    return object && object->external;
}

static void free_batch(struct linux_batch **batch)
{
    linux_batch_free(*batch);
}

static int remote(struct linux_pd *pd, long number, uint64_t a, uint64_t b, int64_t *answer,
                  struct recap_error *error)
{
    __attribute__((cleanup(free_batch))) struct linux_batch *batch = linux_batch_new(pd, 0);
    if (!batch)
        return recap_fail(error, -ENOMEM, "setting the session");
    size_t call = linux_batch_call(batch, number, a, b);
    int result = linux_batch_run(batch, error);
    if (result == 0)
        *answer = linux_batch_result(batch, call);
    return result;
}

/* The group that reads from the terminal. The process itself is in the background until then, which
 * the kernel allows here because a batch runs with all signals blocked. */
static int take_foreground(struct linux_pd *pd, int64_t selector, struct recap_error *error)
{
    struct linux_batch *batch = linux_batch_new(pd, 0);
    if (!batch)
        return recap_fail(error, -ENOMEM, "setting the foreground process group");
    int32_t group = pd->vpid;
    uint64_t at = linux_batch_put(batch, &group, sizeof group);
    size_t call = linux_batch_call(batch, SYS_ioctl, selector, TIOCSPGRP, at);
    int result = linux_batch_run(batch, error);
    if (result == 0)
        result = linux_batch_check(batch, call, "setting the foreground process group", error);
    linux_batch_free(batch);
    return result;
}

/* Becomes controlled by the terminal whose master the selector holds, through an end of it that is
 * closed again. */
static int take_by_master(struct linux_pd *pd, const struct recap_creation *creation,
                          const struct recap_pd_image *image, int64_t master, bool foreground,
                          struct recap_error *error)
{
    const struct recap_slot *slot =
        master < 0 ? NULL : recap_graph_slot(image, (recap_selector)master);
    if (!slot || !recap_graph_object(creation->graph, slot->object))
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the session is malformed");
    int end;
    int result = linux_pty_open(pd->kernel, creation->badges[slot->object], O_RDWR, &end, error);
    if (result < 0)
        return result;
    __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps = linux_steps_new(pd, 0);
    if (!steps) {
        close(end);
        return recap_fail(error, -ENOMEM, "taking the controlling terminal");
    }
    int32_t group = pd->vpid;
    struct linux_batch *batch = linux_steps_batch(steps);
    uint64_t at = linux_batch_put(batch, &group, sizeof group);
    size_t token = linux_batch_send_fd(batch, end);
    size_t take = linux_step(steps, "taking the controlling terminal", SYS_ioctl, -1, TIOCSCTTY);
    linux_batch_use_fd(batch, token, take, 0);
    if (foreground) {
        size_t set =
            linux_step(steps, "setting the foreground process group", SYS_ioctl, -1, TIOCSPGRP, at);
        linux_batch_use_fd(batch, token, set, 0);
    }
    result = linux_steps_run(&steps, 1, error);
    close(end);
    return result;
}

static int lead(struct linux_pd *pd, bool session, struct recap_error *error)
{
    int64_t answer = 0;
    int result = session ? remote(pd, SYS_setsid, 0, 0, &answer, error)
                         : remote(pd, SYS_setpgid, 0, 0, &answer, error);
    if (result == 0 && answer < 0)
        result = recap_fail(error, (int)answer, "leading a %s of its own",
                            session ? "session" : "process group");
    return result;
}

/* Into the group that another process of the image leads. We may do this as the parent of both, for
 * neither has executed a program. */
static int join_group(const struct linux_pd *pd, int64_t group, struct recap_error *error)
{
    pid_t leader = group > 0 && group <= INT32_MAX ? linux_pd_born(pd->kernel, (pid_t)group) : 0;
    if (!leader || !pd->own_parent || getsid(leader) != getsid(pd->pid))
        return 0;
    if (getpgid(leader) != leader && setpgid(leader, leader) < 0)
        return recap_fail(error, -errno, "having process %d lead its process group", leader);
    if (setpgid(pd->pid, leader) < 0)
        return recap_fail(error, -errno, "joining the process group of process %d", leader);
    return 0;
}

int linux_session_set(struct linux_pd *pd, const struct recap_creation *creation,
                      const struct recap_pd_image *image, const struct recap_value *want,
                      struct recap_error *error)
{
    const struct recap_graph *graph = creation->graph;
    int64_t session, group, answer = -1;
    if (recap_get_number(want, "session", &session) < 0 ||
        recap_get_number(want, "process_group", &group) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the session is malformed");
    const struct recap_value *terminal = recap_member(want, "terminal");
    int64_t selector = recap_number_or(terminal, "selector", -1);
    bool leads_session = session == (int64_t)image->id;
    bool leads_group = group == (int64_t)image->id;
    bool bound = terminal && external(graph, image, selector);
    int result = 0;
    if (bound) { /* answers only for the terminal that controls the session the process is in */
        __attribute__((cleanup(free_batch))) struct linux_batch *batch = linux_batch_new(pd, 0);
        if (!batch)
            return recap_fail(error, -ENOMEM, "looking at the terminal");
        size_t call = linux_batch_call(batch, SYS_ioctl, selector, TIOCGSID,
                                       linux_batch_put(batch, NULL, sizeof(int32_t)));
        result = linux_batch_run(batch, error);
        answer = result == 0 ? linux_batch_result(batch, call) : -1;
    }
    bool joins = bound && answer == 0;
    if (result == 0 && ((leads_session && !joins) || leads_group))
        result = lead(pd, leads_session && !joins, error);
    if (result == 0 && !leads_session && !leads_group)
        result = join_group(pd, group, error);
    bool foreground = leads_group && recap_number_or(terminal, "foreground", 0);
    if (result == 0 && leads_session && recap_member(terminal, "master"))
        return take_by_master(pd, creation, image, recap_number_or(terminal, "master", -1),
                              foreground, error);
    if (result < 0 || !terminal || selector < 0)
        return result;
    bool controls = joins;
    if (leads_session && !joins) {
        result = remote(pd, SYS_ioctl, (uint64_t)selector, TIOCSCTTY, &answer, error);
        controls = result == 0 && answer == 0;
        /* A terminal from outside may belong to another session, which keeps it. */
        if (result == 0 && answer < 0 && !bound)
            return recap_fail(error, (int)answer, "taking the controlling terminal");
    }
    if (result == 0 && controls && foreground)
        result = take_foreground(pd, selector, error);
    return result;
}
