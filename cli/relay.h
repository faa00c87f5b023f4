/* relay.h: a pseudo-terminal for a restored session, relayed to the caller's terminal. */
#ifndef RECAP_CLI_RELAY_H
#define RECAP_CLI_RELAY_H

#include <recap/error.h>
#include <sys/types.h>

struct relay;

/* Makes a pseudo-terminal like the caller's terminal, which is standard input. */
int relay_open(struct relay **opened, struct recap_error *error);
/* The name of its terminal side: what the restored process is to have. */
const char *relay_name(const struct relay *relay);
/* After foreground_begin and the process's start: relays until it ends, and ends as it did: see
 * foreground_wait. */
int relay_run(struct relay *relay, pid_t pid);
/* Gives the caller's terminal back. Accepts NULL. */
void relay_close(struct relay *relay);

#endif
