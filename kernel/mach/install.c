/* install.c: a right at a chosen name of a task's port name space, and none. */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "mach_port.user.h"

#include <errno.h>

static int failed(struct recap_error *error, kern_return_t why, mach_port_name_t name)
{
    mach_fail(error, why, "placing a right at name %u", name);
    recap_error_at(error, name);
    return mach_errno(why);
}

static int already_named(struct recap_error *error, mach_port_name_t name)
{
    recap_refuse(error, RECAP_FAILED, -EEXIST,
                 "the task has a right to that port at another name, and Mach keeps one name for "
                 "each port");
    recap_error_at(error, name);
    return -EEXIST;
}

/* As many user references as are wanted. */
static kern_return_t set_references(struct mach_pd *pd, mach_port_name_t name,
                                    mach_port_right_t right, uint32_t wanted)
{
    mach_port_urefs_t has;
    kern_return_t why = mach_port_get_refs(pd->task, name, right, &has);
    if (why != KERN_SUCCESS || !wanted || wanted == has)
        return why;
    return mach_port_mod_refs(pd->task, name, right,
                              (mach_port_delta_t)wanted - (mach_port_delta_t)has);
}

static kern_return_t install_port(struct mach_pd *pd, mach_port_name_t name,
                                  const struct recap_cap *cap)
{
    mach_port_t port = (mach_port_t)cap->badge;
    kern_return_t why = KERN_SUCCESS;
    if (cap->rights & RECAP_RIGHT_RECEIVE)
        why = mach_port_insert_right(pd->task, name, port, MACH_MSG_TYPE_MOVE_RECEIVE);
    if (why == KERN_SUCCESS && cap->rights & RECAP_RIGHT_SEND)
        why = mach_port_insert_right(pd->task, name, port, MACH_MSG_TYPE_COPY_SEND);
    if (why == KERN_SUCCESS && cap->rights & RECAP_RIGHT_SEND)
        why = set_references(pd, name, MACH_PORT_RIGHT_SEND, cap->references);
    return why;
}

static int install_once(struct mach_pd *pd, mach_port_name_t name, const struct recap_cap *cap,
                        struct recap_error *error)
{
    struct mach_kernel *mach = mach_of(pd->pd.kernel);
    mach_port_t once;
    int result = mach_make_once(mach, cap->badge, &once, error);
    if (result < 0)
        return result;
    kern_return_t why = mach_port_insert_right(pd->task, name, once, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    if (why == KERN_SUCCESS)
        return 0;
    mach_port_deallocate(mach_task_self(), once);
    return failed(error, why, name);
}

/* What the object is: its badge may come from any PD. */
static int check(const struct mach_pd *pd, mach_port_name_t name, const struct recap_cap *cap,
                 struct recap_error *error)
{
    bool local = cap->badge & LOCAL_BADGE;
    uint32_t here = RECAP_RIGHT_PORT_SET | RECAP_RIGHT_DEAD_NAME;
    uint32_t known = here | RECAP_RIGHT_SEND | RECAP_RIGHT_RECEIVE | RECAP_RIGHT_SEND_ONCE;
    mach_port_type_t own;
    if (cap->rights & ~known || (cap->rights & here && cap->rights & (cap->rights - 1)))
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "there is no right of that kind");
    if (cap->rights & RECAP_RIGHT_SEND_ONCE && cap->rights != RECAP_RIGHT_SEND_ONCE)
        return recap_refuse(error, RECAP_USAGE, -EINVAL,
                            "a send-once right stands alone at its name");
    if (cap->rights & RECAP_RIGHT_PORT_SET && cap->badge != mach_local_badge(pd, name))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "a port set stays in its task and at its name");
    if (!(cap->rights & here) && local && !(cap->rights & RECAP_RIGHT_SEND_ONCE))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "nobody holds a send right to the port, so that none can be copied");
    if (cap->rights & RECAP_RIGHT_RECEIVE &&
        (mach_port_type(mach_task_self(), (mach_port_name_t)cap->badge, &own) != KERN_SUCCESS ||
         !(own & MACH_PORT_TYPE_RECEIVE)))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "a port has one receive right, and its holder keeps it");
    return 0;
}

/* What is at the name goes, unless it is a right to the same port or the new one cannot come. */
static int clear_name(struct mach_pd *pd, mach_port_name_t name, const struct recap_cap *cap,
                      struct recap_error *error)
{
    mach_port_type_t type;
    if (mach_port_type(pd->task, name, &type) != KERN_SUCCESS)
        return 0;
    if (cap->rights == RECAP_RIGHT_SEND) {
        kern_return_t why = mach_port_insert_right(pd->task, name, (mach_port_t)cap->badge,
                                                   MACH_MSG_TYPE_COPY_SEND);
        if (why == KERN_RIGHT_EXISTS)
            return already_named(error, name);
        if (why != KERN_NAME_EXISTS)
            return why == KERN_SUCCESS ? 0 : failed(error, why, name);
    }
    return mach_remove(&pd->pd, name, error);
}

int mach_install(struct recap_pd *handle, recap_selector selector, const struct recap_cap *given,
                 struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    struct recap_cap chosen = *given;
    const struct recap_cap *cap = &chosen;
    /* What was bound says nothing of rights: one may send to it. */
    if (!chosen.rights)
        chosen.rights = RECAP_RIGHT_SEND;
    mach_port_name_t name = (mach_port_name_t)selector;
    kern_return_t why = KERN_SUCCESS;
    if (selector == 0 || selector >= UINT32_MAX)
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "%llu is no port name",
                            (unsigned long long)selector);
    int result = check(pd, name, cap, error);
    if (result < 0)
        return result;
    result = clear_name(pd, name, cap, error);
    if (result < 0)
        return result;
    mach_forget_names(pd);
    if (cap->rights & RECAP_RIGHT_SEND_ONCE)
        return install_once(pd, name, cap, error);
    if (cap->rights & RECAP_RIGHT_PORT_SET) {
        why = mach_port_allocate_name(pd->task, MACH_PORT_RIGHT_PORT_SET, name);
    } else if (cap->rights & RECAP_RIGHT_DEAD_NAME) {
        why = mach_port_allocate_name(pd->task, MACH_PORT_RIGHT_DEAD_NAME, name);
        if (why == KERN_SUCCESS)
            why = set_references(pd, name, MACH_PORT_RIGHT_DEAD_NAME, cap->references);
    } else {
        why = install_port(pd, name, cap);
    }
    if (why == KERN_RIGHT_EXISTS)
        return already_named(error, name);
    if (why != KERN_SUCCESS)
        return failed(error, why, name);
    if (cap->rights & RECAP_RIGHT_RECEIVE &&
        mach_note(&mach_of(handle->kernel)->receivers, cap->badge, pd, name) < 0)
        return recap_fail(error, -ENOMEM, "placing a receive right");
    return 0;
}

int mach_remove(struct recap_pd *handle, recap_selector selector, struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    mach_port_name_t name = (mach_port_name_t)selector;
    kern_return_t why =
        selector && selector < UINT32_MAX ? mach_port_destroy(pd->task, name) : KERN_INVALID_NAME;
    mach_forget_names(pd);
    mach_unnote(&mach_of(handle->kernel)->receivers, pd, name);
    if (why == KERN_SUCCESS)
        return 0;
    mach_fail(error, why, "removing name %u", name);
    recap_error_at(error, selector);
    return mach_errno(why);
}
