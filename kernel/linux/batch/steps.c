/* steps.c: batches whose calls all have to succeed, each with words for its failure. */
#include "kernel/linux/batch/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct step {
    size_t call;
    const char *what;
};

struct linux_steps {
    struct linux_pd *pd;
    size_t thread;
    struct linux_batch *batch;
    struct step *items;
    size_t count;
    size_t capacity;
    int *sent; /* descriptors of ours that travel with the batch */
    size_t sent_count;
    bool out_of_memory;
};

struct linux_steps *linux_steps_new(struct linux_pd *pd, size_t thread)
{
    struct linux_steps *steps = calloc(1, sizeof *steps);
    if (!steps)
        return NULL;
    steps->pd = pd;
    steps->thread = thread;
    steps->batch = linux_batch_new(pd, thread);
    if (!steps->batch) {
        free(steps);
        return NULL;
    }
    return steps;
}

void linux_steps_free(struct linux_steps *steps)
{
    if (!steps)
        return;
    linux_batch_free(steps->batch);
    for (size_t i = 0; i < steps->sent_count; i++)
        close(steps->sent[i]);
    free(steps->sent);
    free(steps->items);
    free(steps);
}

struct linux_batch *linux_steps_batch(struct linux_steps *steps)
{
    return steps->batch;
}

size_t linux_steps_append(struct linux_steps *steps, const char *what, long number,
                          const uint64_t arguments[6])
{
    size_t call = linux_batch_append(steps->batch, number, arguments);
    if (steps->count == steps->capacity) {
        size_t capacity = steps->capacity ? 2 * steps->capacity : 16;
        struct step *items = reallocarray(steps->items, capacity, sizeof *items);
        if (!items) {
            steps->out_of_memory = true;
            return call;
        }
        steps->items = items;
        steps->capacity = capacity;
    }
    steps->items[steps->count++] = (struct step){.call = call, .what = what};
    return call;
}

void linux_steps_send(struct linux_steps *steps, int fd, size_t call, int argument)
{
    int *sent = reallocarray(steps->sent, steps->sent_count + 1, sizeof *sent);
    if (!sent) {
        steps->out_of_memory = true;
        close(fd);
        return;
    }
    steps->sent = sent;
    sent[steps->sent_count++] = fd;
    linux_batch_use_fd(steps->batch, linux_batch_send_fd(steps->batch, fd), call, argument);
}

static int check(const struct linux_steps *steps, struct recap_error *error)
{
    for (size_t i = 0; i < steps->count; i++) {
        const struct step *step = &steps->items[i];
        int64_t result = linux_batch_result(steps->batch, step->call);
        if (result < 0 && result > -4096)
            return recap_fail(error, (int)result, "%s of thread %d", step->what,
                              steps->pd->threads[steps->thread].vtid);
    }
    return 0;
}

int linux_steps_run(struct linux_steps *const *steps, size_t count, struct recap_error *error)
{
    struct linux_batch **batches = calloc(count + 1, sizeof(struct linux_batch *));
    bool out_of_memory = !batches;
    size_t used = 0;
    for (size_t i = 0; !out_of_memory && i < count; i++) {
        out_of_memory = steps[i]->out_of_memory;
        if (steps[i]->count)
            batches[used++] = steps[i]->batch;
    }
    int result = out_of_memory ? recap_fail(error, -ENOMEM, "preparing remote system calls") : 0;
    if (result == 0 && used)
        result = linux_batch_run_all(batches, used, error);
    free(batches);
    for (size_t i = 0; result == 0 && i < count; i++)
        result = check(steps[i], error);
    return result;
}
