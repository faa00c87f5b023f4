/* follow.c: to which port a send-once right leads, which the kernel does not say.
 *
 * A send-once right has a name of its own each time that it is copied out, so names tell nothing,
 * and to use it would disturb whoever receives. But the kernel counts, for each receive right, the
 * requests to be told should the port die, and takes such a request by a send-once right: core asks
 * for one, looks whose count has grown, and withdraws the request.
 */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "mach.user.h"
#include "mach_debug.user.h"
#include "mach_port.user.h"

#include <errno.h>
#include <mach/notify.h>
#include <stdlib.h>

/* A receive right that a send-once right may belong to. */
struct candidate {
    struct mach_pd *pd; /* NULL: core's own for now */
    mach_port_name_t name;
    mach_port_type_t type;
    recap_badge badge; /* of core's own */
    unsigned used;     /* requests before core's */
};

struct candidates {
    struct candidate *items;
    size_t count, capacity;
};

void mach_borrow(struct mach_kernel *mach, mach_port_t port, recap_badge badge)
{
    if (badge)
        mach_note(&mach->borrowed, badge, NULL, port);
    else
        mach_unnote(&mach->borrowed, NULL, port);
}

static bool count_requests(const struct candidate *candidate, unsigned *used)
{
    unsigned total;
    return mach_port_dnrequest_info(candidate->pd ? candidate->pd->task : mach_task_self(),
                                    candidate->name, &total, used) == KERN_SUCCESS;
}

/* Adds it unless there are no send-once rights to it. */
static int consider(struct candidates *all, struct candidate candidate)
{
    mach_port_status_t status;
    if (mach_port_get_receive_status(candidate.pd ? candidate.pd->task : mach_task_self(),
                                     candidate.name, &status) != KERN_SUCCESS ||
        !status.mps_sorights || !count_requests(&candidate, &candidate.used))
        return 0;
    if (all->count == all->capacity) {
        size_t capacity = all->capacity ? all->capacity * 2 : 16;
        struct candidate *items = reallocarray(all->items, capacity, sizeof *items);
        if (!items)
            return -ENOMEM;
        all->items = items;
        all->capacity = capacity;
    }
    all->items[all->count++] = candidate;
    return 0;
}

static int find_candidates(struct mach_kernel *mach, struct candidates *all)
{
    int result = 0;
    for (struct mach_pd *pd = mach->pds; result == 0 && pd; pd = pd->next) {
        __attribute__((cleanup(mach_names_free))) struct mach_names names = {0};
        if (!pd->open || mach_names(pd->task, &names, NULL) < 0)
            continue;
        for (size_t i = 0; result == 0 && i < names.count; i++)
            if (names.types[i] & MACH_PORT_TYPE_RECEIVE)
                result = consider(
                    all,
                    (struct candidate){.pd = pd, .name = names.names[i], .type = names.types[i]});
    }
    for (size_t i = 0; result == 0 && i < mach->borrowed.count; i++)
        result = consider(all, (struct candidate){.name = mach->borrowed.items[i].name,
                                                  .badge = mach->borrowed.items[i].badge});
    return result;
}

/* The one whose count has grown; NULL when it is none or not one alone. */
static const struct candidate *grown(const struct candidates *all)
{
    const struct candidate *found = NULL;
    unsigned used;
    for (size_t i = 0; i < all->count; i++)
        if (count_requests(&all->items[i], &used) && used != all->items[i].used) {
            if (found || used != all->items[i].used + 1)
                return NULL;
            found = &all->items[i];
        }
    return found;
}

/* While the request stands. No PD runs meanwhile. */
static int ask(mach_port_t task, mach_port_name_t name, const struct candidates *all,
               recap_badge *badge, struct recap_error *error)
{
    mach_port_t told, previous = MACH_PORT_NULL;
    kern_return_t why = mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_RECEIVE, &told);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "following a send-once right");
    why = mach_port_request_notification(task, name, MACH_NOTIFY_DEAD_NAME, 0, told,
                                         MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous);
    const struct candidate *found = why == KERN_SUCCESS ? grown(all) : NULL;
    if (why == KERN_SUCCESS) {
        /* Whoever had asked before is told again. */
        mach_port_t mine = MACH_PORT_NULL;
        mach_port_request_notification(task, name, MACH_NOTIFY_DEAD_NAME, 0, previous,
                                       MACH_MSG_TYPE_MOVE_SEND_ONCE, &mine);
        if (mine)
            mach_port_deallocate(mach_task_self(), mine);
    }
    mach_port_mod_refs(mach_task_self(), told, MACH_PORT_RIGHT_RECEIVE, -1);
    *badge = 0;
    if (!found)
        return 0;
    if (found->pd)
        return mach_badge(found->pd, found->name, found->type, badge, error);
    *badge = found->badge;
    return 0;
}

static void hold_open(struct mach_kernel *mach, bool hold)
{
    for (const struct mach_pd *pd = mach->pds; pd; pd = pd->next)
        if (pd->open && hold)
            task_suspend(pd->task);
        else if (pd->open)
            task_resume(pd->task);
}

int mach_follow(struct mach_kernel *mach, mach_port_t task, mach_port_name_t name,
                recap_badge *badge, struct recap_error *error)
{
    struct candidates all = {0};
    hold_open(mach, true);
    int result = find_candidates(mach, &all);
    if (result < 0)
        result = recap_fail(error, result, "following a send-once right");
    else
        result = ask(task, name, &all, badge, error);
    hold_open(mach, false);
    free(all.items);
    return result;
}
