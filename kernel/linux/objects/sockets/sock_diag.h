/* sock_diag.h: asking the kernel about sockets of any family. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCK_DIAG_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_SOCK_DIAG_H

#include <linux/netlink.h>
#include <stddef.h>

/* Sends a request, of which type, length and NLM_F_REQUEST are filled in here, and calls `visit`
 * for each message of the answer: for one, or for all with NLM_F_DUMP. Stops at, and returns, the
 * first non-zero result. Else 0, or the negative errno that the kernel answers. */
int linux_sock_diag(struct nlmsghdr *request, size_t length,
                    int (*visit)(void *context, const struct nlmsghdr *message), void *context);

#endif
