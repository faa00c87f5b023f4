/* service.c: what components have core do for them. What comes from them is checked here. */
#include "service.h"
#include "foc.h"

#include <errno.h>
#include <string.h>

enum { HIGHEST_PRIORITY = 99 }; /* below core's own */

enum {
    USE = RECAP_RIGHT_READ | RECAP_RIGHT_WRITE,
    USE_SEMAPHORE = USE | RECAP_RIGHT_SPECIAL, /* to take it */
    USE_SESSION = USE | RECAP_RIGHT_SPECIAL,   /* else exceptions do not carry all registers */
};

/* Hands an object to the component that asked; what could not be handed out is not kept. */
static long hand_out(struct foc_pd *pd, recap_selector selector, struct foc_object *object,
                     uint32_t rights)
{
    int result = foc_put(pd, selector, object, rights, NULL);
    if (result < 0)
        foc_end_object(pd->foc, object);
    return result;
}

static long make_bound(struct foc_pd *pd, enum foc_kind kind, const l4_umword_t *words)
{
    struct foc_object *thread = foc_behind(pd, words[2]);
    struct foc_object *object;
    if (!thread || thread->kind != FOC_THREAD)
        return -EINVAL;
    int result = foc_make(pd->foc, kind, pd->family, &object, NULL);
    if (result < 0)
        return result;
    result = foc_bind(pd->foc, object, thread, words[3], NULL);
    if (result < 0) {
        foc_end_object(pd->foc, object);
        return result;
    }
    return hand_out(pd, words[1], object, USE);
}

static long make_semaphore(struct foc_pd *pd, const l4_umword_t *words)
{
    struct foc_object *object;
    int result = foc_make(pd->foc, FOC_SEMAPHORE, pd->family, &object, NULL);
    if (result < 0)
        return result;
    foc_semaphore_raise(object, words[2] > INT16_MAX ? INT16_MAX : (int64_t)words[2]);
    return hand_out(pd, words[1], object, USE_SEMAPHORE);
}

static long make_thread(struct foc_pd *pd, const l4_umword_t *words)
{
    uint64_t id = 1;
    while (foc_thread(pd, id))
        id++;
    if (words[5] < 1 || words[5] > HIGHEST_PRIORITY)
        return -EINVAL;
    struct foc_thread *thread = foc_thread_make(pd, id, NULL);
    if (!thread)
        return -ENOMEM;
    int result = foc_put(pd, words[1], thread->object, USE, NULL);
    if (result == 0)
        result = foc_put(pd, words[2], thread->session, USE_SESSION, NULL);
    if (result == 0)
        result = foc_thread_start(thread, words[2] << L4_CAP_SHIFT, (unsigned)words[5], words[3],
                                  words[4], NULL);
    if (result < 0)
        thread->crashed = "it could not be started";
    return result;
}

static long make_memory(struct foc_pd *pd, const l4_umword_t *words)
{
    struct foc_object *object;
    int result = foc_make_memory(pd->foc, words[2], pd->family, &object, NULL);
    return result < 0 ? result : hand_out(pd, words[1], object, USE);
}

static long attach(struct foc_pd *pd, const l4_umword_t *words)
{
    struct foc_object *object = foc_behind(pd, words[1]);
    if (!object || object->kind != FOC_MEMORY)
        return -EINVAL;
    return foc_region_add(pd, words[2], object->size, RECAP_PROT_READ | RECAP_PROT_WRITE, object,
                          NULL);
}

/* The name in the words from the third on, or false. */
static bool get_name(const l4_umword_t *words, unsigned count, char *name, size_t size)
{
    size_t bytes = count > 2 ? (count - 2) * sizeof *words : 0;
    memset(name, 0, size);
    memcpy(name, words + 2, bytes < size - 1 ? bytes : size - 1);
    return name[0] != 0;
}

static long publish(struct foc_pd *pd, const l4_umword_t *words, unsigned count)
{
    struct foc_object *object = foc_behind(pd, words[1]);
    if (!object)
        return -EINVAL;
    return get_name(words, count, object->name, sizeof object->name) ? 0 : -EINVAL;
}

static long find(struct foc_pd *pd, const l4_umword_t *words, unsigned count)
{
    struct foc *foc = pd->foc;
    char name[sizeof foc->objects[0]->name];
    if (!get_name(words, count, name, sizeof name))
        return -EINVAL;
    for (size_t i = foc->object_count; i-- > 0;) {
        struct foc_object *object = foc->objects[i];
        if (object && !strcmp(object->name, name))
            return foc_put(pd, words[1], object,
                           object->kind == FOC_SEMAPHORE ? USE_SEMAPHORE : USE, NULL);
    }
    return -ENOENT;
}

static long end(struct foc_pd *pd)
{
    pd->ended = true;
    for (struct foc_thread *thread = pd->threads; thread; thread = thread->next)
        thread->crashed = "the component has ended";
    return 0;
}

long foc_session(struct foc_thread *thread, l4_umword_t *words, unsigned count)
{
    static const unsigned needed[] = {
        [FOC_MAKE_GATE] = 4,   [FOC_MAKE_IRQ] = 4, [FOC_MAKE_SEMAPHORE] = 3, [FOC_MAKE_THREAD] = 6,
        [FOC_MAKE_MEMORY] = 3, [FOC_ATTACH] = 3,   [FOC_RESERVE] = 3,        [FOC_PUBLISH] = 3,
        [FOC_FIND] = 3,        [FOC_EXIT] = 1};
    struct foc_pd *pd = thread->pd;
    if (!count || !words[0] || words[0] > FOC_EXIT || count < needed[words[0]])
        return -EINVAL;
    switch ((enum foc_function)words[0]) {
    case FOC_MAKE_GATE:
        return make_bound(pd, FOC_GATE, words);
    case FOC_MAKE_IRQ:
        return make_bound(pd, FOC_IRQ, words);
    case FOC_MAKE_SEMAPHORE:
        return make_semaphore(pd, words);
    case FOC_MAKE_THREAD:
        return make_thread(pd, words);
    case FOC_MAKE_MEMORY:
        return make_memory(pd, words);
    case FOC_ATTACH:
        return attach(pd, words);
    case FOC_RESERVE:
        return foc_region_add(pd, words[1], words[2], RECAP_PROT_READ | RECAP_PROT_WRITE, NULL,
                              NULL);
    case FOC_PUBLISH:
        return publish(pd, words, count);
    case FOC_FIND:
        return find(pd, words, count);
    case FOC_EXIT:
        return end(pd);
    }
    return -EINVAL;
}
