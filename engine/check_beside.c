/* check_beside.c: checking the pages of a large image while they are loaded.
 *
 * What is loaded does not run before the check has passed, so nothing is lost by not waiting for
 * it, and the second processor has work while the first one copies.
 */
#include "engine/check_beside.h"

#include <signal.h>

/* Below this, checking takes less time than a thread is worth. */
#define LEAST_BYTES (UINT64_C(64) << 20)

bool recap_check_beside_pays(const struct recap_graph *graph)
{
    uint64_t bytes = 0;
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].region_count; i++)
            for (size_t r = 0; r < graph->pds[p].regions[i].range_count; r++)
                bytes += graph->pds[p].regions[i].ranges[r].length;
    return bytes >= LEAST_BYTES;
}

static void *run(void *context)
{
    struct recap_check_beside *check = context;
    check->result = recap_image_check(check->image, &check->error);
    return NULL;
}

void recap_check_beside_start(struct recap_check_beside *check, struct recap_image *image)
{
    sigset_t all, before;
    *check = (struct recap_check_beside){.image = image};
    /* Signals stay the caller's business. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    check->running = pthread_create(&check->thread, NULL, run, check) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!check->running)
        run(check);
}

int recap_check_beside_end(struct recap_check_beside *check, struct recap_error *error)
{
    if (check->running)
        pthread_join(check->thread, NULL);
    check->running = false;
    if (check->result < 0 && error)
        *error = check->error;
    return check->result;
}
