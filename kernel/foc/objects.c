/* objects.c: the table of every object that core knows, and making and ending them. */
#include "foc.h"
#include "service.h"

#include <errno.h>
#include <l4/re/env.h>
#include <l4/sys/debugger.h>
#include <l4/sys/factory.h>
#include <l4/sys/ipc_gate.h>
#include <l4/sys/irq.h>
#include <l4/sys/semaphore.h>
#include <l4/sys/task.h>
#include <stdlib.h>

const char *foc_kind_name(enum foc_kind kind)
{
    static const char *const names[FOC_KINDS] = {"task",      "thread", "session", "gate",   "irq",
                                                 "semaphore", "memory", "log",     "unknown"};
    return names[kind];
}

struct foc_object *foc_object(const struct foc *foc, recap_badge badge)
{
    return badge && badge <= foc->object_count ? foc->objects[badge - 1] : NULL;
}

struct foc_object *foc_enter(struct foc *foc, enum foc_kind kind, l4_cap_idx_t cap, uint64_t family)
{
    if (foc->object_count == foc->object_capacity) {
        size_t capacity = foc->object_capacity ? foc->object_capacity * 2 : 64;
        struct foc_object **objects = realloc(foc->objects, capacity * sizeof *objects);
        if (!objects)
            return NULL;
        foc->objects = objects;
        foc->object_capacity = capacity;
    }
    struct foc_object *object = calloc(1, sizeof *object);
    if (!object)
        return NULL;
    *object = (struct foc_object){
        .badge = foc->object_count + 1, .kind = kind, .cap = cap, .family = family};
    if (foc->numbers)
        object->number = l4_debugger_global_id(cap);
    foc->objects[foc->object_count++] = object;
    return object;
}

/* A gate that leads to core; what core sees of it is the object itself. */
static l4_msgtag_t make_own_gate(struct foc *foc, l4_cap_idx_t cap)
{
    return l4_factory_create_gate(foc->factory, cap, L4_INVALID_CAP, 0);
}

int foc_make(struct foc *foc, enum foc_kind kind, uint64_t family, struct foc_object **object,
             struct recap_error *error)
{
    l4_cap_idx_t cap = foc_selector();
    l4_fpage_t utcbs = l4_fpage(FOC_UTCBS, FOC_UTCB_ORDER, 0);
    l4_msgtag_t tag = l4_msgtag(-L4_EINVAL, 0, 0, 0);
    if (cap == L4_INVALID_CAP)
        return recap_fail(error, -ENOSPC, "making a %s", foc_kind_name(kind));
    if (kind == FOC_TASK)
        tag = l4_factory_create_task(foc->factory, cap, &utcbs);
    else if (kind == FOC_THREAD)
        tag = l4_factory_create_thread(foc->factory, cap);
    else if (kind == FOC_IRQ)
        tag = l4_factory_create_irq(foc->factory, cap);
    else if (kind == FOC_SEMAPHORE)
        tag = l4_factory_create(foc->factory, L4_PROTO_SEMAPHORE, cap);
    else if (kind == FOC_GATE || kind == FOC_SESSION || kind == FOC_MEMORY)
        tag = make_own_gate(foc, cap);
    if (l4_msgtag_has_error(tag) || l4_msgtag_label(tag) < 0)
        return recap_fail(error, -ENOMEM, "making a %s: the kernel says %ld", foc_kind_name(kind),
                          l4_msgtag_has_error(tag) ? -1L : l4_msgtag_label(tag));
    struct foc_object *made = foc_enter(foc, kind, cap, family);
    if (!made) {
        foc_selector_free(cap);
        return recap_fail(error, -ENOMEM, "making a %s", foc_kind_name(kind));
    }
    if (kind == FOC_SESSION || kind == FOC_MEMORY) {
        tag = l4_rcv_ep_bind_thread(cap, l4re_env()->main_thread, (l4_umword_t)made);
        if (l4_msgtag_label(tag) < 0) {
            foc_end_object(foc, made);
            return recap_fail(error, -EIO, "binding a gate of core");
        }
    }
    *object = made;
    return 0;
}

int foc_bind(struct foc *foc, struct foc_object *object, struct foc_object *thread,
             l4_umword_t label, struct recap_error *error)
{
    (void)foc;
    if (label % FOC_LABEL_STEP || thread->kind != FOC_THREAD ||
        (object->kind != FOC_GATE && object->kind != FOC_IRQ))
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "a %s cannot be bound so",
                            foc_kind_name(object->kind));
    l4_msgtag_t tag = l4_rcv_ep_bind_thread(object->cap, thread->cap, label);
    if (l4_msgtag_has_error(tag) || l4_msgtag_label(tag) < 0)
        return recap_fail(error, -EIO, "binding a %s: the kernel says %ld",
                          foc_kind_name(object->kind), l4_msgtag_label(tag));
    object->bound = thread->badge;
    object->label = label;
    return 0;
}

int foc_make_memory(struct foc *foc, uint64_t size, uint64_t family, struct foc_object **object,
                    struct recap_error *error)
{
    if (!size || size % FOC_PAGE || size > FOC_SPACE_END)
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "memory of %llu bytes cannot be made",
                            (unsigned long long)size);
    uint8_t *bytes = foc_pages(size);
    struct foc_object *made;
    int result = bytes ? foc_make(foc, FOC_MEMORY, family, &made, error)
                       : recap_fail(error, -ENOMEM, "making memory");
    if (result < 0) {
        foc_pages_free(bytes, size);
        return result;
    }
    made->bytes = bytes;
    made->size = size;
    *object = made;
    return 0;
}

void foc_end_object(struct foc *foc, struct foc_object *object)
{
    if (!object)
        return;
    unsigned how = object->kind == FOC_LOG || object->kind == FOC_UNKNOWN ? L4_FP_ALL_SPACES
                                                                          : L4_FP_DELETE_OBJ;
    l4_task_unmap(L4_BASE_TASK_CAP, l4_obj_fpage(object->cap, 0, L4_CAP_FPAGE_RWSD), how);
    if (object->bytes)
        foc_regions_forget(foc, object);
    foc_pages_free(object->bytes, object->size);
    foc->objects[object->badge - 1] = NULL;
    free(object);
}

int64_t foc_semaphore_count(const struct foc_object *object)
{
    int64_t count = 0;
    while (l4_ipc_error(l4_semaphore_down(object->cap, L4_IPC_BOTH_TIMEOUT_0), l4_utcb()) == 0)
        count++;
    foc_semaphore_raise(object, count);
    return count;
}

void foc_semaphore_raise(const struct foc_object *object, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        l4_semaphore_up(object->cap);
}
