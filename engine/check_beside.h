/* check_beside.h: checking the pages of a large image while they are loaded. */
#ifndef RECAP_ENGINE_CHECK_BESIDE_H
#define RECAP_ENGINE_CHECK_BESIDE_H

#include "image/image.h"
#include <pthread.h>

struct recap_check_beside {
    struct recap_image *image;
    pthread_t thread;
    bool running;
    int result;
    struct recap_error error;
};

/* Whether the image has so much memory that checking it first would be waited for. */
bool recap_check_beside_pays(const struct recap_graph *graph);
/* Starts a check of the whole image in another thread; without one it is done before this returns.
 */
void recap_check_beside_start(struct recap_check_beside *check, struct recap_image *image);
/* Waits for it: its result, with `error` filled when that is a failure. 0 when none was started. */
int recap_check_beside_end(struct recap_check_beside *check, struct recap_error *error);

#endif
