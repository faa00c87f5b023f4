/* attributes.c: reading the attributes of a process as a whole. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/clocks.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/process/examine.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"
#include "kernel/linux/threads/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct work {
    struct linux_reading reading;
    struct linux_traits traits, dumpable;
    struct linux_actions actions;
    struct linux_timers timers;
    struct linux_limits limits;
    struct linux_layout layout;
    struct linux_barriers barriers;
    struct linux_segments segments;
    size_t wait_call; /* whether there is anybody to wait for */
};

static void clear_work(struct work *work)
{
    linux_batch_free(work->reading.batch);
    linux_timers_clear(&work->timers);
}

static int ask(struct work *work, struct recap_error *error)
{
    struct linux_reading *reading = &work->reading;
    reading->batch = linux_batch_new(reading->pd, reading->thread);
    if (!reading->batch)
        return recap_fail(error, -ENOMEM, "reading the attributes of a process");
    linux_traits_ask(reading, LINUX_TRAIT_PROCESS, &work->traits);
    linux_traits_ask(reading, LINUX_TRAIT_DUMPABLE, &work->dumpable);
    linux_actions_ask(reading, &work->actions);
    linux_layout_ask(reading, &work->layout);
    linux_barriers_ask(reading, &work->barriers);
    linux_segments_ask(reading, &work->segments);
    linux_limits_ask(reading, &work->limits);
    work->wait_call =
        linux_batch_call(reading->batch, SYS_waitid, P_ALL, 0, 0,
                         WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WNOWAIT | __WALL);
    return linux_timers_ask(reading, &work->timers, error);
}

static int record(struct work *work, struct recap_value *state, struct recap_error *error)
{
    struct linux_reading *reading = &work->reading;
    char stat[2048], status[8192];
    ssize_t length = linux_procfs_read_into(reading->pd->proc, "stat", stat, sizeof stat);
    if (length >= 0)
        length = linux_procfs_read_into(reading->pd->proc, "status", status, sizeof status);
    if (length < 0)
        return recap_fail(error, (int)length, "reading the status of process %d", reading->pd->pid);
    reading->status = status;
    linux_traits_record(reading, LINUX_TRAIT_PROCESS, &work->traits, state);
    linux_traits_record(reading, LINUX_TRAIT_DUMPABLE, &work->dumpable, state);
    linux_actions_record(reading, &work->actions, state);
    linux_barriers_record(reading, &work->barriers, state);
    int result = linux_pending_record(reading, true, state, error);
    if (result == 0)
        result = linux_segments_record(reading, &work->segments, state, error);
    if (result == 0)
        result = linux_timers_record(reading, &work->timers, state, error);
    if (result == 0)
        result = linux_limits_record(reading, &work->limits, state, error);
    if (result == 0)
        result = linux_places_record(reading, state, error);
    if (result == 0)
        result = linux_layout_record(reading, &work->layout, stat, state, error);
    if (result == 0)
        result = linux_session_record(reading, stat, state, error);
    if (result == 0)
        result = linux_settings_record(reading, state, error);
    reading->status = NULL;
    return result;
}

int linux_process_state(struct linux_pd *pd, struct recap_arena *arena, struct recap_value **state,
                        struct recap_error *error)
{
    __attribute__((cleanup(clear_work))) struct work work = {
        .reading = {.pd = pd, .thread = 0, .arena = arena}};
    int result = ask(&work, error);
    if (result == 0)
        result = linux_batch_run(work.reading.batch, error);
    if (result < 0)
        return result;
    pd->has_relatives = linux_batch_result(work.reading.batch, work.wait_call) != -ECHILD;
    struct recap_value *read = recap_record(arena);
    result = record(&work, read, error);
    if (result == 0 && recap_arena_failed(arena))
        result = recap_fail(error, -ENOMEM, "reading the attributes of a process");
    if (result == 0)
        *state = read;
    return result;
}

int linux_attributes(struct recap_pd *base, struct recap_graph *graph, struct recap_pd_image *image,
                     struct recap_error *error)
{
    struct linux_pd *pd = linux_pd(base);
    struct recap_value *state;
    int result = linux_process_state(pd, graph->arena, &state, error);
    /* Whom it traces only it knows, and a child may have come since the look. */
    if (result == 0 && pd->has_relatives)
        result = linux_relatives_say(pd, error);
    if (result == 0)
        result = linux_first_ended_record(pd, graph->arena, state, error);
    if (result < 0)
        return result;
    image->id = (uint64_t)pd->vpid;
    linux_session_find_terminal(pd, graph, image, graph->arena, state);
    result = linux_clocks_record(pd, graph->arena, state, error);
    if (result < 0)
        return result;
    linux_group_stop_record(pd, graph->arena, state);
    if (image->thread_count) {
        linux_processor_record(&image->threads[0], graph->arena, state);
        image->name = recap_text_or_null(image->threads[0].state, "name");
        if (linux_first_ended(state))
            image->name = recap_text_or_null(recap_member(state, "first_thread"), "name");
    }
    if (recap_arena_failed(graph->arena))
        return recap_fail(error, -ENOMEM, "reading the attributes of process %d", pd->pid);
    image->attributes = state;
    return 0;
}

int linux_concerns_examine(struct linux_pd *pd, struct recap_refusals *refusals,
                           struct recap_error *error)
{
    linux_processors(); /* sooner than in the pause */
    int result = linux_places_examine(pd, refusals, error);
    if (result == 0)
        result = linux_timers_examine(pd, refusals, error);
    return result;
}
