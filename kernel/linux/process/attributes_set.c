/* attributes_set.c: setting the attributes of a created process, and what its threads still lack.
 *
 * The order is that of rights: first all that needs them, then the credentials of every thread,
 * then what a change of credentials would undo. Limits and scheduling are set from outside, with
 * the caller's rights. Waits come last because their time counts from there, and the one attribute
 * that can take recap's own rights over the process away (dumpable) just before them.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/objects/signal_owner.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/threads/threads.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <stdlib.h>

struct work {
    struct linux_pd *pd;
    const struct recap_creation *creation;
    const struct recap_graph *graph;
    const struct recap_pd_image *image;
    struct recap_arena *arena;
    struct recap_value *have;          /* the process */
    struct recap_value **have_threads; /* its threads */
    const struct recap_value **want_threads;
    struct recap_error *error;
};

typedef int plan_function(struct work *work, size_t thread, struct linux_steps *steps);

/* Plans steps for the first `count` threads, and runs them all at the same time. */
static int each_thread(struct work *work, size_t count, plan_function *plan)
{
    struct linux_steps **steps = calloc(count, sizeof(struct linux_steps *));
    int result = steps ? 0 : recap_fail(work->error, -ENOMEM, "setting attributes");
    for (size_t i = 0; result == 0 && i < count; i++) {
        steps[i] = linux_steps_new(work->pd, i);
        result = steps[i] ? plan(work, i, steps[i])
                          : recap_fail(work->error, -ENOMEM, "setting attributes");
    }
    if (result == 0)
        result = linux_steps_run(steps, count, work->error);
    for (size_t i = 0; steps && i < count; i++)
        linux_steps_free(steps[i]);
    free(steps);
    return result;
}

static int plan_process(struct work *work, size_t thread, struct linux_steps *steps)
{
    (void)thread;
    const struct recap_value *want = work->image->attributes;
    int result =
        linux_places_set(steps, work->pd->kernel, work->creation, want, work->have, work->error);
    if (result == 0)
        result = linux_actions_set(steps, want, work->have, work->error);
    if (result == 0)
        result = linux_traits_set(steps, LINUX_TRAIT_PROCESS, want, work->have, work->error);
    if (result == 0)
        result = linux_segments_set(steps, want, work->error);
    linux_barriers_set(steps, want);
    return result;
}

static int plan_limits(struct work *work, size_t thread, struct linux_steps *steps)
{
    (void)thread;
    return linux_limits_set(steps, work->image->attributes, work->have, work->error);
}

static int plan_credentials(struct work *work, size_t thread, struct linux_steps *steps)
{
    return linux_credentials_set(steps, work->want_threads[thread], work->have_threads[thread],
                                 work->pd->kernel, work->error);
}

static int plan_after_credentials(struct work *work, size_t thread, struct linux_steps *steps)
{
    const struct recap_value *want = work->want_threads[thread];
    int result = linux_traits_set(steps, LINUX_TRAIT_AFTER_CREDENTIALS, want,
                                  work->have_threads[thread], work->error);
    if (result == 0)
        result = linux_pending_set(steps, work->pd, thread, false, want, work->error);
    if (result == 0 && thread == 0)
        result =
            linux_pending_set(steps, work->pd, thread, true, work->image->attributes, work->error);
    return result;
}

static int plan_owners(struct work *work, size_t thread, struct linux_steps *steps)
{
    (void)thread;
    return linux_signal_owners_set(steps, work->pd, work->graph, work->error);
}

static int plan_dumpable(struct work *work, size_t thread, struct linux_steps *steps)
{
    (void)thread;
    return linux_traits_set(steps, LINUX_TRAIT_DUMPABLE, work->image->attributes, work->have,
                            work->error);
}

static int set_from_outside(struct work *work)
{
    const struct recap_value *want = work->image->attributes;
    int result = linux_settings_set(work->pd, want, work->have, work->error);
    for (size_t i = 0; result == 0 && i < work->pd->thread_count; i++)
        result = linux_scheduling_set(&work->pd->threads[i], work->want_threads[i],
                                      work->have_threads[i], work->error);
    return result;
}

static int set_dispatches(struct work *work)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->pd->thread_count; i++)
        result = linux_dispatch_set(&work->pd->threads[i], work->want_threads[i], work->error);
    return result;
}

static int set_all(struct work *work)
{
    const struct recap_value *want = work->image->attributes;
    size_t threads = work->pd->thread_count;
    int result = linux_session_set(work->pd, work->creation, work->image, want, work->error);
    if (result == 0)
        result = linux_group_stop_set(work->pd, want, work->error);
    if (result == 0)
        result = linux_layout_set(work->pd, work->creation, want, work->error);
    if (result == 0)
        result = each_thread(work, 1, plan_process);
    if (result == 0)
        result = linux_timers_set(work->pd, want, work->error);
    if (result == 0)
        result = each_thread(work, 1, plan_limits);
    if (result == 0)
        result = set_from_outside(work);
    if (result == 0)
        result = each_thread(work, threads, plan_credentials);
    if (result == 0)
        result = each_thread(work, threads, plan_after_credentials);
    if (result == 0)
        result = each_thread(work, 1, plan_owners);
    if (result == 0)
        result = each_thread(work, 1, plan_dumpable);
    if (result == 0)
        result = linux_waits_arm(work->pd, work->want_threads, work->error);
    return result ? result : set_dispatches(work);
}

static void clear_work(struct work *work)
{
    free(work->have_threads);
    free(work->want_threads);
    recap_arena_free(work->arena);
}

int linux_attributes_set(struct recap_pd *base, const struct recap_creation *creation,
                         const struct recap_pd_image *image, struct recap_error *error)
{
    struct linux_pd *pd = linux_pd(base);
    __attribute__((cleanup(clear_work))) struct work work = {
        .pd = pd, .creation = creation, .graph = creation->graph, .image = image, .error = error};
    if (pd->thread_count != image->thread_count)
        return recap_fail(error, -EINVAL, "attributes are set after threads");
    work.arena = recap_arena_new();
    work.have_threads = calloc(pd->thread_count, sizeof(struct recap_value *));
    work.want_threads = calloc(pd->thread_count, sizeof(struct recap_value *));
    if (!work.arena || !work.have_threads || !work.want_threads)
        return recap_fail(error, -ENOMEM, "setting attributes");
    for (size_t i = 0; i < pd->thread_count; i++)
        work.want_threads[i] = image->threads[i].state;
    int result = linux_thread_states(pd, work.arena, work.have_threads, error);
    if (result == 0)
        result = linux_process_state(pd, work.arena, &work.have, error);
    return result ? result : set_all(&work);
}
