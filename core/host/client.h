/* client.h: one client of a hosted core, served by a process of its own. */
#ifndef RECAP_CORE_HOST_CLIENT_H
#define RECAP_CORE_HOST_CLIENT_H

#include "core/host/identity.h"
#include <signal.h>
#include <stdint.h>

/* How the process that serves a client finds what it needs, and nothing else. */
enum core_client_descriptor {
    CORE_CLIENT_SOCKET = 3,
    CORE_CLIENT_TASK,    /* who the client is and what it may: launch.c */
    CORE_CLIENT_WISHES,  /* a pipe to core: struct core_session_wish */
    CORE_CLIENT_ANSWERS, /* where struct core_session_answer comes from */
    CORE_CLIENT_END,     /* one beyond the last */
    /* A session of one PD has no wishes, and tells of itself, once, to whoever wished for it: */
    CORE_CLIENT_REPORT = CORE_CLIENT_WISHES,
    CORE_CLIENT_GIVEN = CORE_CLIENT_ANSWERS, /* the end that goes with a good answer */
};

struct core_client {
    struct core_identity identity;
    pid_t model;     /* whose limits and priority it has: the client's process */
    size_t memory;   /* as in struct core_limits */
    int patience_ms; /* how long a request may take to arrive, and an answer to be read */
    /* The processes of core's other clients when this one came. */
    pid_t *others;
    size_t other_count;
    /* Not 0: a session of that PD, which was asked for under that number. */
    uint64_t confined;
    uint64_t number;
    bool looks; /* it only looks */
};

/* What a client's process asks of core: a session of that PD. It is no longer than what a pipe
 * takes at once, and no descriptor can come with it: to close one may take any time. */
struct core_session_wish {
    uint64_t number; /* another one each time */
    uint64_t id;
    uint64_t looks;
};

/* With `result` 0 the holder's end of the session comes along. */
struct core_session_answer {
    uint64_t number;
    int64_t result;
};

/* Says why not, to whoever is at the other end, if it can be said at once. */
void core_client_turn_away(int socket, const struct recap_error *why);
/* The client of this process, with its descriptors in their places, cannot be served. */
void core_client_fail(const struct core_client *client, int result);
/* Serves the client in this process, which has executed recap for it, until it is gone or SIGTERM
 * says so. SIGTERM has to be blocked. Returns the exit status. */
int core_client_serve(const struct core_client *client);

#endif
