/* defaults.c: what holds where a backend leaves an operation NULL. */
#include "kernel/defaults.h"

#include <errno.h>

void kernel_close(struct recap_kernel *kernel)
{
    if (kernel->ops->close)
        kernel->ops->close(kernel);
}

int kernel_install_many(struct recap_pd *pd, const recap_selector *selectors,
                        const struct recap_cap *caps, size_t count, struct recap_error *error)
{
    const struct recap_kernel_ops *ops = pd->kernel->ops;
    if (ops->install_many)
        return count ? ops->install_many(pd, selectors, caps, count, error) : 0;
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = ops->install(pd, selectors[i], &caps[i], error);
    return result;
}

ssize_t kernel_content(struct recap_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error)
{
    return kernel->ops->content ? kernel->ops->content(kernel, badge, offset, buffer, size, error)
                                : 0;
}

int kernel_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
               struct recap_error *error)
{
    const struct recap_kernel_ops *ops = pd->kernel->ops;
    if (ops->tie)
        return ops->tie(pd, creation, id, error);
    return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                        "the image has ties of a %s, and no object of kernel \"%s\" has any",
                        recap_graph_object(creation->graph, id)->kind, ops->name);
}

static int refuse_descriptors(const struct recap_kernel *kernel, struct recap_error *error)
{
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "the objects of kernel \"%s\" are no descriptors of this system",
                        kernel->ops->name);
}

int kernel_local(struct recap_kernel *kernel, recap_badge badge, int *fd, struct recap_error *error)
{
    return kernel->ops->local ? kernel->ops->local(kernel, badge, fd, error)
                              : refuse_descriptors(kernel, error);
}

int kernel_adopt(struct recap_kernel *kernel, int fd, recap_badge *badge, struct recap_error *error)
{
    return kernel->ops->adopt ? kernel->ops->adopt(kernel, fd, badge, error)
                              : refuse_descriptors(kernel, error);
}
