/* children.h: the processes that serve core's clients, as the process sees them that accepts those:
 * it forks, counts and reaps, and does nothing that a client could hold up. */
#ifndef RECAP_CORE_HOST_CHILDREN_H
#define RECAP_CORE_HOST_CHILDREN_H

#include "core/host/client.h"
#include "core/host/listen.h"

struct core_child {
    pid_t pid;
    struct core_identity identity;
    int wishes;  /* where it asks for sessions of one PD; -1: it asks for nothing */
    int answers; /* where it is told of them; -1 */
};

struct core_children {
    const struct core_listen_options *options;
    struct core_child *items;
    size_t count, capacity;
};

/* Forks the process that serves the client. 0: the socket is closed and the identity taken over. A
 * negative errno, among them -EAGAIN: the user has as many as are allowed. */
int core_children_serve(struct core_children *children, int socket, struct core_identity *identity);
/* Says why not, to whoever is there, and closes the socket. */
void core_children_refuse(int socket, const struct recap_error *why);
/* The child may have wished for a session. */
void core_children_hear(struct core_children *children, size_t index);
/* Forgets those that have ended. */
void core_children_reap(struct core_children *children);
void core_children_signal(const struct core_children *children, int number);
void core_children_clear(struct core_children *children);

#endif
