/* create.c: objects of an image anew, what external ones are bound to, and the ties after it. */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "kernel/mach/messages.h"
#include "mach.user.h"
#include "mach_port.user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Who holds the object with one of `rights`: the PD and where. */
static struct mach_pd *holder(const struct recap_creation *creation, uint64_t id, uint32_t rights,
                              mach_port_name_t *name)
{
    const struct recap_graph *graph = creation->graph;
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].slot_count; i++) {
            const struct recap_slot *slot = &graph->pds[p].slots[i];
            if (slot->object == id && slot->rights & rights) {
                *name = (mach_port_name_t)slot->selector;
                return mach_pd_of(creation->pds[p]);
            }
        }
    return NULL;
}

static int damaged(struct recap_error *error, const struct recap_object *object)
{
    return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "the state of a %s is damaged",
                        object->kind);
}

static int create_port(struct mach_kernel *mach, recap_badge *badge, struct recap_error *error)
{
    mach_port_t port;
    kern_return_t why = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &port);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "making a port");
    mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND);
    *badge = port;
    return mach_keep(mach, port, error);
}

/* The port of a PD of the set, or of one of its threads. */
static int create_member(const struct recap_creation *creation, const struct recap_object *object,
                         bool thread, recap_badge *badge, struct recap_error *error)
{
    int64_t pd = recap_number_or(object->state, "pd", -1);
    int64_t number = recap_number_or(object->state, "thread", 0);
    for (size_t p = 0; p < creation->graph->pd_count; p++) {
        const struct mach_pd *made = mach_pd_of(creation->pds[p]);
        if (pd < 0 || creation->graph->pds[p].id != (uint64_t)pd)
            continue;
        if (thread && (number < 1 || (uint64_t)number > made->thread_count))
            return damaged(error, object);
        *badge = thread ? made->threads[number - 1] : made->task;
        return 0;
    }
    return damaged(error, object);
}

int mach_create(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
                recap_badge *badge, struct recap_error *error)
{
    const struct recap_object *object = recap_graph_object(creation->graph, id);
    mach_port_name_t name;
    struct mach_pd *pd;
    if (strcmp(object->kind, "port") == 0)
        return create_port(mach_of(kernel), badge, error);
    if (strcmp(object->kind, "task") == 0)
        return create_member(creation, object, false, badge, error);
    if (strcmp(object->kind, "thread") == 0)
        return create_member(creation, object, true, badge, error);
    /* These two are where they are and nowhere else. */
    if ((strcmp(object->kind, "port set") == 0 || strcmp(object->kind, "dead name") == 0) &&
        (pd = holder(creation, id, RECAP_RIGHT_PORT_SET | RECAP_RIGHT_DEAD_NAME, &name))) {
        *badge = mach_local_badge(pd, name);
        return 0;
    }
    return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "a %s cannot be made", object->kind);
}

/* --- messages ----------------------------------------------------------------------------------
 */

struct letter {
    struct mach_kernel *mach;
    const struct recap_creation *creation;
    const struct recap_value *record;
    char *message;
    size_t size;
    struct recap_error *error;
};

static int malformed(const struct letter *letter)
{
    return recap_refuse(letter->error, RECAP_DAMAGED, -EINVAL, "a queued message is damaged");
}

/* A right to a made object that goes away with the message. */
static int right_to(const struct letter *letter, const struct recap_value *record,
                    const char *object_name, const char *once_name, mach_port_t *port, bool *once)
{
    uint64_t id;
    if (recap_get_object(record, object_name, &id) < 0 ||
        !recap_graph_object(letter->creation->graph, id) || !letter->creation->badges[id] ||
        letter->creation->badges[id] & LOCAL_BADGE)
        return malformed(letter);
    *once = recap_number_or(record, once_name, 0) != 0;
    *port = (mach_port_t)letter->creation->badges[id];
    return *once ? mach_make_once(letter->mach, *port, port, letter->error) : 0;
}

static const struct recap_value *at_offset(const struct letter *letter, const char *list,
                                           size_t offset)
{
    const struct recap_value *entry = recap_items(letter->record, list);
    while (entry && recap_number_or(entry, "offset", -1) != (int64_t)offset)
        entry = entry->next;
    return entry;
}

static int fill_rights(struct letter *letter, const struct mach_item *item)
{
    unsigned type = MACH_MSG_TYPE_COPY_SEND;
    int result = 0;
    for (size_t i = 0; result == 0 && i < item->count; i++) {
        size_t at = item->data + i * sizeof(mach_port_t);
        const struct recap_value *entry =
            at_offset(letter, "rights", at - sizeof(mach_msg_header_t));
        mach_port_t port = MACH_PORT_NULL;
        bool once = item->type == MACH_MSG_TYPE_PORT_SEND_ONCE;
        if (entry)
            result = right_to(letter, entry, "object", "once", &port, &once);
        if (result == 0 && once != (item->type == MACH_MSG_TYPE_PORT_SEND_ONCE))
            result = malformed(letter);
        memcpy(letter->message + at, &port, sizeof port);
    }
    if (item->type == MACH_MSG_TYPE_PORT_SEND_ONCE)
        type = MACH_MSG_TYPE_MOVE_SEND_ONCE;
    mach_set_type(letter->message, item, type);
    return result;
}

static int fill_memory(struct letter *letter, const struct mach_item *item)
{
    const void *bytes;
    size_t length;
    vm_address_t data = 0;
    const struct recap_value *entry =
        at_offset(letter, "memory", item->data - sizeof(mach_msg_header_t));
    if (recap_get_bytes(entry, "bytes", &bytes, &length) < 0 || length != item->size)
        return malformed(letter);
    if (length) {
        kern_return_t why = vm_allocate(mach_task_self(), &data, length, TRUE);
        if (why != KERN_SUCCESS)
            return mach_fail(letter->error, why, "making the memory of a message");
        memcpy((void *)data, bytes, length);
    }
    memcpy(letter->message + item->data, &data, sizeof data);
    mach_give_memory(letter->message, item);
    return 0;
}

/* What the image says of rights and memory takes the place of what was in the body. */
static int fill(struct letter *letter, bool *complex)
{
    struct mach_item item;
    size_t at = sizeof(mach_msg_header_t);
    int more, result = 0;
    while (result == 0 && (more = mach_next_item(letter->message, letter->size, &at, &item)) != 0) {
        if (more < 0)
            return malformed(letter);
        if (item.in_line && mach_is_right(item.type)) {
            *complex = true;
            if (item.size != item.count * sizeof(mach_port_t))
                return malformed(letter);
            result = fill_rights(letter, &item);
        } else if (!item.in_line) {
            *complex = true;
            if (mach_is_right(item.type))
                return malformed(letter);
            result = fill_memory(letter, &item);
        }
    }
    return result;
}

static int send(struct letter *letter, mach_port_t port)
{
    mach_msg_header_t *header = (mach_msg_header_t *)(void *)letter->message;
    mach_port_t to = port, reply = MACH_PORT_NULL;
    bool once = recap_number_or(letter->record, "once", 0) != 0, reply_once = false;
    bool complex = recap_number_or(letter->record, "complex", 0) != 0;
    int result = once ? mach_make_once(letter->mach, port, &to, letter->error) : 0;
    if (result == 0 && recap_member(letter->record, "reply"))
        result = right_to(letter, letter->record, "reply", "reply_once", &reply, &reply_once);
    if (result == 0 && complex)
        result = fill(letter, &complex);
    if (result < 0)
        return result;
    unsigned how = once ? MACH_MSG_TYPE_MOVE_SEND_ONCE : MACH_MSG_TYPE_COPY_SEND;
    unsigned back = reply_once ? MACH_MSG_TYPE_MOVE_SEND_ONCE : MACH_MSG_TYPE_COPY_SEND;
    *header = (mach_msg_header_t){
        .msgh_bits = MACH_MSGH_BITS(how, reply ? back : 0) | (complex ? MACH_MSGH_BITS_COMPLEX : 0),
        .msgh_size = letter->size,
        .msgh_remote_port = to,
        .msgh_local_port = reply,
        .msgh_id = (mach_msg_id_t)recap_number_or(letter->record, "id", 0)};
    mach_msg_return_t why = mach_msg(header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, letter->size, 0,
                                     MACH_PORT_NULL, 0, MACH_PORT_NULL);
    return why == MACH_MSG_SUCCESS ? 0 : mach_fail(letter->error, why, "queueing a message");
}

static int queue_messages(struct mach_kernel *mach, const struct recap_creation *creation,
                          const struct recap_value *first, mach_port_t port,
                          struct recap_error *error)
{
    int result = 0;
    for (const struct recap_value *record = first; result == 0 && record; record = record->next) {
        struct letter letter = {
            .mach = mach, .creation = creation, .record = record, .error = error};
        const void *body;
        size_t length;
        if (recap_get_bytes(record, "body", &body, &length) < 0 || length % sizeof(mach_port_t) ||
            length > UINT32_MAX / 2)
            return malformed(&letter);
        letter.size = sizeof(mach_msg_header_t) + length;
        letter.message = malloc(letter.size);
        if (!letter.message)
            return recap_fail(error, -ENOMEM, "queueing a message");
        memcpy(letter.message + sizeof(mach_msg_header_t), body, length);
        result = send(&letter, port);
        free(letter.message);
    }
    return result;
}

/* --- ties --------------------------------------------------------------------------------------
 */

static int tie_port(struct mach_kernel *mach, const struct recap_creation *creation, uint64_t id,
                    struct recap_error *error)
{
    const struct recap_object *object = recap_graph_object(creation->graph, id);
    int64_t limit = recap_number_or(object->state, "queue_limit", -1);
    int64_t sequence = recap_number_or(object->state, "sequence", -1);
    int64_t made = recap_number_or(object->state, "made", -1);
    mach_port_name_t name;
    const struct mach_pd *pd = holder(creation, id, RECAP_RIGHT_RECEIVE, &name);
    if (!pd || limit < 0 || limit > MACH_PORT_QLIMIT_MAX || sequence < 0 || sequence > UINT32_MAX ||
        made < 0 || made > UINT32_MAX)
        return damaged(error, object);
    mach_port_set_qlimit(pd->task, name, MACH_PORT_QLIMIT_MAX);
    int result =
        queue_messages(mach, creation, recap_items(recap_member(object->state, "ties"), "messages"),
                       (mach_port_t)creation->badges[id], error);
    if (result < 0)
        return result;
    kern_return_t why = mach_port_set_qlimit(pd->task, name, (mach_port_msgcount_t)limit);
    if (why == KERN_SUCCESS)
        why = mach_port_set_seqno(pd->task, name, (mach_port_seqno_t)sequence);
    if (why == KERN_SUCCESS)
        why = mach_port_set_mscount(pd->task, name, (mach_port_mscount_t)made);
    return why == KERN_SUCCESS ? 0 : mach_fail(error, why, "setting a port up");
}

static int tie_set(const struct recap_creation *creation, uint64_t id, struct recap_error *error)
{
    const struct recap_object *object = recap_graph_object(creation->graph, id);
    mach_port_name_t set, member;
    const struct mach_pd *pd = holder(creation, id, RECAP_RIGHT_PORT_SET, &set);
    if (!pd)
        return damaged(error, object);
    for (const struct recap_value *m = recap_items(recap_member(object->state, "ties"), "members");
         m; m = m->next) {
        if (m->type != RECAP_OBJECT ||
            holder(creation, m->u.object, RECAP_RIGHT_RECEIVE, &member) != pd)
            return damaged(error, object);
        kern_return_t why = mach_port_move_member(pd->task, member, set);
        if (why != KERN_SUCCESS)
            return mach_fail(error, why, "putting name %u into port set %u", member, set);
    }
    return 0;
}

int mach_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
             struct recap_error *error)
{
    const struct recap_object *object = recap_graph_object(creation->graph, id);
    if (strcmp(object->kind, "port") == 0)
        return tie_port(mach_of(pd->kernel), creation, id, error);
    if (strcmp(object->kind, "port set") == 0)
        return tie_set(creation, id, error);
    return damaged(error, object);
}
