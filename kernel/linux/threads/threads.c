/* threads.c: reading the state of threads.
 *
 * One remote batch per thread, all at the same time; the rest from outside.
 */
#include "kernel/linux/threads/threads.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A thread with the places where the answers to its batch will be. */
struct work {
    struct linux_reading reading;
    struct linux_user_areas areas;
    struct linux_credentials credentials;
    struct linux_placement placement;
    struct linux_traits traits, late_traits;
};

enum { NAME_SIZE = 16 };

static void free_works(struct work *works, size_t count)
{
    for (size_t i = 0; works && i < count; i++)
        linux_batch_free(works[i].reading.batch);
    free(works);
}

static int ask(struct work *work)
{
    struct linux_reading *reading = &work->reading;
    reading->batch = linux_batch_new(reading->pd, reading->thread);
    if (!reading->batch)
        return -ENOMEM;
    linux_batch_only_asks(reading->batch);
    linux_user_areas_ask(reading, &work->areas);
    linux_credentials_ask(reading, &work->credentials);
    linux_placement_ask(reading, &work->placement);
    linux_traits_ask(reading, LINUX_TRAIT_THREAD, &work->traits);
    linux_traits_ask(reading, LINUX_TRAIT_AFTER_CREDENTIALS, &work->late_traits);
    return 0;
}

static int run_all(struct work *works, size_t count, struct recap_error *error)
{
    struct linux_batch **batches = calloc(count, sizeof(struct linux_batch *));
    int result = batches ? 0 : recap_fail(error, -ENOMEM, "reading threads");
    for (size_t i = 0; batches && i < count; i++)
        batches[i] = works[i].reading.batch;
    if (result == 0)
        result = linux_batch_run_all(batches, count, error);
    free(batches);
    return result;
}

/* The name as the thread has it: a status shows newlines and backslashes escaped. */
static void record_name(const struct linux_reading *reading, struct recap_value *state)
{
    char name[NAME_SIZE] = "";
    size_t length = 0;
    const char *at = linux_procfs_field(reading->status, "Name");
    for (; at && *at && *at != '\n' && length < NAME_SIZE - 1; at++) {
        bool escaped = at[0] == '\\' && (at[1] == 'n' || at[1] == '\\');
        at += escaped;
        name[length++] = (char)(escaped && *at == 'n' ? '\n' : *at);
    }
    recap_put_text(reading->arena, state, "name", name);
}

static int record(struct work *work, struct recap_value *state, struct recap_error *error)
{
    struct linux_reading *reading = &work->reading;
    const struct linux_thread *thread = &reading->pd->threads[reading->thread];
    char path[48], status[8192];
    snprintf(path, sizeof path, "task/%d/status", thread->tid);
    ssize_t length = linux_procfs_read_into(reading->pd->proc, path, status, sizeof status);
    if (length < 0)
        return recap_fail(error, (int)length, "reading the status of thread %d", thread->tid);
    reading->status = status;
    record_name(reading, state);
    recap_put_hex(reading->arena, state, "signal_mask", thread->home->mask);
    int result = linux_user_areas_record(reading, &work->areas, state, error);
    linux_traits_record(reading, LINUX_TRAIT_THREAD, &work->traits, state);
    linux_traits_record(reading, LINUX_TRAIT_AFTER_CREDENTIALS, &work->late_traits, state);
    if (result == 0)
        result = linux_scheduling_record(reading, state, error);
    if (result == 0)
        result = linux_credentials_record(reading, &work->credentials, state, error);
    if (result == 0)
        result = linux_pending_record(reading, false, state, error);
    linux_placement_record(reading, &work->placement, state);
    if (result == 0)
        result = linux_wait_record(reading->pd, thread, reading->arena, state, error);
    reading->status = NULL;
    return result;
}

int linux_thread_states(struct linux_pd *pd, struct recap_arena *arena, struct recap_value **states,
                        struct recap_error *error)
{
    size_t count = pd->thread_count;
    struct work *works = calloc(count, sizeof *works);
    int result = works ? 0 : recap_fail(error, -ENOMEM, "reading threads");
    for (size_t i = 0; result == 0 && i < count; i++) {
        works[i].reading = (struct linux_reading){.pd = pd, .thread = i, .arena = arena};
        result = ask(&works[i]);
        if (result < 0)
            recap_fail(error, result, "reading threads");
    }
    if (result == 0)
        result = run_all(works, count, error);
    for (size_t i = 0; result == 0 && i < count; i++) {
        states[i] = recap_record(arena);
        result = record(&works[i], states[i], error);
    }
    free_works(works, count);
    if (result == 0 && recap_arena_failed(arena))
        result = recap_fail(error, -ENOMEM, "reading threads");
    return result;
}

int linux_threads(struct recap_pd *base, struct recap_graph *graph, struct recap_pd_image *image,
                  struct recap_error *error)
{
    struct linux_pd *pd = linux_pd(base);
    struct recap_value **states = calloc(pd->thread_count + 1, sizeof(struct recap_value *));
    int result = states ? linux_thread_states(pd, graph->arena, states, error)
                        : recap_fail(error, -ENOMEM, "reading threads");
    for (size_t i = 0; result == 0 && i < pd->thread_count; i++) {
        const struct linux_thread *thread = &pd->threads[i];
        struct recap_thread *into = recap_graph_add_thread(graph, image);
        if (!into) {
            result = recap_fail(error, -ENOMEM, "reading threads");
            break;
        }
        into->id = (uint64_t)thread->vtid;
        into->state = states[i];
        result = linux_ports_examine(pd, thread, error);
        if (result < 0)
            break;
        result = linux_registers_record(thread, &thread->home->stopped,
                                        sizeof thread->home->stopped, graph->arena, into, error);
    }
    free(states);
    return result;
}
