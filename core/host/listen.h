/* listen.h: core as a server of this machine: a Unix socket, and a process for each client. */
#ifndef RECAP_CORE_HOST_LISTEN_H
#define RECAP_CORE_HOST_LISTEN_H

#include <recap/error.h>
#include <stddef.h>

struct core_listen_options {
    size_t clients;  /* at most so many clients and sessions of one user */
    size_t memory;   /* bytes that core holds for a client */
    int patience_ms; /* how long a client may take for a request that it has begun */
};

/* A listening socket at `path`; one that nobody listens at any more is replaced. A core of root's
 * is for everybody to connect to: what a client may do is what its user may. */
int core_listen_at(const char *path, int *socket, struct recap_error *error);
/* The socket that the service manager passed (sd_listen_fds(3)); -ENOENT: none. */
int core_listen_inherited(int *socket, struct recap_error *error);
/* Serves until SIGTERM or SIGINT, then has the clients' processes let go and waits for them. */
int core_listen_run(int socket, const struct core_listen_options *options,
                    struct recap_error *error);

#endif
