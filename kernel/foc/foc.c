/* foc.c: the table of kernel.h for Fiasco.OC, and the PDs behind handles. */
#include "foc.h"

#include <errno.h>
#include <l4/re/env.h>
#include <l4/sys/debugger.h>
#include <l4/sys/kip.h>
#include <l4/sys/task.h>
#include <l4/sys/thread.h>
#include <stdio.h>
#include <stdlib.h>

static struct foc *of(struct recap_kernel *kernel)
{
    return (struct foc *)kernel;
}

static struct foc_handle *handle_of(struct recap_pd *pd)
{
    return (struct foc_handle *)pd;
}

struct foc_pd *foc_pd(struct recap_pd *handle)
{
    return handle_of(handle)->pd;
}

static struct foc_pd *find(const struct foc *foc, uint64_t id)
{
    struct foc_pd *pd = foc->pds;
    while (pd && (pd->id != id || pd->ended))
        pd = pd->next;
    return pd;
}

static int not_there(struct recap_error *error)
{
    return recap_fail(error, -ESRCH, "the PD has ended");
}

static const char *release(struct recap_kernel *kernel)
{
    return of(kernel)->release;
}

static int list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                struct recap_error *error)
{
    size_t number = 0;
    for (const struct foc_pd *pd = of(kernel)->pds; pd; pd = pd->next)
        number += !pd->ended;
    uint64_t *found = calloc(number + 1, sizeof *found);
    if (!found)
        return recap_fail(error, -ENOMEM, "listing PDs");
    *count = 0;
    for (const struct foc_pd *pd = of(kernel)->pds; pd; pd = pd->next)
        if (!pd->ended)
            found[(*count)++] = pd->id;
    *ids = found;
    return 0;
}

static int pd_name(struct recap_kernel *kernel, uint64_t id, char *name, size_t size,
                   struct recap_error *error)
{
    const struct foc_pd *pd = find(of(kernel), id);
    if (!pd)
        return not_there(error);
    snprintf(name, size, "%s", pd->name);
    return 0;
}

static int make_handle(struct foc_pd *pd, bool made, struct recap_pd **handle,
                       struct recap_error *error)
{
    struct foc_handle *new = calloc(1, sizeof *new);
    if (!new)
        return recap_fail(error, -ENOMEM, "opening a PD");
    *new = (struct foc_handle){
        .base = {.kernel = &pd->foc->base, .id = pd->id}, .pd = pd, .made = made};
    pd->opened++;
    *handle = &new->base;
    return 0;
}

static int pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **handle,
                   struct recap_error *error)
{
    struct foc_pd *pd = find(of(kernel), id);
    if (!pd || !pd->runs)
        return recap_fail(error, -ESRCH, "there is no PD %llu", (unsigned long long)id);
    return make_handle(pd, false, handle, error);
}

static int pd_create(struct recap_kernel *kernel, const struct recap_graph *graph,
                     const struct recap_pd_image *plan, struct recap_pd **handle,
                     struct recap_error *error)
{
    struct foc *foc = of(kernel);
    if (foc->making != graph->serial) {
        foc->making = graph->serial;
        foc->families++;
    }
    struct foc_pd *pd =
        foc_pd_make(foc, plan->id, plan->name ? plan->name : "", foc->families, error);
    if (!pd)
        return error && error->code ? error->code : -ENOMEM;
    int result = 0;
    for (size_t i = 0; result == 0 && i < plan->thread_count; i++)
        result = foc_thread_make(pd, plan->threads[i].id, error) ? 0 : -ENOMEM;
    if (result == 0)
        result = make_handle(pd, true, handle, error);
    if (result < 0)
        foc_pd_end(pd);
    return result;
}

static int examine(struct recap_pd *handle, struct recap_refusals *refusals,
                   struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    if (!pd)
        return not_there(error);
    for (const struct foc_thread *thread = pd->threads; thread; thread = thread->next)
        if (thread->crashed &&
            recap_refusals_say(refusals, NULL, "thread %llu has crashed: %s",
                               (unsigned long long)thread->id, thread->crashed) < 0)
            return recap_fail(error, -ENOMEM, "examining the PD");
    return 0;
}

static int suspend(struct recap_pd *pd, struct recap_error *error)
{
    struct foc_handle *handle = handle_of(pd);
    if (!handle->pd)
        return not_there(error);
    if (handle->suspended || handle->made)
        return 0;
    int result = foc_stop_world(handle->pd->foc, error);
    handle->suspended = result == 0;
    return result;
}

static int resume(struct recap_pd *pd, struct recap_error *error)
{
    struct foc_handle *handle = handle_of(pd);
    if (!handle->pd)
        return not_there(error);
    struct foc *foc = handle->pd->foc;
    if (handle->made) {
        handle->made = false;
        handle->pd->runs = true;
        foc_go_on(foc);
    } else if (handle->suspended) {
        handle->suspended = false;
        foc_start_world(foc);
    }
    return 0;
}

/* Lets go of the PD behind a handle; the last one to do so ends one that is to end. */
static void let_go(struct foc_handle *handle, bool end)
{
    struct foc_pd *pd = handle->pd;
    if (!pd)
        return;
    struct foc *foc = pd->foc;
    handle->pd = NULL;
    pd->opened--;
    pd->ended |= end;
    for (struct foc_thread *thread = pd->threads; end && thread; thread = thread->next) {
        thread->crashed = "the component was ended";
        l4_thread_ex_regs(thread->object->cap, ~0ul, ~0ul,
                          L4_THREAD_EX_REGS_TRIGGER_EXCEPTION | L4_THREAD_EX_REGS_CANCEL);
    }
    foc_reap(foc);
    if (handle->suspended)
        foc_start_world(foc);
    handle->suspended = false;
}

static int destroy(struct recap_pd *pd, struct recap_error *error)
{
    if (!foc_pd(pd))
        return not_there(error);
    let_go(handle_of(pd), true);
    return 0;
}

static void pd_close(struct recap_pd *pd)
{
    if (!pd)
        return;
    let_go(handle_of(pd), handle_of(pd)->made);
    free(pd);
}

static int attributes(struct recap_pd *handle, struct recap_graph *graph,
                      struct recap_pd_image *image, struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    if (!pd)
        return not_there(error);
    image->name = recap_arena_text(graph->arena, pd->name);
    image->attributes = recap_record(graph->arena);
    return image->name && image->attributes ? 0 : recap_fail(error, -ENOMEM, "reading attributes");
}

static int attributes_set(struct recap_pd *handle, const struct recap_creation *creation,
                          const struct recap_pd_image *image, struct recap_error *error)
{
    (void)creation;
    (void)image; /* the name was given when the PD was made */
    return foc_pd(handle) ? 0 : not_there(error);
}

static const struct recap_kernel_ops operations = {
    .name = "foc",
    .machine = "x86_64",
    .release = release,
    .list = list,
    .pd_name = pd_name,
    .pd_open = pd_open,
    .pd_create = pd_create,
    .examine = examine,
    .suspend = suspend,
    .resume = resume,
    .destroy = destroy,
    .pd_close = pd_close,
    .request = foc_request,
    .install = foc_install,
    .remove = foc_remove,
    .describe = foc_describe,
    .label = foc_label,
    .content = foc_content,
    .create = foc_create,
    .compare = foc_compare,
    .bind = foc_bind_spec,
    .regions = foc_regions,
    .read = foc_read,
    .write = foc_write,
    .map = foc_map,
    .threads = foc_threads,
    .threads_set = foc_threads_set,
    .attributes = attributes,
    .attributes_set = attributes_set,
};

/* The kernel's banner without the colours in it. */
static void describe_kernel(char *text, size_t size)
{
    const char *from = l4_kip_version_string(l4re_kip());
    size_t at = 0;
    for (; *from && at + 1 < size; from++)
        if (*from == '\033')
            while (*from && *from != 'm')
                from++;
        else if (*from == '\n')
            break;
        else
            text[at++] = *from;
    text[at] = 0;
}

struct foc *foc_open(struct recap_error *error)
{
    struct foc *foc = calloc(1, sizeof *foc);
    if (!foc) {
        recap_fail(error, -ENOMEM, "starting core");
        return NULL;
    }
    foc_fpu_init();
    foc->base.ops = &operations;
    foc->families = 1; /* 0: what lasts as long as core */
    foc->factory = l4re_env()->factory;
    foc->log = l4re_env()->log;
    foc->numbers = l4_debugger_global_id(L4_BASE_TASK_CAP) != ~0ul;
    describe_kernel(foc->release, sizeof foc->release);
    foc->stub = foc_stub_make();
    if (!foc->stub || !foc_enter(foc, FOC_LOG, foc->log, 0)) {
        recap_fail(error, -ENOMEM, "starting core");
        free(foc);
        return NULL;
    }
    return foc;
}
