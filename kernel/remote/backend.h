/* backend.h: opening a kernel by RPC, and what only this backend is asked. */
#ifndef RECAP_KERNEL_REMOTE_BACKEND_H
#define RECAP_KERNEL_REMOTE_BACKEND_H

#include "kernel/kernel.h"

/* ADDRESS is unix:PATH, serial:PATH or fd:N, where a core serves the kernel. */
int recap_remote_open(const char *address, struct recap_kernel **kernel, struct recap_error *error);
/* Whether the kernel, of any backend, is one of this: what it makes are not the caller's own
 * children then. */
bool recap_is_remote(const struct recap_kernel *kernel);
/* A session with the same core in which only this PD of a remote kernel can be reached, as a
 * descriptor that can be handed on; the caller closes it. */
int recap_remote_session(struct recap_pd *pd, bool looks, int *fd, struct recap_error *error);

#endif
