/* threads_set.c: making the threads of a created process, and their state, anew.
 *
 * Who a thread is, how it is scheduled and what signals wait for it comes later, with the
 * attributes of the process: until then recap needs the rights that it has.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/threads/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static int make_threads(struct linux_pd *pd, const struct recap_pd_image *image,
                        struct recap_error *error)
{
    pid_t *ids = calloc(image->thread_count, sizeof *ids);
    if (!ids)
        return recap_fail(error, -ENOMEM, "making threads");
    size_t count = 0;
    int result = 0;
    bool first_ended = linux_first_ended(image->attributes);
    size_t first = first_ended ? 0 : pd->thread_count;
    for (size_t i = first; result == 0 && i < image->thread_count; i++) {
        if (image->threads[i].id > INT32_MAX)
            result = recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "there is no thread %llu",
                                  (unsigned long long)image->threads[i].id);
        ids[count++] = (pid_t)image->threads[i].id;
    }
    if (result == 0)
        result = linux_pd_add_threads(pd, ids, count, error);
    free(ids);
    if (result == 0 && first_ended)
        result = linux_first_ended_set(pd, image->attributes, error);
    if (result < 0)
        return result;
    for (size_t i = 0; i < image->thread_count; i++)
        if ((uint64_t)pd->threads[i].vtid != image->threads[i].id)
            return recap_fail(error, -EEXIST, "thread %llu became thread %d",
                              (unsigned long long)image->threads[i].id, pd->threads[i].vtid);
    return 0;
}

/* What the thread goes on with; it is set when the process is resumed. */
static int plan_registers(const struct linux_thread *thread, const struct recap_thread *image,
                          struct recap_error *error)
{
    struct linux_registers *home = thread->home;
    if (image->registers_length != sizeof home->stopped ||
        recap_get_hex(image->state, "signal_mask", &home->mask) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG,
                            "the registers of thread %d are malformed", thread->vtid);
    memcpy(&home->stopped, image->registers, sizeof home->stopped);
    return 0;
}

static int step_name(struct linux_steps *steps, const struct recap_value *state,
                     struct recap_error *error)
{
    char name[16] = "";
    const void *data;
    size_t length;
    if (recap_get_bytes(state, "name", &data, &length) < 0 || length >= sizeof name)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the name of a thread is malformed");
    memcpy(name, data, length);
    uint64_t at = linux_batch_put(linux_steps_batch(steps), name, sizeof name);
    linux_step(steps, "setting the name", SYS_prctl, PR_SET_NAME, at);
    return 0;
}

static int plan(struct linux_steps *steps, const struct recap_value *want,
                const struct recap_value *have, struct recap_error *error)
{
    int result = step_name(steps, want, error);
    if (result == 0)
        result = linux_user_areas_set(steps, want, have, error);
    if (result == 0)
        result = linux_traits_set(steps, LINUX_TRAIT_THREAD, want, have, error);
    if (result == 0)
        result = linux_placement_set(steps, want, have, error);
    return result;
}

static int set_all(struct linux_pd *pd, const struct recap_pd_image *image,
                   struct recap_value *const *have, struct linux_steps **steps,
                   struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < image->thread_count; i++) {
        const struct recap_thread *want = &image->threads[i];
        steps[i] = linux_steps_new(pd, i);
        if (!steps[i])
            return recap_fail(error, -ENOMEM, "setting threads");
        result = plan_registers(&pd->threads[i], want, error);
        if (result == 0)
            result = linux_registers_set(&pd->threads[i], want, image->attributes, error);
        if (result == 0)
            result = plan(steps[i], want->state, have[i], error);
    }
    return result ? result : linux_steps_run(steps, image->thread_count, error);
}

int linux_threads_set(struct recap_pd *base, const struct recap_graph *graph,
                      const struct recap_pd_image *image, struct recap_error *error)
{
    (void)graph;
    struct linux_pd *pd = linux_pd(base);
    size_t count = image->thread_count;
    if (!count)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "process %llu has no threads",
                            (unsigned long long)image->id);
    int result = make_threads(pd, image, error);
    if (result < 0)
        return result;
    struct recap_arena *arena = recap_arena_new();
    struct recap_value **have = calloc(count, sizeof(struct recap_value *));
    struct linux_steps **steps = calloc(count, sizeof(struct linux_steps *));
    if (arena && have && steps)
        result = linux_thread_states(pd, arena, have, error);
    else
        result = recap_fail(error, -ENOMEM, "setting threads");
    if (result == 0)
        result = set_all(pd, image, have, steps, error);
    for (size_t i = 0; steps && i < count; i++)
        linux_steps_free(steps[i]);
    free(steps);
    free(have);
    recap_arena_free(arena);
    return result;
}
