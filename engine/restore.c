/* restore.c: from an image to verified, stopped PDs.
 *
 * In the order of the definition: make the PDs, bind or create every object, install every
 * capability at its selector, memory, threads, ties, attributes, verify. Whatever fails, the
 * cleanup of `struct work` closes the PDs, which were never started and so leave nothing behind.
 */
#include "engine/check_beside.h"
#include "engine/engine.h"
#include "kernel/defaults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct work {
    struct recap_kernel *kernel;
    const struct recap_kernel_ops *ops;
    struct recap_image *image;
    const struct recap_graph *graph;
    const struct recap_restore_options *options;
    struct recap_refusals *refusals;
    struct recap_pd **pds;
    recap_badge *badges; /* by object id */
    const char **specs;  /* by object id: what binds it, or NULL */
    struct recap_creation creation;
    bool beside;  /* the image is checked while its memory is loaded */
    bool binding; /* what happens, or has failed, is of the bindings */
    struct recap_error *error;
};

static void clear_work(struct work *work)
{
    recap_wanted_end(work->kernel);
    for (size_t i = 0; work->pds && i < work->graph->pd_count; i++)
        work->ops->pd_close(work->pds[i]);
    free(work->pds);
    free(work->badges);
    free(work->specs);
}

/* Says how far it is; the caller may have had enough. */
static int progress(const struct work *work, const char *phase, uint64_t done, uint64_t total)
{
    const struct recap_progress *to = &work->options->progress;
    if (!to->report || to->report(to->context, phase, done, total))
        return 0;
    return recap_refuse(work->error, RECAP_FAILED, -EINTR, "the restore was interrupted");
}

/* Which binding is for which object. */
static int match_bindings(struct work *work)
{
    for (size_t b = 0; b < work->options->binding_count; b++) {
        const struct recap_binding *binding = &work->options->bindings[b];
        const struct recap_slot *slot = NULL;
        for (size_t i = 0; !slot && i < work->graph->pd_count; i++)
            if (!binding->at.pd || binding->at.pd == work->graph->pds[i].id)
                slot = recap_graph_slot(&work->graph->pds[i], binding->at.selector);
        if (!slot) {
            recap_refuse(work->error, RECAP_USAGE, -ENOENT,
                         "a binding names it but the image has nothing there");
            return recap_error_at(work->error, binding->at.selector);
        }
        const char **spec = &work->specs[slot->object];
        if (*spec && strcmp(*spec, binding->spec) != 0) {
            recap_refuse(work->error, RECAP_USAGE, -EINVAL,
                         "it shares its object with another selector that is bound to %s, so it "
                         "cannot be bound to %s",
                         *spec, binding->spec);
            return recap_error_at(work->error, binding->at.selector);
        }
        *spec = binding->spec;
    }
    return 0;
}

static bool first_holder(const struct recap_graph *graph, uint64_t id, recap_selector *selector)
{
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].slot_count; i++)
            if (graph->pds[p].slots[i].object == id) {
                *selector = graph->pds[p].slots[i].selector;
                return true;
            }
    return false;
}

static int refuse_unbound(struct work *work, const struct recap_object *object)
{
    struct recap_error why;
    recap_selector selector;
    recap_refuse(&why, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "it lived outside of what was checkpointed and needs a binding");
    recap_error_object(&why, object->label ? object->label : object->kind);
    if (first_holder(work->graph, object->id, &selector)) {
        recap_error_at(&why, selector);
        recap_error_remedy(&why, "restore with --bind %llu=OBJECT", (unsigned long long)selector);
    }
    return recap_refusals_add(work->refusals, &why) < 0
               ? recap_fail(work->error, -ENOMEM, "matching bindings")
               : 0;
}

/* Every external object has a binding: given, or its own. All that lack one are found. */
static int require_bindings(struct work *work)
{
    for (size_t i = 0; i < work->graph->object_count; i++) {
        const struct recap_object *object = &work->graph->objects[i];
        const char **spec = &work->specs[object->id];
        if (!object->external || *spec)
            continue;
        *spec = recap_text_or_null(object->state, "binding");
        int result = *spec ? 0 : refuse_unbound(work, object);
        if (result < 0)
            return result;
    }
    if (!work->refusals->count)
        return 0;
    *work->error = work->refusals->items[0];
    return -EOPNOTSUPP;
}

static int at_holder(const struct work *work, uint64_t id, int result)
{
    const struct recap_object *object = recap_graph_object(work->graph, id);
    recap_selector selector;
    if (result == 0 || work->error->has_selector)
        return result;
    recap_error_object(work->error, object->label ? object->label : object->kind);
    if (first_holder(work->graph, id, &selector))
        recap_error_at(work->error, selector);
    return result;
}

static uint32_t wanted_rights(const struct recap_graph *graph, uint64_t id)
{
    uint32_t rights = 0;
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].slot_count; i++)
            if (graph->pds[p].slots[i].object == id)
                rights |= graph->pds[p].slots[i].rights;
    return rights;
}

static int make_object(void *context, uint64_t id)
{
    struct work *work = context;
    int result;
    work->binding = work->specs[id];
    if (work->binding)
        result = work->ops->bind(work->kernel, work->specs[id], wanted_rights(work->graph, id),
                                 &work->badges[id], work->error);
    else
        result =
            work->ops->create(work->kernel, &work->creation, id, &work->badges[id], work->error);
    if (result == 0)
        work->binding = false;
    return at_holder(work, id, result);
}

static int make_pds(struct work *work)
{
    for (size_t i = 0; i < work->graph->pd_count; i++) {
        int result = work->ops->pd_create(work->kernel, work->graph, &work->graph->pds[i],
                                          &work->pds[i], work->error);
        if (result < 0)
            return result;
    }
    return 0;
}

static int install_slots(struct work *work, size_t index)
{
    const struct recap_pd_image *image = &work->graph->pds[index];
    size_t count = image->slot_count;
    struct recap_cap *caps = calloc(count + 1, sizeof *caps);
    recap_selector *selectors = calloc(count + 1, sizeof *selectors);
    int result =
        caps && selectors ? 0 : recap_fail(work->error, -ENOMEM, "installing capabilities");
    for (size_t i = 0; result == 0 && i < count; i++) {
        const struct recap_slot *slot = &image->slots[i];
        selectors[i] = slot->selector;
        caps[i] = (struct recap_cap){.badge = work->badges[slot->object],
                                     .kind = work->graph->objects[slot->object - 1].kind,
                                     .rights = slot->rights,
                                     .slot_flags = slot->flags,
                                     .references = slot->references};
    }
    if (result == 0)
        result = kernel_install_many(work->pds[index], selectors, caps, count, work->error);
    free(caps);
    free(selectors);
    return result;
}

static int fill_memory(struct work *work, size_t index)
{
    const struct recap_pd_image *image = &work->graph->pds[index];
    struct recap_pd *pd = work->pds[index];
    int core = recap_image_core(work->image, image);
    int result =
        work->ops->map(pd, &work->creation, image, work->options->lazy ? core : -1, work->error);
    if (result < 0 || work->options->lazy)
        return result;
    return kernel_load(pd, image, core, work->error);
}

/* A PD that holds the object, or the first one. */
static struct recap_pd *holding_pd(const struct work *work, uint64_t id)
{
    for (size_t p = 0; p < work->graph->pd_count; p++)
        for (size_t i = 0; i < work->graph->pds[p].slot_count; i++)
            if (work->graph->pds[p].slots[i].object == id)
                return work->pds[p];
    return work->pds[0];
}

/* An external object ties what it was bound to: a terminal takes on the settings of the old one. */
static int tie_objects(struct work *work)
{
    for (uint64_t id = 1; id <= work->graph->object_count; id++) {
        const struct recap_object *object = &work->graph->objects[id - 1];
        if ((work->specs[id] && !object->external) || !recap_member(object->state, "ties"))
            continue;
        int result = kernel_tie(holding_pd(work, id), &work->creation, id, work->error);
        if (result < 0)
            return at_holder(work, id, result);
    }
    return 0;
}

static int verify_all(struct work *work)
{
    int result = recap_engine_verify(work->kernel, work->pds, work->graph, work->badges,
                                     work->refusals, work->error);
    for (size_t i = 0; result == 0 && i < work->graph->pd_count; i++)
        result = recap_engine_verify_memory(work->pds[i], work->graph, &work->graph->pds[i],
                                            work->refusals, work->error);
    /* Nothing was bound: all that differs is of the image, which contradicts itself. */
    if (result == -ESTALE && !work->options->binding_count) {
        work->error->cls = RECAP_DAMAGED;
        for (size_t i = 0; i < work->refusals->count; i++)
            work->refusals->items[i].cls = RECAP_DAMAGED;
    }
    return result;
}

/* Everything that is in a PD: capabilities, memory, threads. */
static int fill_pds(struct work *work)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < work->graph->pd_count; i++) {
        result = progress(work, "capabilities", i, work->graph->pd_count);
        if (result == 0)
            result = install_slots(work, i);
        if (result == 0)
            result = progress(work, "memory", i, work->graph->pd_count);
        if (result == 0)
            result = fill_memory(work, i);
        if (result == 0)
            result = work->ops->threads_set(work->pds[i], work->graph, &work->graph->pds[i],
                                            work->error);
    }
    return result;
}

/* Damage explains whatever else failed. */
static int check_done(struct work *work, struct recap_check_beside *check, int result)
{
    struct recap_error damage;
    int checked = recap_check_beside_end(check, &damage);
    if (checked < 0)
        *work->error = damage;
    return checked < 0 ? checked : result;
}

/* What the kernel calls malformed or out of range is what the image says: nothing that ran here had
 * it; and what it does not support, it lacks. It is not the image's where a binding was opened, nor
 * where the error names a remedy: whoever does that knows the cause. */
static void blame_image(const struct work *work, int result)
{
    static const int malformed[] = {EINVAL, ERANGE, EOVERFLOW, EFAULT, EDOM, EBADMSG, ENOTSOCK};
    struct recap_error *error = work->error;
    if (work->binding || error->remedy[0] || error->cls == RECAP_UNSUPPORTED ||
        error->cls == RECAP_DAMAGED)
        return;
    if (result == -EOPNOTSUPP)
        error->cls = RECAP_UNSUPPORTED;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        if (result == -malformed[i]) {
            size_t length = strlen(error->what);
            error->cls = RECAP_DAMAGED;
            snprintf(error->what + length, sizeof error->what - length,
                     ": the image says what this kernel does not know");
        }
}

static int restore(struct work *work)
{
    int result = progress(work, "objects", 0, work->graph->object_count);
    work->binding = true;
    if (result == 0)
        result = match_bindings(work);
    if (result == 0)
        result = require_bindings(work);
    work->binding = result < 0;
    if (result == 0)
        result = make_pds(work);
    if (result < 0)
        return result;
    result = recap_order(work->graph, make_object, work, work->error);
    /* Only now: processes are made and namespaces entered by a command of one thread. */
    struct recap_check_beside check = {0};
    if (work->beside)
        recap_check_beside_start(&check, work->image);
    if (result == 0)
        result = fill_pds(work);
    result = check_done(work, &check, result);
    if (result == 0)
        result = tie_objects(work);
    for (size_t i = 0; result == 0 && i < work->graph->pd_count; i++)
        result = work->ops->attributes_set(work->pds[i], &work->creation, &work->graph->pds[i],
                                           work->error);
    return result ? result : verify_all(work);
}

int recap_engine_restore(struct recap_kernel *kernel, struct recap_image *image,
                         const struct recap_restore_options *options, struct recap_pd **pds,
                         struct recap_refusals *refusals, struct recap_error *error)
{
    struct recap_error ignored;
    const struct recap_graph *graph = recap_image_graph(image);
    __attribute__((cleanup(clear_work))) struct work work = {.kernel = kernel,
                                                             .ops = kernel->ops,
                                                             .image = image,
                                                             .graph = graph,
                                                             .options = options,
                                                             .refusals = refusals,
                                                             .error = error ? error : &ignored};
    recap_wanted_begin(kernel, &options->progress);
    if (strcmp(graph->kernel, kernel->ops->name) != 0 ||
        strcmp(graph->machine, kernel->ops->machine) != 0)
        return recap_refuse(work.error, RECAP_DAMAGED, -ENOEXEC,
                            "the image is of a component on %s for %s, and this is %s for %s",
                            graph->kernel, graph->machine, kernel->ops->name, kernel->ops->machine);
    int trusted = recap_image_trust(image, work.error);
    if (trusted < 0)
        return trusted;
    work.beside = !options->lazy && recap_check_beside_pays(graph);
    if (!options->lazy && !work.beside) {
        int result = recap_image_check(image, work.error);
        if (result < 0)
            return result;
    }
    work.pds = calloc(graph->pd_count, sizeof *work.pds);
    work.badges = calloc(graph->object_count + 1, sizeof *work.badges);
    work.specs = calloc(graph->object_count + 1, sizeof *work.specs);
    if (!work.pds || !work.badges || !work.specs)
        return recap_fail(work.error, -ENOMEM, "restoring");
    work.creation = (struct recap_creation){.graph = graph,
                                            .pds = work.pds,
                                            .badges = work.badges,
                                            .content = recap_image_read_content,
                                            .context = image};
    int result = restore(&work);
    if (result < 0) {
        blame_image(&work, result);
        return result;
    }
    memcpy(pds, work.pds, graph->pd_count * sizeof *pds);
    memset(work.pds, 0, graph->pd_count * sizeof *pds);
    return 0;
}
