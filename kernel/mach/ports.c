/* ports.c: what core knows of ports: badges, and where receive rights are. */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "mach.user.h"
#include "mach_debug.user.h"
#include "mach_port.user.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

recap_badge mach_local_badge(const struct mach_pd *pd, mach_port_name_t name)
{
    return LOCAL_BADGE | (pd->pd.id & 0x7fffffff) << 32 | name;
}

int mach_keep(struct mach_kernel *mach, mach_port_t name, struct recap_error *error)
{
    if (name < mach->kept_size && mach->kept[name]) {
        mach_port_deallocate(mach_task_self(), name);
        return 0;
    }
    if (name >= mach->kept_size) {
        size_t size = (size_t)name + name / 2 + 256;
        unsigned char *kept = realloc(mach->kept, size);
        if (!kept) {
            mach_port_deallocate(mach_task_self(), name);
            return recap_fail(error, -ENOMEM, "keeping a port");
        }
        memset(kept + mach->kept_size, 0, size - mach->kept_size);
        mach->kept = kept;
        mach->kept_size = size;
    }
    mach->kept[name] = 1;
    return 0;
}

void mach_forget(struct mach_kernel *mach)
{
    for (size_t name = 0; name < mach->kept_size; name++)
        if (mach->kept[name]) {
            mach->kept[name] = 0;
            /* Also the receive right of a port that was made and never installed. */
            mach_port_mod_refs(mach_task_self(), name, MACH_PORT_RIGHT_RECEIVE, -1);
            mach_port_deallocate(mach_task_self(), name);
        }
    mach->receivers.count = 0;
    mach->receivers_known = false;
}

int mach_note(struct mach_places *places, recap_badge badge, struct mach_pd *pd,
              mach_port_name_t name)
{
    if (places->count == places->capacity) {
        size_t capacity = places->capacity ? places->capacity * 2 : 32;
        struct mach_place *items = reallocarray(places->items, capacity, sizeof *items);
        if (!items)
            return -ENOMEM;
        places->items = items;
        places->capacity = capacity;
    }
    places->items[places->count++] = (struct mach_place){badge, pd, name};
    return 0;
}

void mach_unnote(struct mach_places *places, const struct mach_pd *pd, mach_port_name_t name)
{
    for (size_t i = 0; i < places->count; i++)
        if (places->items[i].pd == pd && places->items[i].name == name)
            places->items[i--] = places->items[--places->count];
}

/* A send right made from the receive right `name`, without a trace: making it counts as a new one,
 * which the count of those made forgets again. The task must not make one in between. */
static kern_return_t make_send(struct mach_pd *pd, mach_port_name_t name, mach_port_t *port)
{
    mach_msg_type_name_t type;
    mach_port_status_t status;
    kern_return_t result = task_suspend(pd->task);
    if (result != KERN_SUCCESS)
        return result;
    result = mach_port_get_receive_status(pd->task, name, &status);
    if (result == KERN_SUCCESS)
        result = mach_port_extract_right(pd->task, name, MACH_MSG_TYPE_MAKE_SEND, port, &type);
    if (result == KERN_SUCCESS)
        mach_port_set_mscount(pd->task, name, status.mps_mscount);
    task_resume(pd->task);
    return result;
}

int mach_badge(struct mach_pd *pd, mach_port_name_t name, mach_port_type_t type, recap_badge *badge,
               struct recap_error *error)
{
    struct mach_kernel *mach = mach_of(pd->pd.kernel);
    mach_msg_type_name_t given;
    mach_port_t port = MACH_PORT_NULL;
    mach_port_rights_t senders = 0;
    kern_return_t why = KERN_SUCCESS;
    if (type & MACH_PORT_TYPE_SEND_ONCE) {
        int result = mach_follow(mach, pd->task, name, badge, error);
        if (result == 0 && !*badge)
            *badge = mach_local_badge(pd, name);
        return result;
    }
    if (type & MACH_PORT_TYPE_SEND)
        why = mach_port_extract_right(pd->task, name, MACH_MSG_TYPE_COPY_SEND, &port, &given);
    else if (type & MACH_PORT_TYPE_RECEIVE &&
             mach_port_get_srights(pd->task, name, &senders) == KERN_SUCCESS && senders)
        why = make_send(pd, name, &port);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "asking for name %u of PD %llu", name,
                         (unsigned long long)pd->pd.id);
    *badge = port ? port : mach_local_badge(pd, name);
    return port ? mach_keep(mach, port, error) : 0;
}

int mach_names(mach_port_t task, struct mach_names *names, struct recap_error *error)
{
    *names = (struct mach_names){0};
    kern_return_t why =
        mach_port_names(task, &names->names, &names->count, &names->types, &names->type_count);
    return why == KERN_SUCCESS ? 0 : mach_fail(error, why, "listing the names of a task");
}

void mach_names_free(struct mach_names *names)
{
    if (names->count)
        vm_deallocate(mach_task_self(), (vm_address_t)names->names,
                      names->count * sizeof *names->names);
    if (names->type_count)
        vm_deallocate(mach_task_self(), (vm_address_t)names->types,
                      names->type_count * sizeof *names->types);
    *names = (struct mach_names){0};
}

static void find_receivers(struct mach_kernel *mach)
{
    mach->receivers.count = 0;
    for (struct mach_pd *pd = mach->pds; pd; pd = pd->next) {
        __attribute__((cleanup(mach_names_free))) struct mach_names names = {0};
        if (!pd->open || mach_names(pd->task, &names, NULL) < 0)
            continue;
        for (size_t i = 0; i < names.count; i++) {
            recap_badge badge;
            if (names.types[i] & MACH_PORT_TYPE_RECEIVE &&
                mach_badge(pd, names.names[i], names.types[i], &badge, NULL) == 0)
                mach_note(&mach->receivers, badge, pd, names.names[i]);
        }
    }
    mach->receivers_known = true;
}

bool mach_receiver(struct mach_kernel *mach, recap_badge badge, struct mach_place *place)
{
    if (!mach->receivers_known)
        find_receivers(mach);
    for (size_t i = 0; i < mach->receivers.count; i++)
        if (mach->receivers.items[i].badge == badge) {
            *place = mach->receivers.items[i];
            return true;
        }
    return false;
}

int mach_make_once(struct mach_kernel *mach, recap_badge badge, mach_port_t *once,
                   struct recap_error *error)
{
    mach_msg_type_name_t type;
    mach_port_type_t own;
    struct mach_place place;
    mach_port_t holder = mach_task_self();
    mach_port_name_t name = (mach_port_name_t)badge;
    if (mach_port_type(holder, name, &own) != KERN_SUCCESS || !(own & MACH_PORT_TYPE_RECEIVE)) {
        if (!mach_receiver(mach, badge, &place))
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "a send-once right can only be made where its port is known");
        holder = place.pd->task;
        name = place.name;
    }
    kern_return_t why =
        mach_port_extract_right(holder, name, MACH_MSG_TYPE_MAKE_SEND_ONCE, once, &type);
    return why == KERN_SUCCESS ? 0 : mach_fail(error, why, "making a send-once right");
}
