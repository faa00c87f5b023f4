/* binding.c: the object that a specification names: host, host-priv, device, task:NAME,
 * task:NAME:PORT, pd:ID:PORT. */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "mach_port.user.h"

#include <errno.h>
#include <string.h>

static int unknown(struct recap_error *error, const char *spec)
{
    recap_refuse(error, RECAP_USAGE, -EINVAL, "\"%s\" names no object", spec);
    return recap_error_remedy(error, "host, host-priv, device, task:NAME, task:NAME:PORT and "
                                     "pd:ID:PORT do");
}

static bool read_number(const char *text, uint64_t *number)
{
    *number = 0;
    if (!*text)
        return false;
    for (; *text >= '0' && *text <= '9' && *number <= UINT32_MAX; text++)
        *number = *number * 10 + (uint64_t)(*text - '0');
    return !*text && *number <= UINT32_MAX;
}

/* Core's own right to a port that it holds anyway, as one more that it keeps for a badge. */
static int own(struct mach_kernel *mach, mach_port_t port, recap_badge *badge,
               struct recap_error *error)
{
    kern_return_t why = mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, 1);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "binding a port");
    int result = mach_keep(mach, port, error);
    if (result == 0)
        *badge = port;
    return result;
}

static int at_name(struct mach_pd *pd, uint64_t selector, recap_badge *badge,
                   struct recap_error *error)
{
    mach_port_type_t type;
    mach_port_name_t name = (mach_port_name_t)selector;
    if (mach_port_type(pd->task, name, &type) != KERN_SUCCESS)
        return recap_refuse(error, RECAP_USAGE, -ENOENT, "PD %llu (%s) has nothing at %u",
                            (unsigned long long)pd->pd.id, pd->name, name);
    return mach_badge(pd, name, type, badge, error);
}

int mach_bind(struct recap_kernel *kernel, const char *spec, uint32_t rights, recap_badge *badge,
              struct recap_error *error)
{
    struct mach_kernel *mach = mach_of(kernel);
    const char *at = strchr(spec, ':'), *colon = at ? strchr(at + 1, ':') : NULL;
    struct mach_pd *pd = NULL;
    uint64_t id, selector = 0;
    (void)rights;
    if (strcmp(spec, "host") == 0) {
        mach_port_t host = mach_host_self();
        int result = mach_keep(mach, host, error);
        if (result == 0)
            *badge = host;
        return result;
    }
    if (strcmp(spec, "host-priv") == 0)
        return own(mach, mach->host, badge, error);
    if (strcmp(spec, "device") == 0)
        return own(mach, mach->device, badge, error);
    if (!at || (colon && !read_number(colon + 1, &selector)))
        return unknown(error, spec);
    if (strncmp(spec, "task:", 5) == 0) {
        pd = mach_find_name(mach, at + 1, colon ? (size_t)(colon - at - 1) : strlen(at + 1));
    } else if (strncmp(spec, "pd:", 3) == 0 && colon) {
        for (id = 0, at++; *at >= '0' && *at <= '9' && id <= UINT32_MAX; at++)
            id = id * 10 + (uint64_t)(*at - '0');
        pd = at == colon ? mach_find_id(mach, id) : NULL;
    } else {
        return unknown(error, spec);
    }
    if (!pd)
        return recap_refuse(error, RECAP_USAGE, -ESRCH, "\"%s\" names no task that is here", spec);
    return colon ? at_name(pd, selector, badge, error) : own(mach, pd->task, badge, error);
}
