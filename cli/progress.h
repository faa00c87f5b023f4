/* progress.h: how far long work is, on a terminal. */
#ifndef RECAP_CLI_PROGRESS_H
#define RECAP_CLI_PROGRESS_H

#include <recap/checkpoint.h>

struct progress {
    int64_t began_ms;
    int64_t shown_ms; /* 0: nothing is on the line */
};

/* Begins; what is returned reports to `progress`, and only if standard error is a terminal. */
struct recap_progress progress_begin(struct progress *progress);
/* Clears the line. */
void progress_end(struct progress *progress);

#endif
