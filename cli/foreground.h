/* foreground.h: standing in for a restored process, as if it were the command that was called. */
#ifndef RECAP_CLI_FOREGROUND_H
#define RECAP_CLI_FOREGROUND_H

#include <sys/types.h>

/* To be called before the process `pid`, a child, starts: from here on signals wait for
 * foreground_wait. If the process leads a process group of its own in the caller's session, that
 * becomes the terminal's foreground. */
void foreground_begin(pid_t pid);
/* Undoes that, when the process was not started after all. */
void foreground_cancel(void);
/* Passes signals on to the process until it ends; stops and goes on with it. Then ends as it did:
 * returns its exit status, or dies of the same signal. */
int foreground_wait(pid_t pid);

#endif
