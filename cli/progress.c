/* progress.c: one line on standard error, which appears only when the work takes long. */
#include "cli/progress.h"

#include "cli/signals.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* Work that is done sooner shows nothing; a line stays readable for this long. */
enum { PATIENCE_MS = 500, REFRESH_MS = 100 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void show(struct progress *progress, const char *phase, uint64_t done, uint64_t total)
{
    int64_t now = now_ms();
    if (now - progress->began_ms < PATIENCE_MS || now - progress->shown_ms < REFRESH_MS)
        return;
    progress->shown_ms = now;
    fprintf(stderr, "\r\033[Krecap: %s", phase);
    if (total)
        fprintf(stderr, " %d%%", (int)((double)done * 100 / (double)total));
    fflush(stderr);
}

static bool report(void *context, const char *phase, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    if (progress->terminal)
        show(progress, phase, done, total);
    return !signals_told();
}

struct recap_progress progress_begin(struct progress *progress)
{
    signals_hold();
    *progress = (struct progress){.began_ms = now_ms(), .terminal = isatty(STDERR_FILENO)};
    return (struct recap_progress){report, progress};
}

void progress_end(struct progress *progress)
{
    if (progress->shown_ms)
        fputs("\r\033[K", stderr);
    progress->shown_ms = 0;
}
