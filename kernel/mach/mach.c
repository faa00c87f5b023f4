/* mach.c: the GNU Mach backend: which tasks there are, and the table of operations. */
#include "kernel/mach/mach.h"
#include "kernel/mach/guest/traps.h"
#include "mach_host.user.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mach_errno(kern_return_t why)
{
    switch (why) {
    case KERN_SUCCESS:
        return 0;
    case KERN_RESOURCE_SHORTAGE:
    case KERN_NO_SPACE:
        return -ENOMEM;
    case KERN_NAME_EXISTS:
    case KERN_RIGHT_EXISTS:
        return -EEXIST;
    case KERN_INVALID_NAME:
    case KERN_INVALID_RIGHT:
        return -ENOENT;
    case KERN_INVALID_ADDRESS:
        return -EFAULT;
    case KERN_PROTECTION_FAILURE:
        return -EACCES;
    case KERN_UREFS_OVERFLOW:
        return -EOVERFLOW;
    case KERN_TERMINATED:
    case MACH_SEND_INVALID_DEST:
        return -ESRCH;
    default:
        return -EIO;
    }
}

int mach_fail(struct recap_error *error, kern_return_t why, const char *format, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return recap_refuse(error, RECAP_FAILED, mach_errno(why), "%s: the kernel answers 0x%x", what,
                        (unsigned)why);
}

struct mach_pd *mach_find_id(struct mach_kernel *mach, uint64_t id)
{
    struct mach_pd *pd = mach->pds;
    while (pd && pd->pd.id != id)
        pd = pd->next;
    return pd;
}

struct mach_pd *mach_find_task(struct mach_kernel *mach, mach_port_t task)
{
    struct mach_pd *pd = mach->pds;
    while (pd && pd->task != task)
        pd = pd->next;
    return pd;
}

struct mach_pd *mach_find_name(struct mach_kernel *mach, const char *name, size_t length)
{
    struct mach_pd *pd = mach->pds;
    while (pd && (strncmp(pd->name, name, length) != 0 || pd->name[length]))
        pd = pd->next;
    return pd;
}

struct mach_pd *mach_add(struct mach_kernel *mach, uint64_t id, const char *name, mach_port_t task)
{
    struct mach_pd *pd = calloc(1, sizeof *pd);
    if (!pd)
        return NULL;
    for (uint64_t free_id = 1; !id; free_id++)
        if (!mach_find_id(mach, free_id))
            id = free_id;
    pd->pd = (struct recap_pd){&mach->kernel, id};
    pd->task = task;
    snprintf(pd->name, sizeof pd->name, "%s", name ? name : "");
    struct mach_pd **last = &mach->pds;
    while (*last && (*last)->pd.id < id)
        last = &(*last)->next;
    pd->next = *last;
    *last = pd;
    return pd;
}

/* Core stays as long as its machine: what is closed here is only a client's view. */
static void close_kernel(struct recap_kernel *kernel)
{
    mach_forget(mach_of(kernel));
}

static const char *release(struct recap_kernel *kernel)
{
    return mach_of(kernel)->release;
}

static int list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                struct recap_error *error)
{
    size_t n = 0;
    for (const struct mach_pd *pd = mach_of(kernel)->pds; pd; pd = pd->next)
        n++;
    uint64_t *all = calloc(n + 1, sizeof *all);
    if (!all)
        return recap_fail(error, -ENOMEM, "listing PDs");
    n = 0;
    for (const struct mach_pd *pd = mach_of(kernel)->pds; pd; pd = pd->next)
        all[n++] = pd->pd.id;
    *ids = all;
    *count = n;
    return 0;
}

static int pd_name(struct recap_kernel *kernel, uint64_t id, char *name, size_t size,
                   struct recap_error *error)
{
    const struct mach_pd *pd = mach_find_id(mach_of(kernel), id);
    if (!pd)
        return recap_fail(error, -ESRCH, "PD %llu", (unsigned long long)id);
    snprintf(name, size, "%s", pd->name);
    return 0;
}

static const struct recap_kernel_ops operations = {
    .name = "mach",
    .machine = "i386",
    .close = close_kernel,
    .release = release,
    .list = list,
    .pd_name = pd_name,
    .pd_open = mach_pd_open,
    .pd_create = mach_pd_create,
    .examine = mach_examine,
    .suspend = mach_suspend,
    .resume = mach_resume,
    .destroy = mach_destroy,
    .pd_close = mach_pd_close,
    .request = mach_request,
    .install = mach_install,
    .remove = mach_remove,
    .describe = mach_describe,
    .label = mach_label,
    .create = mach_create,
    .tie = mach_tie,
    .compare = mach_compare,
    .bind = mach_bind,
    .regions = mach_regions,
    .read = mach_read,
    .write = mach_write,
    .map = mach_map,
    .threads = mach_threads,
    .threads_set = mach_threads_set,
    .attributes = mach_attributes,
    .attributes_set = mach_attributes_set,
};

/* The port name after "WORD=", or 0. */
static mach_port_t number_of(const char *text)
{
    mach_port_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        number = number * 10 + (mach_port_t)(*text - '0');
    return *text ? MACH_PORT_NULL : number;
}

static int take_word(struct mach_kernel *mach, const char *word, struct recap_error *error)
{
    char name[64];
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : 0;
    mach_port_t port = equals ? number_of(equals + 1) : MACH_PORT_NULL;
    if (!port || !length || length >= sizeof name)
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "\"%s\" is not NAME=PORT", word);
    memcpy(name, word, length);
    name[length] = '\0';
    if (strcmp(name, "host") == 0)
        mach->host = port;
    else if (strcmp(name, "device") == 0)
        mach->device = port;
    else if (strcmp(name, "kernel") == 0)
        mach->kernel_task = port;
    else if (!mach_add(mach, 0, name, port))
        return recap_fail(error, -ENOMEM, "starting core");
    return 0;
}

int mach_open(int count, char *const *words, struct recap_kernel **kernel,
              struct recap_error *error)
{
    kernel_version_t version = "";
    struct mach_kernel *mach = calloc(1, sizeof *mach);
    if (!mach)
        return recap_fail(error, -ENOMEM, "starting core");
    mach->kernel.ops = &operations;
    for (int i = 0; i < count; i++) {
        int result = take_word(mach, words[i], error);
        if (result < 0)
            return result;
    }
    if (!mach->host || !mach->device || !mach->kernel_task)
        return recap_refuse(error, RECAP_USAGE, -EINVAL,
                            "core wants host=, device= and kernel= from the boot script");
    host_kernel_version(mach->host, version);
    snprintf(mach->release, sizeof mach->release, "%.*s", (int)strnlen(version, sizeof version),
             version);
    *kernel = &mach->kernel;
    return 0;
}

mach_port_t mach_device_master(const struct recap_kernel *kernel)
{
    return ((const struct mach_kernel *)kernel)->device;
}
