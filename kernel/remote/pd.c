/* pd.c: PDs of core: listing, opening, stopping, ending. */
#include "kernel/remote/remote.h"

#include <errno.h>
#include <stdlib.h>

static void clear(struct remote_answer *answer)
{
    remote_answer_clear(answer);
}

#define ANSWER __attribute__((cleanup(clear))) struct remote_answer

int remote_list(struct recap_kernel *base, uint64_t **ids, size_t *count, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct wire_out out = {0};
    ANSWER answer = {0};
    int result = remote_ask(kernel, ASK_LIST, &out, -1, &answer, error);
    if (result < 0)
        return result;
    size_t found = wire_get_count(&answer.in);
    uint64_t *list = calloc(found + 1, sizeof *list);
    if (!list)
        return recap_fail(error, -ENOMEM, "listing PDs");
    for (size_t i = 0; i < found; i++)
        list[i] = wire_get_number(&answer.in);
    if (!wire_done(&answer.in)) {
        free(list);
        return remote_nonsense(kernel, error);
    }
    *ids = list;
    *count = found;
    return 0;
}

int remote_pd_name(struct recap_kernel *base, uint64_t id, char *name, size_t size,
                   struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct wire_out out = {0};
    ANSWER answer = {0};
    wire_put_number(&out, id);
    int result = remote_ask(kernel, ASK_NAME, &out, -1, &answer, error);
    if (result < 0)
        return result;
    wire_get_text_into(&answer.in, name, size);
    return wire_done(&answer.in) ? 0 : remote_nonsense(kernel, error);
}

struct remote_pd *remote_pd_new(struct remote_kernel *kernel, uint64_t id, uint64_t number)
{
    struct remote_pd *pd = calloc(1, sizeof *pd);
    if (pd)
        *pd = (struct remote_pd){
            .base = {&kernel->base, id}, .kernel = kernel, .number = number, .moment = UINT64_MAX};
    return pd;
}

int remote_pd_open(struct recap_kernel *base, uint64_t id, struct recap_pd **pd,
                   struct recap_error *error)
{
    struct remote_kernel *kernel = remote_kernel(base);
    struct wire_out out = {0};
    ANSWER answer = {0};
    wire_put_number(&out, id);
    int result = remote_ask(kernel, ASK_OPEN, &out, -1, &answer, error);
    if (result < 0)
        return result;
    uint64_t number = wire_get_number(&answer.in);
    if (!wire_done(&answer.in))
        return remote_nonsense(kernel, error);
    struct remote_pd *opened = remote_pd_new(kernel, id, number);
    if (!opened)
        return recap_fail(error, -ENOMEM, "opening PD %llu", (unsigned long long)id);
    *pd = &opened->base;
    return 0;
}

void remote_put_pd(struct wire_out *out, struct recap_pd *pd)
{
    wire_put_number(out, remote_pd(pd)->number);
}

int remote_examine(struct recap_pd *pd, struct recap_refusals *refusals, struct recap_error *error)
{
    struct remote_kernel *kernel = remote_pd(pd)->kernel;
    struct wire_out out = {0};
    ANSWER answer = {0};
    remote_put_pd(&out, pd);
    int result = remote_ask(kernel, ASK_EXAMINE, &out, -1, &answer, error);
    if (result < 0)
        return result;
    size_t count = wire_get_count(&answer.in);
    for (size_t i = 0; i < count && !answer.in.failed; i++) {
        struct recap_error why;
        wire_get_error(&answer.in, &why);
        if (!answer.in.failed && recap_refusals_add(refusals, &why) < 0)
            return recap_fail(error, -ENOMEM, "examining PD %llu", (unsigned long long)pd->id);
    }
    return wire_done(&answer.in) ? 0 : remote_nonsense(kernel, error);
}

static int act(struct recap_pd *pd, uint8_t type, struct recap_error *error)
{
    struct wire_out out = {0};
    remote_put_pd(&out, pd);
    return remote_do(remote_pd(pd)->kernel, type, &out, -1, error);
}

int remote_suspend(struct recap_pd *pd, struct recap_error *error)
{
    int result = act(pd, ASK_SUSPEND, error);
    remote_pd(pd)->suspended |= result == 0;
    return result;
}

int remote_resume(struct recap_pd *pd, struct recap_error *error)
{
    int result = act(pd, ASK_RESUME, error);
    remote_pd(pd)->suspended &= result != 0;
    return result;
}

int remote_destroy(struct recap_pd *pd, struct recap_error *error)
{
    return act(pd, ASK_DESTROY, error);
}

void remote_pd_close(struct recap_pd *pd)
{
    if (!pd)
        return;
    act(pd, ASK_CLOSE, NULL);
    free(remote_pd(pd)->entries);
    free(pd);
}
