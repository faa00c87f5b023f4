/* foreground.h: standing in for a restored process, as if it were the command that was called. */
#ifndef RECAP_CLI_FOREGROUND_H
#define RECAP_CLI_FOREGROUND_H

#include <signal.h>
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

/* The parts of it, for a caller that has more to wait for. */

enum foreground_state { FOREGROUND_RUNNING, FOREGROUND_STOPPED, FOREGROUND_ENDED };

/* The signals that wait: all but those that a program raises in itself, and those that speak of
 * us. */
void foreground_signals(sigset_t *set);
/* What became of the process since the last look; its wait status if it has ended. */
enum foreground_state foreground_look(pid_t pid, int *status);
/* Stops as the process did, until somebody lets us go on, and the process with us. */
void foreground_stop(pid_t pid);
/* Ends as a process with that wait status did. */
int foreground_end(int status);

#endif
