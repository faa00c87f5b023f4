/* native_pd.c: the public Native PD functions over the kernel's table. */
#include <recap/native_pd.h>

#include "kernel/defaults.h"
#include "kernel/linux/backend.h"
#include "kernel/remote/backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int recap_kernel_open(struct recap_kernel **kernel, struct recap_error *error)
{
    return recap_linux_open(kernel, error);
}

int recap_core_open(const char *address, struct recap_kernel **kernel, struct recap_error *error)
{
    return recap_remote_open(address, kernel, error);
}

void recap_kernel_close(struct recap_kernel *kernel)
{
    if (kernel)
        kernel_close(kernel);
}

int recap_pd_list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                  struct recap_error *error)
{
    return kernel->ops->list(kernel, ids, count, error);
}

int recap_pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                  struct recap_error *error)
{
    return kernel->ops->pd_open(kernel, id, pd, error);
}

void recap_pd_close(struct recap_pd *pd)
{
    if (pd)
        pd->kernel->ops->pd_close(pd);
}

int recap_pd_suspend(struct recap_pd *pd, struct recap_error *error)
{
    return pd->kernel->ops->suspend(pd, error);
}

int recap_pd_resume(struct recap_pd *pd, struct recap_error *error)
{
    return pd->kernel->ops->resume(pd, error);
}

int recap_request(struct recap_pd *pd, recap_selector selector, struct recap_cap *cap,
                  recap_selector *next, struct recap_error *error)
{
    return pd->kernel->ops->request(pd, selector, cap, next, error);
}

int recap_install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                  struct recap_error *error)
{
    if (!cap->badge) {
        recap_refuse(error, RECAP_USAGE, -EINVAL,
                     "the invalid capability cannot be installed; removing is a call of its own");
        return error ? recap_error_at(error, selector) : -EINVAL;
    }
    return pd->kernel->ops->install(pd, selector, cap, error);
}

int recap_remove(struct recap_pd *pd, recap_selector selector, struct recap_error *error)
{
    return pd->kernel->ops->remove(pd, selector, error);
}

int recap_object(struct recap_kernel *kernel, const char *object, uint32_t rights,
                 recap_badge *badge, struct recap_error *error)
{
    return kernel->ops->bind(kernel, object, rights, badge, error);
}

int recap_adopt(struct recap_kernel *kernel, int fd, recap_badge *badge, struct recap_error *error)
{
    return kernel_adopt(kernel, fd, badge, error);
}

int recap_local(struct recap_kernel *kernel, recap_badge badge, int *fd, struct recap_error *error)
{
    return kernel_local(kernel, badge, fd, error);
}

int recap_label(struct recap_kernel *kernel, recap_badge badge, char **label,
                struct recap_error *error)
{
    struct recap_arena *arena = recap_arena_new();
    if (!arena)
        return recap_fail(error, -ENOMEM, "labelling an object");
    const char *text = NULL;
    int result = kernel->ops->label(kernel, badge, arena, &text, error);
    char *copy = result < 0 || recap_arena_failed(arena) ? NULL : strdup(text ? text : "");
    if (copy)
        *label = copy;
    else if (result == 0)
        result = recap_fail(error, -ENOMEM, "labelling an object");
    recap_arena_free(arena);
    return result;
}
