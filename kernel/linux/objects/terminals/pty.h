/* pty.h: pseudo-terminals whose both ends are inside. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_TERMINALS_PTY_H
#define RECAP_KERNEL_LINUX_OBJECTS_TERMINALS_PTY_H

#include "kernel/linux/linux.h"

/* The badge of the master of /dev/pts/`index`, if a known selector holds it; else 0. */
recap_badge linux_pty_master(struct linux_kernel *kernel, unsigned index);
/* A description of the terminal end of a master that create made. */
int linux_pty_open(struct linux_kernel *kernel, recap_badge master, int flags, int *fd,
                   struct recap_error *error);
/* A terminal whose master is closed. */
int linux_pty_hung_up(int flags, int *fd, struct recap_error *error);

#endif
