/* pd.c: opening, making, stopping, starting and ending tasks. */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "mach.user.h"
#include "mach_host.user.h"
#include "mach_port.user.h"

#include <errno.h>
#include <mach/task_info.h>
#include <mach/task_special_ports.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int answer(kern_return_t why, const struct mach_pd *pd, const char *what,
                  struct recap_error *error)
{
    return why == KERN_SUCCESS
               ? 0
               : mach_fail(error, why, "%s PD %llu", what, (unsigned long long)pd->pd.id);
}

/* What was learned of queues and receivers holds no longer. */
static void changed(struct mach_pd *pd)
{
    struct mach_kernel *mach = mach_of(pd->pd.kernel);
    mach_still_over(mach);
    mach->receivers_known = false;
    mach_forget_names(pd);
}

/* Takes a PD that is gone out of the list. */
static void drop(struct mach_pd *pd)
{
    struct mach_kernel *mach = mach_of(pd->pd.kernel);
    struct mach_pd **at = &mach->pds;
    while (*at != pd)
        at = &(*at)->next;
    *at = pd->next;
    mach_port_deallocate(mach_task_self(), pd->task);
    mach_forget_names(pd);
    free(pd->threads);
    free(pd->held);
    free(pd);
}

int mach_pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                 struct recap_error *error)
{
    struct mach_kernel *mach = mach_of(kernel);
    struct mach_pd *found = mach_find_id(mach, id);
    struct mach_names names;
    if (!found)
        return recap_refuse(error, RECAP_FAILED, -ESRCH, "there is no PD %llu on this machine",
                            (unsigned long long)id);
    if (found->open)
        return recap_refuse(error, RECAP_FAILED, -EBUSY, "PD %llu is opened already",
                            (unsigned long long)id);
    int result = mach_names(found->task, &names, error);
    if (result < 0) { /* the task has ended */
        drop(found);
        return recap_refuse(error, RECAP_FAILED, -ESRCH, "PD %llu has ended",
                            (unsigned long long)id);
    }
    mach_names_free(&names);
    found->open = true;
    mach->open_count++;
    mach->receivers_known = false;
    *pd = &found->pd;
    return 0;
}

/* Threads without a state: they stay suspended until the PD is started. */
static int make_threads(struct mach_pd *pd, size_t count, struct recap_error *error)
{
    struct mach_kernel *mach = mach_of(pd->pd.kernel);
    pd->threads = calloc(count + 1, sizeof *pd->threads);
    pd->held = calloc(count + 1, sizeof *pd->held);
    if (!pd->threads || !pd->held)
        return recap_fail(error, -ENOMEM, "making threads");
    for (; pd->thread_count < count; pd->thread_count++) {
        mach_port_t thread;
        kern_return_t why = thread_create(pd->task, &thread);
        if (why != KERN_SUCCESS)
            return mach_fail(error, why, "making a thread");
        int result = mach_keep(mach, thread, error);
        if (result < 0)
            return result;
        pd->threads[pd->thread_count] = thread;
    }
    return 0;
}

int mach_pd_create(struct recap_kernel *kernel, const struct recap_graph *graph,
                   const struct recap_pd_image *plan, struct recap_pd **pd,
                   struct recap_error *error)
{
    struct mach_kernel *mach = mach_of(kernel);
    mach_port_t task;
    (void)graph;
    if (!plan->id || plan->id > INT32_MAX)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "%llu is no PD of a Mach core",
                            (unsigned long long)plan->id);
    for (size_t i = 0; i < plan->thread_count; i++)
        if (plan->threads[i].id != i + 1)
            return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                                "the threads of PD %llu are not numbered from 1",
                                (unsigned long long)plan->id);
    kern_return_t why = task_create(mach_task_self(), FALSE, &task);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "making a task");
    /* Numbers are core's, and no component knows its own: where one is taken, the next does. */
    struct mach_pd *made =
        mach_add(mach, mach_find_id(mach, plan->id) ? 0 : plan->id, plan->name, task);
    if (!made) {
        task_terminate(task);
        mach_port_deallocate(mach_task_self(), task);
        return recap_fail(error, -ENOMEM, "making a task");
    }
    made->open = made->created = made->suspended = true;
    mach->open_count++;
    task_suspend(task);
    int result = make_threads(made, plan->thread_count, error);
    if (result < 0) {
        mach_pd_close(&made->pd);
        return result;
    }
    *pd = &made->pd;
    return 0;
}

/* What a task holds beside its names. */
static int examine_ports(struct mach_pd *pd, struct recap_refusals *refusals)
{
    static const struct {
        int which;
        const char *what;
    } special[] = {{TASK_EXCEPTION_PORT, "exception"}, {TASK_BOOTSTRAP_PORT, "bootstrap"}};
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof special / sizeof *special; i++) {
        mach_port_t port = MACH_PORT_NULL;
        if (task_get_special_port(pd->task, special[i].which, &port) != KERN_SUCCESS || !port)
            continue;
        mach_port_deallocate(mach_task_self(), port);
        if (port != MACH_PORT_DEAD)
            result = recap_refusals_say(refusals, NULL, "PD %llu has an %s port of its own",
                                        (unsigned long long)pd->pd.id, special[i].what);
    }
    return result;
}

static int examine_names(struct mach_pd *pd, struct recap_refusals *refusals,
                         struct recap_error *error)
{
    __attribute__((cleanup(mach_names_free))) struct mach_names names = {0};
    int result = mach_names(pd->task, &names, error);
    for (size_t i = 0; result == 0 && i < names.count; i++) {
        struct recap_error why;
        if (!(names.types[i] & (MACH_PORT_TYPE_DNREQUEST | MACH_PORT_TYPE_MAREQUEST)))
            continue;
        recap_refuse(&why, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "a notification is asked for, should the name become dead: the kernel does "
                     "not say who would get it");
        recap_error_at(&why, names.names[i]);
        if (recap_refusals_add(refusals, &why) < 0)
            result = recap_fail(error, -ENOMEM, "examining PD %llu", (unsigned long long)pd->pd.id);
    }
    return result;
}

int mach_examine(struct recap_pd *handle, struct recap_refusals *refusals,
                 struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    int result = examine_names(pd, refusals, error);
    if (result == 0)
        result = mach_examine_memory(pd, refusals, error);
    if (result == 0 && examine_ports(pd, refusals) < 0)
        result = recap_fail(error, -ENOMEM, "examining PD %llu", (unsigned long long)pd->pd.id);
    return result;
}

int mach_suspend(struct recap_pd *handle, struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    if (pd->suspended)
        return 0;
    int result = answer(task_suspend(pd->task), pd, "suspending", error);
    if (result < 0)
        return result;
    changed(pd);
    pd->suspended = true;
    result = mach_settle(pd, error);
    if (result < 0) {
        pd->suspended = false;
        task_resume(pd->task);
    }
    return result;
}

/* A created PD starts: its threads are suspended as often as they were. */
static int start(struct mach_pd *pd, struct recap_error *error)
{
    kern_return_t why = KERN_SUCCESS;
    for (size_t i = 0; why == KERN_SUCCESS && i < pd->thread_count; i++) {
        for (unsigned n = 0; n < pd->held[i]; n++)
            thread_suspend(pd->threads[i]);
        why = thread_resume(pd->threads[i]);
    }
    return answer(why, pd, "starting the threads of", error);
}

int mach_resume(struct recap_pd *handle, struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    int result = pd->created ? start(pd, error) : 0;
    if (!pd->suspended || result < 0)
        return result;
    changed(pd);
    result = answer(task_resume(pd->task), pd, "resuming", error);
    if (result == 0)
        pd->suspended = pd->created = false;
    return result;
}

int mach_destroy(struct recap_pd *handle, struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    changed(pd);
    int result = answer(task_terminate(pd->task), pd, "ending", error);
    if (result == 0)
        pd->suspended = pd->created = false;
    return result;
}

void mach_pd_close(struct recap_pd *handle)
{
    struct mach_names names;
    if (!handle)
        return;
    struct mach_pd *pd = mach_pd_of(handle);
    struct mach_kernel *mach = mach_of(handle->kernel);
    changed(pd);
    if (pd->created)
        task_terminate(pd->task);
    else if (pd->suspended)
        task_resume(pd->task);
    pd->open = pd->suspended = pd->created = false;
    if (mach_names(pd->task, &names, NULL) < 0)
        drop(pd);
    else
        mach_names_free(&names);
    /* Rights that core keeps for badges would keep ports from being without senders. */
    if (--mach->open_count == 0)
        mach_forget(mach);
}

int mach_attributes(struct recap_pd *handle, struct recap_graph *graph,
                    struct recap_pd_image *image, struct recap_error *error)
{
    const struct mach_pd *pd = mach_pd_of(handle);
    struct task_basic_info info;
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;
    kern_return_t why = task_info(pd->task, TASK_BASIC_INFO, (task_info_t)&info, &count);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "asking about PD %llu", (unsigned long long)pd->pd.id);
    struct recap_value *attributes = recap_record(graph->arena);
    recap_put_number(graph->arena, attributes, "base_priority", info.base_priority);
    /* Without core's own. */
    recap_put_number(graph->arena, attributes, "suspended", info.suspend_count - 1);
    image->id = pd->pd.id;
    image->name = recap_arena_text(graph->arena, pd->name);
    image->attributes = attributes;
    return recap_arena_failed(graph->arena) ? recap_fail(error, -ENOMEM, "reading attributes") : 0;
}

int mach_attributes_set(struct recap_pd *handle, const struct recap_creation *creation,
                        const struct recap_pd_image *image, struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    (void)creation;
    int64_t priority = recap_number_or(image->attributes, "base_priority", -1);
    int64_t suspended = recap_number_or(image->attributes, "suspended", 0);
    if (priority < 0 || priority > INT32_MAX || suspended < 0 || suspended > INT16_MAX)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "the attributes of PD %llu are damaged",
                            (unsigned long long)image->id);
    int result = mach_protect(pd, image, error);
    if (result == 0)
        result = answer(task_priority(pd->task, (int)priority, FALSE), pd,
                        "setting the priority of", error);
    for (int64_t i = 0; result == 0 && i < suspended; i++)
        result = answer(task_suspend(pd->task), pd, "suspending", error);
    return result;
}
