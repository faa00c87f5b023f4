/* wanted.c: letting a backend that waits ask the caller whether to go on. */
#include "engine/engine.h"

static bool ask(void *context)
{
    const struct recap_progress *progress = context;
    return progress->report(progress->context, "waiting", 0, 0);
}

void recap_wanted_begin(struct recap_kernel *kernel, const struct recap_progress *progress)
{
    kernel->wanted = progress->report ? ask : NULL;
    kernel->wanted_context = (void *)progress;
}

void recap_wanted_end(struct recap_kernel *kernel)
{
    kernel->wanted = NULL;
    kernel->wanted_context = NULL;
}
