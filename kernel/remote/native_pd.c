/* native_pd.c: request, install and remove by RPC. */
#include "kernel/remote/remote.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    WALK = 4096,     /* capabilities that are asked for at once in a walk; core sends what fits */
    STALE_MS = 1000, /* what a walk fetched ahead of a running PD serves so long */
    INSTALL = 1024,  /* capabilities that are installed by one request */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int read_entries(struct remote_pd *pd, struct remote_answer *answer,
                        struct recap_error *error)
{
    struct remote_kernel *kernel = pd->kernel;
    struct recap_arena *arena = recap_arena_new(); /* texts are copied out of it */
    size_t capacity = 0;
    int result = arena ? 0 : -ENOMEM;
    pd->at = pd->count = 0;
    while (result == 0 && answer->in.at != answer->in.end && !answer->in.failed) {
        if (pd->count == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            struct remote_entry *larger = reallocarray(pd->entries, capacity, sizeof *pd->entries);
            if (!larger) {
                result = -ENOMEM;
                break;
            }
            pd->entries = larger;
        }
        struct remote_entry *entry = &pd->entries[pd->count];
        entry->selector = wire_get_number(&answer->in);
        wire_get_cap(&answer->in, arena, &entry->cap);
        entry->next = wire_get_number(&answer->in);
        const char *kind = entry->cap.kind;
        entry->cap.kind = remote_word(kernel, kind);
        answer->in.failed |= !kind && entry->cap.badge;
        if (kind && !entry->cap.kind)
            result = -ENOMEM;
        /* A walk goes up, or it would never end. */
        answer->in.failed |= entry->next <= entry->selector ||
                             (pd->count && entry->selector != pd->entries[pd->count - 1].next);
        if (!answer->in.failed)
            remote_meet(kernel, entry->cap.badge);
        pd->count++;
    }
    recap_arena_free(arena);
    if (result < 0)
        recap_fail(error, result, "requesting capabilities");
    else if (!pd->count || answer->in.failed)
        result = remote_nonsense(kernel, error);
    if (result < 0)
        pd->count = 0;
    return result;
}

/* From `selector` on: many, if it looks like a walk. */
static int fetch(struct remote_pd *pd, recap_selector selector, bool walking,
                 struct recap_error *error)
{
    struct wire_out out = {0};
    struct remote_answer answer;
    remote_put_pd(&out, &pd->base);
    wire_put_number(&out, selector);
    wire_put_number(&out, walking ? WALK : 1);
    int result = remote_ask(pd->kernel, ASK_REQUEST, &out, -1, &answer, error);
    if (result == 0)
        result = read_entries(pd, &answer, error);
    remote_answer_clear(&answer);
    if (result == 0 && pd->entries[0].selector != selector)
        result = remote_nonsense(pd->kernel, error);
    enum { EACH = 64 }; /* bytes that whoever walks keeps of a capability, at least */
    pd->walked = (selector ? pd->walked : 0) + pd->count;
    if (result == 0 && pd->walked > pd->kernel->memory / EACH)
        result = remote_too_much(pd->kernel, "more capabilities", error);
    pd->moment = pd->kernel->moment;
    pd->time = now_ms();
    if (result < 0)
        pd->count = 0;
    return result;
}

int remote_request(struct recap_pd *base, recap_selector selector, struct recap_cap *cap,
                   recap_selector *next, struct recap_error *error)
{
    struct remote_pd *pd = remote_pd(base);
    bool valid = pd->moment == pd->kernel->moment && pd->at && pd->at <= pd->count &&
                 (pd->suspended || now_ms() - pd->time < STALE_MS);
    bool follows = pd->at && pd->at <= pd->count && pd->entries[pd->at - 1].next == selector;
    if (selector == RECAP_NO_SELECTOR)
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "there is no such selector");
    if (!valid || !follows || pd->at == pd->count) {
        int result = fetch(pd, selector, selector == 0 || follows, error);
        if (result < 0)
            return result;
    }
    const struct remote_entry *entry = &pd->entries[pd->at++];
    if (cap)
        *cap = entry->cap;
    if (next)
        *next = entry->next;
    return 0;
}

static void put_install(struct wire_out *out, recap_selector selector, const struct recap_cap *cap)
{
    struct recap_cap bare = *cap;
    bare.kind = NULL;
    wire_put_number(out, selector);
    wire_put_cap(out, &bare);
}

int remote_install_many(struct recap_pd *pd, const recap_selector *selectors,
                        const struct recap_cap *caps, size_t count, struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0, part; result == 0 && i < count; i += part) {
        struct wire_out out = {0};
        part = count - i < INSTALL ? count - i : INSTALL;
        remote_put_pd(&out, pd);
        wire_put_number(&out, part);
        for (size_t k = i; k < i + part; k++)
            put_install(&out, selectors[k], &caps[k]);
        result = remote_do(remote_pd(pd)->kernel, ASK_INSTALL, &out, -1, error);
    }
    return result;
}

int remote_install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                   struct recap_error *error)
{
    return remote_install_many(pd, &selector, cap, 1, error);
}

int remote_remove(struct recap_pd *pd, recap_selector selector, struct recap_error *error)
{
    struct wire_out out = {0};
    remote_put_pd(&out, pd);
    wire_put_number(&out, selector);
    return remote_do(remote_pd(pd)->kernel, ASK_REMOVE, &out, -1, error);
}
