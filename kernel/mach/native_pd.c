/* native_pd.c: request: what is at a name of a task's port name space. */
#include "kernel/mach/mach.h"
#include "mach_port.user.h"

#include <errno.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const mach_port_name_t *m = a, *n = b;
    return *m < *n ? -1 : *m > *n;
}

/* The names come in no order: a heap sort, as the list may be long and the stack is not. */
static void sort_names(mach_port_name_t *names, size_t count)
{
    for (size_t start = count / 2, end = count; end > 1;) {
        if (start) {
            start--;
        } else {
            end--;
            mach_port_name_t last = names[end];
            names[end] = names[0];
            names[0] = last;
        }
        for (size_t root = start, child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && ascending(&names[child], &names[child + 1]) < 0)
                child++;
            if (ascending(&names[root], &names[child]) >= 0)
                break;
            mach_port_name_t moved = names[root];
            names[root] = names[child];
            names[child] = moved;
        }
    }
}

void mach_forget_names(struct mach_pd *pd)
{
    free(pd->names);
    pd->names = NULL;
    pd->name_count = 0;
}

/* Reads the names anew at the start of a walk; a suspended PD keeps them between. */
static int know_names(struct mach_pd *pd, recap_selector selector, struct recap_error *error)
{
    if (pd->names && selector != 0)
        return 0;
    __attribute__((cleanup(mach_names_free))) struct mach_names names = {0};
    int result = mach_names(pd->task, &names, error);
    if (result < 0)
        return result;
    mach_port_name_t *sorted = calloc(names.count + 1, sizeof *sorted);
    if (!sorted)
        return recap_fail(error, -ENOMEM, "listing the names of a task");
    for (size_t i = 0; i < names.count; i++)
        sorted[i] = names.names[i];
    sort_names(sorted, names.count);
    mach_forget_names(pd);
    pd->names = sorted;
    pd->name_count = names.count;
    return 0;
}

static recap_selector next_name(const struct mach_pd *pd, recap_selector selector)
{
    size_t low = 0, high = pd->name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pd->names[middle] <= selector)
            low = middle + 1;
        else
            high = middle;
    }
    return low < pd->name_count ? pd->names[low] : RECAP_NO_SELECTOR;
}

static const struct {
    mach_port_type_t type;
    mach_port_right_t right;
    uint32_t rights;
    const char *kind;
} meanings[] = {
    /* The first that applies says the kind and has the user references that are counted. */
    {MACH_PORT_TYPE_SEND, MACH_PORT_RIGHT_SEND, RECAP_RIGHT_SEND, "port"},
    {MACH_PORT_TYPE_RECEIVE, MACH_PORT_RIGHT_RECEIVE, RECAP_RIGHT_RECEIVE, "port"},
    {MACH_PORT_TYPE_SEND_ONCE, MACH_PORT_RIGHT_SEND_ONCE, RECAP_RIGHT_SEND_ONCE, "port"},
    {MACH_PORT_TYPE_PORT_SET, MACH_PORT_RIGHT_PORT_SET, RECAP_RIGHT_PORT_SET, "port set"},
    {MACH_PORT_TYPE_DEAD_NAME, MACH_PORT_RIGHT_DEAD_NAME, RECAP_RIGHT_DEAD_NAME, "dead name"},
};

static int look(struct mach_pd *pd, mach_port_name_t name, mach_port_type_t type,
                struct recap_cap *cap, struct recap_error *error)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        mach_port_urefs_t references = 0;
        if (!(type & meanings[i].type))
            continue;
        cap->rights |= meanings[i].rights;
        if (cap->kind)
            continue;
        cap->kind = meanings[i].kind;
        kern_return_t why = mach_port_get_refs(pd->task, name, meanings[i].right, &references);
        if (why != KERN_SUCCESS)
            return mach_fail(error, why, "counting the references of name %u", name);
        cap->references = references;
    }
    return mach_badge(pd, name, type, &cap->badge, error);
}

int mach_request(struct recap_pd *handle, recap_selector selector, struct recap_cap *cap,
                 recap_selector *next, struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    struct recap_cap found = {0};
    mach_port_type_t type;
    int result = pd->suspended && !pd->created ? mach_still(mach_of(handle->kernel), error) : 0;
    if (result == 0)
        result = know_names(pd, selector, error);
    if (result < 0)
        return result;
    /* A name that went away since the list was read is unused. */
    if (cap && selector && selector <= UINT32_MAX &&
        mach_port_type(pd->task, (mach_port_name_t)selector, &type) == KERN_SUCCESS) {
        result = look(pd, (mach_port_name_t)selector, type, &found, error);
        if (result == -ENOENT && !pd->suspended)
            found = (struct recap_cap){0};
        else if (result < 0)
            return recap_error_at(error, selector), result;
    }
    if (cap)
        *cap = found;
    if (next)
        *next = next_name(pd, selector);
    return 0;
}
