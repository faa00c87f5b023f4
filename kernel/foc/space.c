/* space.c: Native PD on Fiasco.OC: capabilities pulled from and pushed to a PD's object space.
 *
 * What the kernel makes of l4_task_map has to be known: it says 0 also when nothing was mapped, so
 * l4_task_cap_valid follows; it replaces what is at the destination, and with the right to delete
 * the old object dies everywhere, so core hands out no such right and its scratch selectors never
 * hold one. The kernel compares rights along with objects, so rights are found by comparison.
 */
#include "foc.h"

#include <errno.h>
#include <l4/re/env.h>
#include <l4/sys/debugger.h>
#include <l4/sys/task.h>
#include <stdlib.h>

/* Core's own selectors: L4Re's library hands out low ones; the kernel has 65,536 of them. */
enum {
    OWN_FIRST = 0x4000,
    PULLED = 0xbff0, /* one capability of a PD */
    LIKE = 0xbff1,   /* one of core's to compare it with */
    OWN_END = PULLED,
    WINDOW = 0xc000, /* many of a PD's */
    WINDOW_ORDER = 14,
    SPACE_END = 0x10000,
};

static l4_cap_idx_t cap_of(recap_selector selector)
{
    return (l4_cap_idx_t)selector << L4_CAP_SHIFT;
}

static l4_cap_idx_t own(void)
{
    return L4_BASE_TASK_CAP;
}

static bool valid(l4_cap_idx_t task, l4_cap_idx_t cap)
{
    return l4_msgtag_label(l4_task_cap_valid(task, cap)) > 0;
}

l4_cap_idx_t foc_selector(void)
{
    static unsigned last = OWN_FIRST;
    for (unsigned tried = 0; tried < OWN_END - OWN_FIRST; tried++) {
        last = last + 1 < OWN_END ? last + 1 : OWN_FIRST;
        if (!valid(own(), cap_of(last)))
            return cap_of(last);
    }
    return L4_INVALID_CAP;
}

void foc_selector_free(l4_cap_idx_t cap)
{
    if (cap != L4_INVALID_CAP)
        l4_task_unmap(own(), l4_obj_fpage(cap, 0, L4_CAP_FPAGE_RWSD), L4_FP_ALL_SPACES);
}

/* Copies a run of capabilities, with the rights that the kernel lets through. */
static l4_msgtag_t copy(l4_cap_idx_t to, l4_cap_idx_t to_cap, l4_cap_idx_t from,
                        l4_cap_idx_t from_cap, unsigned order, unsigned rights, bool serve)
{
    unsigned gate = serve ? L4_FPAGE_C_OBJ_RIGHTS : 0;
    return l4_task_map(to, from, l4_obj_fpage(from_cap, order, (unsigned char)rights),
                       l4_map_obj_control(to_cap, 0) | gate);
}

/* Whether what was pulled is `cap` with exactly these rights (beside R). */
static bool is_like(l4_cap_idx_t pulled, l4_cap_idx_t cap, unsigned rights, bool serve)
{
    copy(own(), cap_of(LIKE), own(), cap, 0, rights, serve);
    return l4_msgtag_label(l4_task_cap_equal(own(), pulled, cap_of(LIKE))) > 0;
}

static struct foc_object *identify(struct foc *foc, l4_cap_idx_t pulled)
{
    unsigned long number = foc->numbers ? l4_debugger_global_id(pulled) : 0;
    for (size_t i = 0; i < foc->object_count; i++) {
        struct foc_object *object = foc->objects[i];
        if (object && number && object->number == number)
            return object;
    }
    if (number)
        return NULL;
    /* No debugger in this kernel: both reduced to R are equal for the same object. */
    copy(own(), pulled, own(), pulled, 0, L4_CAP_FPAGE_R, false);
    for (size_t i = 0; i < foc->object_count; i++)
        if (foc->objects[i] && is_like(pulled, foc->objects[i]->cap, L4_CAP_FPAGE_R, false))
            return foc->objects[i];
    return NULL;
}

/* Of a gate also whether it has the server's right: to ask the gate would be to send a message to
 * its thread if it has not.
 */
static uint32_t rights_of(l4_cap_idx_t pulled, const struct foc_object *object)
{
    static const unsigned tried[] = {L4_CAP_FPAGE_RW, L4_CAP_FPAGE_RWS, L4_CAP_FPAGE_R,
                                     L4_CAP_FPAGE_RS};
    bool is_gate = object->kind == FOC_GATE || object->kind == FOC_SESSION ||
                   object->kind == FOC_MEMORY || object->kind == FOC_UNKNOWN;
    for (int serve = 0; serve <= is_gate; serve++)
        for (size_t i = 0; i < sizeof tried / sizeof *tried; i++)
            if (is_like(pulled, object->cap, tried[i], serve))
                return RECAP_RIGHT_READ | (tried[i] & L4_CAP_FPAGE_W ? RECAP_RIGHT_WRITE : 0u) |
                       (tried[i] & L4_CAP_FPAGE_S ? RECAP_RIGHT_SPECIAL : 0u) |
                       (serve ? RECAP_RIGHT_RECEIVE : 0u);
    return RECAP_RIGHT_READ;
}

/* What core did not make is kept by a capability of core's own, so that its badge stays. */
static struct foc_object *enter_unknown(struct foc *foc, l4_cap_idx_t pulled)
{
    l4_cap_idx_t cap = foc_selector();
    if (cap == L4_INVALID_CAP)
        return NULL;
    copy(own(), cap, own(), pulled, 0, L4_CAP_FPAGE_RWS, true);
    struct foc_object *object = foc_enter(foc, FOC_UNKNOWN, cap, 0);
    if (!object)
        foc_selector_free(cap);
    return object;
}

static bool pull(struct foc_pd *pd, recap_selector selector)
{
    foc_selector_free(cap_of(PULLED));
    copy(own(), cap_of(PULLED), pd->task->cap, cap_of(selector), 0, L4_CAP_FPAGE_RWS, true);
    return valid(own(), cap_of(PULLED));
}

struct foc_object *foc_behind(struct foc_pd *pd, recap_selector selector)
{
    return selector < SPACE_END && pull(pd, selector) ? identify(pd->foc, cap_of(PULLED)) : NULL;
}

/* The next used selector from `from` on: a whole window is pulled, then only looked at here. */
static recap_selector next_used(struct foc_pd *pd, recap_selector from)
{
    for (recap_selector base = from >> WINDOW_ORDER << WINDOW_ORDER; base < SPACE_END;
         base += 1u << WINDOW_ORDER) {
        recap_selector end = base + (1u << WINDOW_ORDER);
        l4_task_unmap(own(), l4_obj_fpage(cap_of(WINDOW), WINDOW_ORDER, L4_CAP_FPAGE_RWSD),
                      L4_FP_ALL_SPACES);
        copy(own(), cap_of(WINDOW), pd->task->cap, cap_of(base), WINDOW_ORDER, L4_CAP_FPAGE_R,
             false);
        for (recap_selector at = from > base ? from : base; at < end; at++)
            if (valid(own(), cap_of(WINDOW + (at - base))))
                return at;
    }
    return RECAP_NO_SELECTOR;
}

int foc_request(struct recap_pd *handle, recap_selector selector, struct recap_cap *cap,
                recap_selector *next, struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    if (!pd)
        return recap_fail(error, -ESRCH, "requesting a capability");
    struct recap_cap found = {0};
    if (cap && selector < SPACE_END && pull(pd, selector)) {
        struct foc_object *object = identify(pd->foc, cap_of(PULLED));
        if (object)
            found.rights = rights_of(cap_of(PULLED), object);
        else if (pull(pd, selector) && (object = enter_unknown(pd->foc, cap_of(PULLED))))
            found.rights = rights_of(cap_of(PULLED), object);
        if (!object) {
            recap_fail(error, -ENOSPC, "keeping a capability that core did not make");
            return recap_error_at(error, selector);
        }
        found.badge = object->badge;
        found.kind = foc_kind_name(object->kind);
        found.references = 1;
    }
    if (next)
        *next = selector + 1 < SPACE_END ? next_used(pd, selector + 1) : RECAP_NO_SELECTOR;
    if (cap)
        *cap = found;
    return 0;
}

/* Removes what is at a selector, and only there. */
static void clear(struct foc_pd *pd, recap_selector selector)
{
    l4_task_unmap(pd->task->cap, l4_obj_fpage(cap_of(selector), 0, L4_CAP_FPAGE_RWS),
                  L4_FP_ALL_SPACES);
}

int foc_put(struct foc_pd *pd, recap_selector selector, const struct foc_object *object,
            uint32_t rights, struct recap_error *error)
{
    if (selector >= SPACE_END || selector == 0)
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "selectors on this kernel are 1 to %d",
                            SPACE_END - 1);
    if (rights & RECAP_RIGHT_DELETE)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EPERM,
                            "core hands out no right to delete objects");
    unsigned kernel = L4_CAP_FPAGE_R;
    kernel |= rights & RECAP_RIGHT_WRITE ? L4_CAP_FPAGE_W : 0;
    kernel |= rights & RECAP_RIGHT_SPECIAL ? L4_CAP_FPAGE_S : 0;
    clear(pd, selector);
    copy(pd->task->cap, cap_of(selector), own(), object->cap, 0, kernel,
         (rights & RECAP_RIGHT_RECEIVE) != 0);
    if (!valid(pd->task->cap, cap_of(selector)))
        return recap_fail(error, -EIO, "installing a capability: the kernel mapped nothing");
    return 0;
}

int foc_install(struct recap_pd *handle, recap_selector selector, const struct recap_cap *cap,
                struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    const struct foc_object *object = pd ? foc_object(pd->foc, cap->badge) : NULL;
    if (!object)
        return recap_fail(error, -ESTALE, "installing a capability");
    int result = foc_put(pd, selector, object, cap->rights, error);
    if (result < 0)
        recap_error_at(error, selector);
    return result;
}

int foc_remove(struct recap_pd *handle, recap_selector selector, struct recap_error *error)
{
    struct foc_pd *pd = foc_pd(handle);
    if (!pd)
        return recap_fail(error, -ESRCH, "removing a capability");
    if (selector >= SPACE_END || !valid(pd->task->cap, cap_of(selector))) {
        recap_refuse(error, RECAP_FAILED, -ENOENT, "nothing is there to remove");
        return recap_error_at(error, selector);
    }
    clear(pd, selector);
    return 0;
}
