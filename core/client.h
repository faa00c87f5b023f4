/* client.h: one client of a hosted core, served by a process of its own. */
#ifndef RECAP_CORE_CLIENT_H
#define RECAP_CORE_CLIENT_H

#include "core/identity.h"
#include <signal.h>
#include <stdint.h>

struct core_client {
    int socket;
    const struct core_identity *identity;
    size_t memory;   /* as in struct core_limits */
    int patience_ms; /* how long a request may take to arrive, and an answer to be read */
    /* Where to ask for sessions of one PD; -1: it cannot. */
    int control;
    /* The processes of core's other clients when this one came. */
    const pid_t *others;
    size_t other_count;
    /* Not 0: a session of that PD; `ready` is told 0 or a negative errno once it is open. */
    uint64_t confined;
    int ready;
};

/* What a client's process asks of core: a session of that PD, on the first of the two descriptors
 * that come along; the second one is `ready`. */
struct core_session_wish {
    uint64_t id;
};

/* Serves the client in this process, which was forked for it, until it is gone or SIGTERM says so.
 * SIGTERM has to be blocked. Returns the exit status. */
int core_client_serve(const struct core_client *client);

#endif
