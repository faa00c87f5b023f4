/* launch.h: a program of its own for each client: recap is executed anew, so that nothing of core's
 * memory, arguments or environment is where its client could come at it. */
#ifndef RECAP_CORE_HOST_LAUNCH_H
#define RECAP_CORE_HOST_LAUNCH_H

#include "core/host/client.h"

/* The name of the command that the program is executed as. */
#define CORE_CLIENT_COMMAND "core-client"

/* In a process that core forked: leaves core behind and executes recap with the descriptors, which
 * have the order of enum core_client_descriptor (the task's place is filled in). If that fails, who
 * waits for it is told. */
_Noreturn void core_launch(struct core_client *client, const int descriptors[CORE_CLIENT_END]);
/* In the program that was executed: what it was launched for. 0; -ENOENT: core did not launch it.
 */
int core_launched(struct core_client *client);

#endif
