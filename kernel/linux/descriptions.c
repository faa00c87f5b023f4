/* descriptions.c: what is known of a description, and dispatch to its kind. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_description_read(struct linux_home home, struct linux_description **description,
                           struct recap_error *error)
{
    (void)home;
    (void)description;
    return recap_fail(error, -ENOSYS, "linux_description_read");
}

void linux_description_free(struct linux_description *description)
{
    (void)description;
}

int linux_describe(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                   struct recap_object *object, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)arena;
    (void)object;
    return recap_fail(error, -ENOSYS, "linux_describe");
}

int linux_label(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                const char **label, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)arena;
    (void)label;
    return recap_fail(error, -ENOSYS, "linux_label");
}

ssize_t linux_content(struct recap_kernel *kernel, recap_badge badge, uint64_t offset,
                      void *buffer, size_t size, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)offset;
    (void)buffer;
    (void)size;
    return recap_fail(error, -ENOSYS, "linux_content");
}

int linux_create(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
                 recap_badge *badge, struct recap_error *error)
{
    (void)kernel;
    (void)creation;
    (void)id;
    (void)badge;
    return recap_fail(error, -ENOSYS, "linux_create");
}

int linux_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
              struct recap_error *error)
{
    (void)pd;
    (void)creation;
    (void)id;
    return recap_fail(error, -ENOSYS, "linux_tie");
}

int linux_compare(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                  uint64_t id, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)graph;
    (void)id;
    return recap_fail(error, -ENOSYS, "linux_compare");
}
