/* objects.c: what a badge stands for: its state, its label, and whether it is the same. */
#include "kernel/mach/objects.h"
#include "kernel/mach/guest/traps.h"
#include "mach.user.h"
#include "mach_debug.user.h"
#include "mach_port.user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the kernel's own objects are; numbers as mach_port_kernel_object gives them. */
static const struct {
    unsigned type;
    const char *kind, *label, *binding;
} kernel_objects[] = {
    {OBJECT_HOST, "host", "the host", "host"},
    {OBJECT_HOST_PRIV, "host", "the privileged host", "host-priv"},
};

static int gone(struct recap_error *error)
{
    return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is gone");
}

/* The PD whose badge and name a local badge has, and what is there. */
static struct mach_pd *find_local(struct mach_kernel *mach, recap_badge badge,
                                  mach_port_name_t *name, mach_port_type_t *type)
{
    struct mach_pd *pd = mach_find_id(mach, badge >> 32 & 0x7fffffff);
    *name = (mach_port_name_t)badge;
    return pd && mach_port_type(pd->task, *name, type) == KERN_SUCCESS ? pd : NULL;
}

/* The PD of the set that has the thread, and its id. */
static struct mach_pd *find_thread(struct mach_kernel *mach, mach_port_t thread, size_t *id)
{
    for (struct mach_pd *pd = mach->pds; pd; pd = pd->next) {
        mach_port_t *threads;
        size_t count, at = 0;
        if (!pd->open || mach_thread_list(pd, &threads, &count, NULL) < 0)
            continue;
        while (at < count && threads[at] != thread)
            at++;
        free(threads);
        if (at < count) {
            *id = at + 1;
            return pd;
        }
    }
    return NULL;
}

/* --- ports -------------------------------------------------------------------------------------
 */

static int describe_queue(struct mach_pd *pd, mach_port_name_t name,
                          const mach_port_status_t *status, struct recap_arena *arena,
                          struct recap_value *ties, struct recap_error *error)
{
    struct mach_kernel *mach = mach_of(pd->pd.kernel);
    if (!pd->suspended || !status->mps_msgcount)
        return 0;
    const struct mach_queue *queue = mach_queue(mach, pd, name);
    if (!queue || queue->refusal)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s",
                            queue ? queue->refusal : "its queue could not be read");
    struct recap_value *list = recap_put_list(arena, ties, "messages");
    for (const struct recap_value *m = recap_first(queue->messages); m && list; m = m->next) {
        struct recap_value *copy = recap_value_copy(arena, m, NULL, NULL);
        if (!copy)
            break;
        if (list->u.items.last)
            list->u.items.last->next = copy;
        else
            list->u.items.first = copy;
        list->u.items.last = copy;
        list->u.items.count++;
    }
    return 0;
}

/* A port whose receive right is at `name` of `pd`. */
static int describe_port(struct mach_pd *pd, mach_port_name_t name, struct recap_arena *arena,
                         struct recap_object *object, struct recap_error *error)
{
    mach_port_status_t status;
    if (mach_port_get_receive_status(pd->task, name, &status) != KERN_SUCCESS)
        return gone(error);
    object->kind = "port";
    object->label = recap_arena_printf(arena, "port of PD %llu (%s), %u message%s waiting",
                                       (unsigned long long)pd->pd.id, pd->name, status.mps_msgcount,
                                       status.mps_msgcount == 1 ? "" : "s");
    if (status.mps_nsrequest || status.mps_pdrequest)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "a notification is asked for, should the port %s: the kernel does not "
                            "say who would get it",
                            status.mps_nsrequest ? "have no more senders" : "be destroyed");
    object->state = recap_record(arena);
    recap_put_number(arena, object->state, "queue_limit", status.mps_qlimit);
    recap_put_number(arena, object->state, "sequence", status.mps_seqno);
    recap_put_number(arena, object->state, "made", status.mps_mscount);
    struct recap_value *ties = recap_put_record(arena, object->state, "ties");
    return describe_queue(pd, name, &status, arena, ties, error);
}

static int describe_set(struct mach_pd *pd, mach_port_name_t name, struct recap_arena *arena,
                        struct recap_object *object, struct recap_error *error)
{
    mach_port_name_array_t members = NULL;
    mach_msg_type_number_t count = 0;
    int result = 0;
    if (mach_port_get_set_status(pd->task, name, &members, &count) != KERN_SUCCESS)
        return gone(error);
    object->kind = "port set";
    object->label = recap_arena_printf(arena, "port set of PD %llu (%s), %u member%s",
                                       (unsigned long long)pd->pd.id, pd->name, (unsigned)count,
                                       count == 1 ? "" : "s");
    object->state = recap_record(arena);
    struct recap_value *ties = recap_put_record(arena, object->state, "ties");
    struct recap_value *list = recap_put_list(arena, ties, "members");
    for (mach_msg_type_number_t i = 0; result == 0 && i < count; i++) {
        recap_badge badge = 0;
        mach_port_type_t type;
        if (mach_port_type(pd->task, members[i], &type) != KERN_SUCCESS)
            continue;
        result = mach_badge(pd, members[i], type, &badge, error);
        if (result == 0)
            recap_put_object(arena, list, NULL, badge);
    }
    if (count)
        vm_deallocate(mach_task_self(), (vm_address_t)members, count * sizeof *members);
    return result;
}

static int describe_local(struct mach_kernel *mach, recap_badge badge, struct recap_arena *arena,
                          struct recap_object *object, struct recap_error *error)
{
    mach_port_name_t name;
    mach_port_type_t type;
    struct mach_pd *pd = find_local(mach, badge, &name, &type);
    if (!pd)
        return gone(error);
    if (type & MACH_PORT_TYPE_RECEIVE)
        return describe_port(pd, name, arena, object, error);
    if (type & MACH_PORT_TYPE_PORT_SET)
        return describe_set(pd, name, arena, object, error);
    object->state = recap_record(arena);
    object->kind = type & MACH_PORT_TYPE_DEAD_NAME ? "dead name" : "port";
    object->label = object->kind;
    if (type & MACH_PORT_TYPE_SEND_ONCE) {
        object->label = "a port of another task, to which this is a send-once right";
        object->external = true;
    }
    return 0;
}

/* --- objects of the kernel ---------------------------------------------------------------------
 */

static void outside(struct recap_arena *arena, struct recap_object *object, const char *kind,
                    const char *label, const char *binding)
{
    object->kind = kind;
    object->label = label;
    object->external = true;
    object->state = recap_record(arena);
    if (binding)
        recap_put_text(arena, object->state, "binding", binding);
}

static void describe_task(struct mach_kernel *mach, mach_port_t task, struct recap_arena *arena,
                          struct recap_object *object)
{
    const struct mach_pd *pd = mach_find_task(mach, task);
    const char *label =
        pd ? recap_arena_printf(arena, "task %llu (%s)", (unsigned long long)pd->pd.id, pd->name)
           : "a task that core does not know";
    if (!pd || !pd->open) {
        outside(arena, object, "task", label,
                pd ? recap_arena_printf(arena, "task:%s", pd->name) : NULL);
        return;
    }
    object->kind = "task";
    object->label = label;
    object->state = recap_record(arena);
    recap_put_number(arena, object->state, "pd", (int64_t)pd->pd.id);
}

static int describe_kernels(struct mach_kernel *mach, mach_port_t port, unsigned type,
                            struct recap_arena *arena, struct recap_object *object,
                            struct recap_error *error)
{
    size_t id;
    for (size_t i = 0; i < sizeof kernel_objects / sizeof *kernel_objects; i++)
        if (kernel_objects[i].type == type) {
            outside(arena, object, kernel_objects[i].kind, kernel_objects[i].label,
                    kernel_objects[i].binding);
            return 0;
        }
    if (type == OBJECT_TASK) {
        describe_task(mach, port, arena, object);
        return 0;
    }
    const struct mach_pd *pd = type == OBJECT_THREAD ? find_thread(mach, port, &id) : NULL;
    if (pd) {
        object->kind = "thread";
        object->label = recap_arena_printf(arena, "thread %zu of task %llu (%s)", id,
                                           (unsigned long long)pd->pd.id, pd->name);
        object->state = recap_record(arena);
        recap_put_number(arena, object->state, "pd", (int64_t)pd->pd.id);
        recap_put_number(arena, object->state, "thread", (int64_t)id);
        return 0;
    }
    outside(arena, object, "kernel object",
            type == OBJECT_THREAD ? "a thread of another task"
                                  : recap_arena_printf(arena, "kernel object of type %u", type),
            NULL);
    (void)error;
    return 0;
}

int mach_describe(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                  struct recap_object *object, struct recap_error *error)
{
    struct mach_kernel *mach = mach_of(kernel);
    struct mach_place place;
    unsigned type;
    vm_offset_t address;
    int result = 0;
    if (badge & LOCAL_BADGE)
        result = describe_local(mach, badge, arena, object, error);
    else if (badge == mach->device) /* which the kernel does not number */
        outside(arena, object, "device", "the device master", "device");
    else if (mach_port_kernel_object(mach_task_self(), (mach_port_name_t)badge, &type, &address) !=
             KERN_SUCCESS)
        result = gone(error);
    else if (type != OBJECT_NONE)
        result = describe_kernels(mach, (mach_port_t)badge, type, arena, object, error);
    else if (mach_receiver(mach, badge, &place))
        result = describe_port(place.pd, place.name, arena, object, error);
    else
        outside(arena, object, "port", "a port of another task", NULL);
    if (result == 0 && recap_arena_failed(arena))
        result = recap_fail(error, -ENOMEM, "describing an object");
    return result;
}

int mach_label(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
               const char **label, struct recap_error *error)
{
    struct recap_object object = {0};
    int result = mach_describe(kernel, badge, arena, &object, error);
    if (result == 0 || (result == -EOPNOTSUPP && object.label)) {
        *label = object.label ? object.label : object.kind;
        return 0;
    }
    return result;
}

/* --- sameness ----------------------------------------------------------------------------------
 */

static bool same_member(const struct recap_value *a, const struct recap_value *b, const char *name)
{
    return recap_number_or(a, name, -1) == recap_number_or(b, name, -1);
}

int mach_compare(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                 uint64_t id, struct recap_error *error)
{
    const struct recap_object *had = recap_graph_object(graph, id);
    struct recap_object has = {0};
    struct recap_arena *arena = recap_arena_new();
    if (!arena)
        return recap_fail(error, -ENOMEM, "comparing an object");
    int result = mach_describe(kernel, badge, arena, &has, error);
    if (result == -EOPNOTSUPP)
        result = 0; /* its identity is known all the same */
    if (result == 0 && (!has.kind || strcmp(has.kind, had->kind) != 0))
        result = recap_refuse(error, RECAP_FAILED, -ESTALE, "is a %s and was a %s",
                              has.kind ? has.kind : "thing of no kind", had->kind);
    else if (result == 0 && has.state &&
             (!same_member(has.state, had->state, "thread") ||
              !same_member(has.state, had->state, "queue_limit")))
        result = recap_refuse(error, RECAP_FAILED, -ESTALE, "is another %s than it was", had->kind);
    recap_arena_free(arena);
    return result;
}
