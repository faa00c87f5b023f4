/* session.c: what every command on a live process begins and ends with. */
#include "cli/session.h"
#include "cli/command.h"

#include <errno.h>
#include <string.h>

int session_open(struct session *session, uint64_t pid)
{
    const char *core = core_address();
    int result = core ? recap_core_open(core, &session->kernel, &session->error)
                      : recap_kernel_open(&session->kernel, &session->error);
    if (result == 0 && pid)
        result = recap_pd_open(session->kernel, pid, &session->pd, &session->error);
    return result;
}

void session_close(struct session *session)
{
    recap_pd_close(session->pd);
    recap_kernel_close(session->kernel);
    session->pd = NULL;
    session->kernel = NULL;
}

int session_request(struct session *session, recap_selector selector, struct recap_cap *cap)
{
    int result = recap_request(session->pd, selector, cap, NULL, &session->error);
    if (result < 0 || cap->badge)
        return result;
    unsigned long long pid = recap_pd_id(session->pd);
    recap_refuse(&session->error, RECAP_FAILED, -EBADF, "process %llu does not use it", pid);
    recap_error_remedy(&session->error, "`recap caps %llu` lists those in use", pid);
    return recap_error_at(&session->error, selector);
}

char *session_label(struct session *session, recap_badge badge)
{
    char *label;
    if (!badge || recap_label(session->kernel, badge, &label, NULL) < 0)
        return strdup("");
    return label;
}
