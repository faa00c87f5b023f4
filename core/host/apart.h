/* apart.h: leaving core behind: what serves a client has nothing that was core's. */
#ifndef RECAP_CORE_HOST_APART_H
#define RECAP_CORE_HOST_APART_H

#include "core/host/identity.h"

/* In a process that core forked and that is about to execute recap anew: its session, terminal,
 * directory, mask, signals, keyring, limits, priority and control group are none of core's any
 * more, but as those of `model`, the client's process, as far as that still runs as the client;
 * what else is inherited is as in a process of no special kind. Fills in what the identity may keep
 * of core's capabilities. Descriptors are the caller's to leave. 0 or a negative errno. */
int core_apart(pid_t model, struct core_identity *identity);
/* An empty session keyring: once as core, so that core's own is left, once as whoever was taken on,
 * who owns the new one. */
int core_apart_keyring(void);

#endif
