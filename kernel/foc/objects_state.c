/* objects_state.c: what the graph says of an object, and objects made from what a graph says.
 *
 * A gate or an interrupt names the thread that it is bound to, and the label; so both come back.
 * What leads to a PD that nobody has open for the checkpoint lives outside of it.
 */
#include "foc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct foc *of(struct recap_kernel *kernel)
{
    return (struct foc *)kernel;
}

static int gone(struct recap_error *error)
{
    return recap_fail(error, -ESTALE, "the object is gone");
}

static const char *label_of(struct foc *foc, const struct foc_object *object,
                            struct recap_arena *arena)
{
    const struct foc_object *bound = foc_object(foc, object->bound);
    unsigned long long thread = object->thread;
    switch (object->kind) {
    case FOC_TASK:
        return recap_arena_printf(arena, "PD %llu (%s)", (unsigned long long)object->pd->id,
                                  object->pd->name);
    case FOC_THREAD:
    case FOC_SESSION:
        return recap_arena_printf(arena, "%s %llu of PD %llu (%s)",
                                  object->kind == FOC_THREAD ? "thread"
                                                             : "core's session of thread",
                                  thread, (unsigned long long)object->pd->id, object->pd->name);
    case FOC_GATE:
    case FOC_IRQ:
        if (!bound)
            return recap_arena_printf(arena, "%s bound to nobody", foc_kind_name(object->kind));
        return recap_arena_printf(
            arena, "%s to thread %llu of PD %llu (%s), label 0x%lx",
            object->kind == FOC_GATE ? "IPC gate" : "interrupt", (unsigned long long)bound->thread,
            (unsigned long long)bound->pd->id, bound->pd->name, object->label);
    case FOC_MEMORY:
        return recap_arena_printf(arena, "%llu bytes of memory", (unsigned long long)object->size);
    case FOC_LOG:
        return "the kernel's console";
    case FOC_SEMAPHORE:
        return "semaphore";
    default:
        return "an object that core did not make";
    }
}

int foc_label(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
              const char **label, struct recap_error *error)
{
    struct foc *foc = of(kernel);
    const struct foc_object *object = foc_object(foc, badge);
    if (!object)
        return gone(error);
    const char *text = label_of(foc, object, arena);
    if (!text)
        return recap_fail(error, -ENOMEM, "labelling an object");
    *label = text;
    return 0;
}

/* The PD by which an object is inside or outside of what is checkpointed; NULL: it needs none. */
static const struct foc_pd *keeper(struct foc *foc, const struct foc_object *object)
{
    const struct foc_object *bound = foc_object(foc, object->bound);
    return object->pd ? object->pd : bound ? bound->pd : NULL;
}

int foc_describe(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                 struct recap_object *object, struct recap_error *error)
{
    struct foc *foc = of(kernel);
    struct foc_object *from = foc_object(foc, badge);
    if (!from)
        return gone(error);
    struct recap_value *state = recap_record(arena);
    const struct foc_pd *pd = keeper(foc, from);
    object->kind = foc_kind_name(from->kind);
    object->label = label_of(foc, from, arena);
    object->state = state;
    object->external = from->kind == FOC_LOG || (pd && !pd->opened);
    object->content = 0;
    if (from->kind == FOC_UNKNOWN) {
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "core did not make it, so nobody "
                     "knows what it is made of");
        return recap_error_remedy(error, "checkpoint with --external and restore with --bind");
    }
    if (from->kind == FOC_LOG)
        recap_put_text(arena, state, "binding", "log");
    if (object->external)
        return 0;
    if (from->name[0])
        recap_put_text(arena, state, "name", from->name);
    if (from->pd)
        recap_put_number(arena, state, "pd", (int64_t)from->pd->id);
    if (from->kind == FOC_THREAD || from->kind == FOC_SESSION)
        recap_put_number(arena, state, "thread", (int64_t)from->thread);
    if (foc_object(foc, from->bound)) {
        recap_put_object(arena, state, "bound", from->bound);
        recap_put_hex(arena, state, "label", from->label);
    }
    if (from->kind == FOC_IRQ)
        recap_put_number(arena, state, "pending", from->pending);
    if (from->kind == FOC_SEMAPHORE && foc->stopped)
        recap_put_number(arena, state, "count", foc_semaphore_count(from));
    if (from->kind == FOC_MEMORY) {
        recap_put_number(arena, state, "size", (int64_t)from->size);
        object->content = from->size;
    }
    return 0;
}

ssize_t foc_content(struct recap_kernel *kernel, recap_badge badge, uint64_t offset, void *buffer,
                    size_t size, struct recap_error *error)
{
    const struct foc_object *object = foc_object(of(kernel), badge);
    if (!object || object->kind != FOC_MEMORY)
        return gone(error);
    if (offset >= object->size)
        return 0;
    if (size > object->size - offset)
        size = object->size - offset;
    memcpy(buffer, object->bytes + offset, size);
    return (ssize_t)size;
}

static enum foc_kind kind_named(const char *name)
{
    for (int kind = 0; kind < FOC_KINDS; kind++)
        if (name && !strcmp(foc_kind_name((enum foc_kind)kind), name))
            return (enum foc_kind)kind;
    return FOC_UNKNOWN;
}

static int damaged(struct recap_error *error, const struct recap_object *from)
{
    return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "the image does not say what this %s is",
                        from->kind);
}

/* Task, thread and session came with the PD. */
static int find_made(const struct recap_creation *creation, const struct recap_object *from,
                     enum foc_kind kind, struct foc_object **object, struct recap_error *error)
{
    int64_t id, thread = 0;
    if (recap_get_number(from->state, "pd", &id) < 0 ||
        (kind != FOC_TASK && recap_get_number(from->state, "thread", &thread) < 0))
        return damaged(error, from);
    for (size_t i = 0; i < creation->graph->pd_count; i++) {
        if (creation->graph->pds[i].id != (uint64_t)id)
            continue;
        struct foc_pd *pd = foc_pd(creation->pds[i]);
        struct foc_thread *made = pd ? foc_thread(pd, (uint64_t)thread) : NULL;
        if (pd && kind == FOC_TASK)
            *object = pd->task;
        else if (made)
            *object = kind == FOC_THREAD ? made->object : made->session;
        else
            break;
        return 0;
    }
    return damaged(error, from);
}

static int bind_made(struct foc *foc, const struct recap_creation *creation,
                     const struct recap_object *from, struct foc_object *object,
                     struct recap_error *error)
{
    uint64_t bound, label = 0;
    if (recap_get_object(from->state, "bound", &bound) < 0)
        return 0;
    struct foc_object *thread = foc_object(foc, creation->badges[bound]);
    if (!thread || recap_get_hex(from->state, "label", &label) < 0)
        return damaged(error, from);
    return foc_bind(foc, object, thread, label, error);
}

static int fill_memory(const struct recap_creation *creation, uint64_t id,
                       struct foc_object *object, uint64_t content, struct recap_error *error)
{
    for (uint64_t at = 0; at < content && at < object->size;) {
        ssize_t got =
            creation->content(creation->context, id, at, object->bytes + at, object->size - at);
        if (got <= 0)
            return recap_fail(error, got ? (int)got : -EIO, "reading the content of memory");
        at += (uint64_t)got;
    }
    return 0;
}

int foc_create(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
               recap_badge *badge, struct recap_error *error)
{
    struct foc *foc = of(kernel);
    const struct recap_object *from = recap_graph_object(creation->graph, id);
    enum foc_kind kind = kind_named(from->kind);
    struct foc_pd *first = creation->graph->pd_count ? foc_pd(creation->pds[0]) : NULL;
    struct foc_object *object = NULL;
    int64_t size = 0;
    int result;
    if (!first)
        return damaged(error, from);
    if (kind == FOC_TASK || kind == FOC_THREAD || kind == FOC_SESSION)
        result = find_made(creation, from, kind, &object, error);
    else if (kind == FOC_GATE || kind == FOC_IRQ || kind == FOC_SEMAPHORE)
        result = foc_make(foc, kind, first->family, &object, error);
    else if (kind == FOC_MEMORY && recap_get_number(from->state, "size", &size) == 0)
        result = foc_make_memory(foc, (uint64_t)size, first->family, &object, error);
    else
        result = damaged(error, from);
    if (result == 0 && (kind == FOC_GATE || kind == FOC_IRQ))
        result = bind_made(foc, creation, from, object, error);
    if (result == 0 && kind == FOC_MEMORY)
        result = fill_memory(creation, id, object, from->content, error);
    if (result < 0)
        return result;
    if (kind == FOC_SEMAPHORE)
        foc_semaphore_raise(object, recap_number_or(from->state, "count", 0));
    object->pending = kind == FOC_IRQ && recap_number_or(from->state, "pending", 0);
    const char *name = recap_text_or_null(from->state, "name");
    strncpy(object->name, name ? name : "", sizeof object->name - 1);
    *badge = object->badge;
    return 0;
}

int foc_compare(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                uint64_t id, struct recap_error *error)
{
    struct foc *foc = of(kernel);
    const struct foc_object *object = foc_object(foc, badge);
    const struct recap_object *wanted = recap_graph_object(graph, id);
    if (!object || kind_named(wanted->kind) != object->kind)
        return recap_fail(error, -ESTALE, "it is a %s and not a %s",
                          object ? foc_kind_name(object->kind) : "dead object", wanted->kind);
    uint64_t bound = 0, label = 0;
    recap_get_object(wanted->state, "bound", &bound);
    recap_get_hex(wanted->state, "label", &label);
    const struct foc_object *thread = foc_object(foc, object->bound);
    const struct recap_object *partner = recap_graph_object(graph, bound);
    int64_t number = partner ? recap_number_or(partner->state, "thread", 0) : 0;
    if (!thread != !partner ||
        (thread && (thread->thread != (uint64_t)number || object->label != label)))
        return recap_fail(error, -ESTALE, "it is bound otherwise than it was");
    if (object->kind == FOC_MEMORY &&
        object->size != (uint64_t)recap_number_or(wanted->state, "size", 0))
        return recap_fail(error, -ESTALE, "its size is %llu", (unsigned long long)object->size);
    if ((object->kind == FOC_THREAD || object->kind == FOC_SESSION) &&
        object->thread != (uint64_t)recap_number_or(wanted->state, "thread", 0))
        return recap_fail(error, -ESTALE, "it is of another thread");
    return 0;
}

/* log, name:NAME, pid:PD:SELECTOR. */
int foc_bind_spec(struct recap_kernel *kernel, const char *spec, uint32_t rights,
                  recap_badge *badge, struct recap_error *error)
{
    struct foc *foc = of(kernel);
    const struct foc_object *found = NULL;
    (void)rights;
    for (size_t i = 0; i < foc->object_count; i++) {
        const struct foc_object *object = foc->objects[i];
        if (object &&
            ((object->kind == FOC_LOG && !strcmp(spec, "log")) ||
             (!strncmp(spec, "name:", 5) && object->name[0] && !strcmp(object->name, spec + 5))))
            found = object;
    }
    if (!strncmp(spec, "pid:", 4)) {
        char *end;
        uint64_t id = strtoull(spec + 4, &end, 0);
        struct foc_pd *pd = foc->pds;
        while (pd && pd->id != id)
            pd = pd->next;
        if (pd && *end == ':')
            found = foc_behind(pd, strtoull(end + 1, NULL, 0));
    }
    if (!found) {
        recap_refuse(error, RECAP_USAGE, -ENOENT, "there is nothing that \"%s\" names", spec);
        return recap_error_remedy(error, "use log, name:NAME or pid:PD:SELECTOR");
    }
    *badge = found->badge;
    return 0;
}
