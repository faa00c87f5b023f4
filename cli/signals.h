/* signals.h: signals to recap itself while processes depend on it. */
#ifndef RECAP_CLI_SIGNALS_H
#define RECAP_CLI_SIGNALS_H

#include <stdbool.h>

/* From here on what would end recap (SIGHUP, SIGINT, SIGTERM, SIGXCPU) is noted: the work ends soon
 * and cleans up. If it does not within a moment, or when it comes once more, recap ends all the
 * same: nothing depends on that cleaning up. What would stop it (SIGTSTP, SIGTTIN, SIGTTOU) waits,
 * as a stopped recap keeps a stopped process. A write that fails is no more than that (SIGPIPE,
 * SIGXFSZ). */
void signals_hold(void);
/* Whether recap has been told to end. */
bool signals_told(void);
/* The work is done and wins over a signal that came meanwhile: everything is as it was before
 * signals_hold, but that SIGTSTP still waits. */
void signals_forget(void);
/* The work failed: a signal that came meanwhile does now what it does. */
void signals_release(void);

#endif
