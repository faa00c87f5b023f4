/* client_kernel.h: the kernel that a client of a hosted core reaches. */
#ifndef RECAP_CORE_HOST_CLIENT_KERNEL_H
#define RECAP_CORE_HOST_CLIENT_KERNEL_H

#include "core/host/client.h"
#include "kernel/kernel.h"

#include <sys/resource.h>

/* Opens it for the one client of this process; `session_of` is the PD that a session is of, which
 * stays open elsewhere, or NULL. */
int core_client_kernel_open(const struct core_client *client, struct recap_pd *session_of,
                            struct recap_kernel **kernel, struct recap_error *error);
/* How much address space a process may have, 0 being this one. */
void core_client_limit_space(pid_t pid, rlim_t bytes);

#endif
