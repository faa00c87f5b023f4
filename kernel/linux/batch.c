/* batch.c: remote system calls in batches. */
#include "kernel/linux/linux.h"

#include <errno.h>

struct linux_batch *linux_batch_new(struct linux_pd *pd, size_t thread)
{
    (void)pd;
    (void)thread;
    return 0;
}

void linux_batch_free(struct linux_batch *batch)
{
    (void)batch;
}

uint64_t linux_batch_put(struct linux_batch *batch, const void *data, size_t length)
{
    (void)batch;
    (void)data;
    (void)length;
    return 0;
}

size_t linux_batch_append(struct linux_batch *batch, long number, const uint64_t arguments[6])
{
    (void)batch;
    (void)number;
    (void)arguments;
    return 0;
}

void linux_batch_chain(struct linux_batch *batch, size_t from, size_t to, int argument)
{
    (void)batch;
    (void)from;
    (void)to;
    (void)argument;
}

uint64_t linux_batch_argument(struct linux_batch *batch, size_t call, int argument)
{
    (void)batch;
    (void)call;
    (void)argument;
    return 0;
}

size_t linux_batch_send_fd(struct linux_batch *batch, int fd)
{
    (void)batch;
    (void)fd;
    return 0;
}

void linux_batch_use_fd(struct linux_batch *batch, size_t token, size_t call, int argument)
{
    (void)batch;
    (void)token;
    (void)call;
    (void)argument;
}

int linux_batch_run(struct linux_batch *batch, struct recap_error *error)
{
    (void)batch;
    return recap_fail(error, -ENOSYS, "linux_batch_run");
}

int linux_batch_run_all(struct linux_batch *const *batches, size_t count,
                        struct recap_error *error)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = linux_batch_run(batches[i], error);
    return result;
}

int64_t linux_batch_result(const struct linux_batch *batch, size_t call)
{
    (void)batch;
    (void)call;
    return 0;
}

const void *linux_batch_data(const struct linux_batch *batch, uint64_t address)
{
    (void)batch;
    (void)address;
    return NULL;
}

int linux_batch_check(const struct linux_batch *batch, size_t call, const char *what,
                      struct recap_error *error)
{
    (void)batch;
    (void)call;
    (void)what;
    return recap_fail(error, -ENOSYS, "linux_batch_check");
}
