/* linux.c: opening the Linux backend, and its table. */
#include "kernel/linux/backend.h"
#include "kernel/linux/badges/table.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/clocks.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/namespace.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/outside.h"
#include "kernel/linux/objects/sockets/nowhere.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/room.h"
#include "kernel/linux/threads/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void linux_close(struct recap_kernel *kernel)
{
    struct linux_kernel *k = linux_kernel(kernel);
    linux_clocks_leave(k);
    linux_namespace_leave(k);
    linux_nowhere_leave(k);
    linux_watches_forget(k);
    linux_badges_free(k->badges);
    linux_census_free(k->census);
    linux_room_unmake(k);
    free(k->release);
    free(k->groups);
    free(k);
}

static const char *linux_release(struct recap_kernel *kernel)
{
    return linux_kernel(kernel)->release;
}

static const struct recap_kernel_ops linux_ops = {
    .name = "linux",
    .machine = "x86_64",
    .close = linux_close,
    .release = linux_release,
    .list = linux_pd_list,
    .pd_name = linux_pd_name,
    .pd_open = linux_pd_open,
    .pd_create = linux_pd_create,
    .examine = linux_examine,
    .suspend = linux_suspend,
    .resume = linux_resume,
    .destroy = linux_destroy,
    .pd_close = linux_pd_close,
    .request = linux_request,
    .install = linux_install,
    .install_many = linux_install_many,
    .remove = linux_remove,
    .describe = linux_describe,
    .label = linux_label,
    .content = linux_content,
    .create = linux_create,
    .tie = linux_tie,
    .compare = linux_compare,
    .bind = linux_bind,
    .local = linux_local,
    .adopt = linux_adopt,
    .regions = linux_regions,
    .read = linux_read,
    .write = linux_write,
    .map = linux_map,
    .load = linux_load,
    .threads = linux_threads,
    .threads_set = linux_threads_set,
    .attributes = linux_attributes,
    .attributes_set = linux_attributes_set,
};

int recap_linux_open(struct recap_kernel **kernel, struct recap_error *error)
{
    struct utsname names;
    struct linux_kernel *k = calloc(1, sizeof *k);
    if (!k)
        return recap_fail(error, -ENOMEM, "opening the Linux kernel");
    k->base.ops = &linux_ops;
    k->nowhere = -1;
    k->own_proc = -1;
    k->badges = linux_badges_new();
    k->release = uname(&names) == 0 ? strdup(names.release) : NULL;
    int groups = getgroups(0, NULL);
    k->groups = calloc((size_t)groups + 1, sizeof *k->groups);
    k->group_count = k->groups ? getgroups(groups, k->groups) : 0;
    if (!k->badges || !k->release || !k->groups) {
        linux_close(&k->base);
        return recap_fail(error, -ENOMEM, "opening the Linux kernel");
    }
    *kernel = &k->base;
    return 0;
}

int recap_linux_enter_namespace(struct recap_kernel *kernel, struct recap_error *error)
{
    if (kernel->ops != &linux_ops)
        return recap_refuse(
            error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
            "namespaces are made on the machine that recap runs on, and not through core");
    return linux_namespace_enter(linux_kernel(kernel), error);
}

bool recap_linux_in_namespace(const struct recap_kernel *kernel)
{
    return kernel->ops == &linux_ops && ((const struct linux_kernel *)kernel)->own_namespace;
}

bool recap_linux_proc_is_outside(const struct recap_kernel *kernel)
{
    return kernel->ops == &linux_ops && ((const struct linux_kernel *)kernel)->proc_is_outside;
}

int64_t recap_linux_clocks_moved(const struct recap_kernel *kernel)
{
    return kernel->ops == &linux_ops ? ((const struct linux_kernel *)kernel)->clocks_moved_ns : 0;
}
