/* examine.h: the parts of examine. */
#ifndef RECAP_KERNEL_LINUX_PROCESS_EXAMINE_H
#define RECAP_KERNEL_LINUX_PROCESS_EXAMINE_H

#include "kernel/linux/linux.h"
#include "kernel/linux/process/process.h"

struct linux_examine {
    struct linux_pd *pd;
    struct recap_refusals *refusals;
    struct recap_error *error;
};

/* Each adds what it finds to the refusals and returns 0, or a negative errno. */

/* examine_namespaces.c: another view of the system than recap has. */
int linux_examine_namespaces(struct linux_examine *examine);
/* examine_threads.c: threads that differ in what a process otherwise shares, or cannot be made. */
int linux_examine_threads(struct linux_examine *examine);
/* examine_semaphores.c: semaphores that its end would change. */
int linux_examine_semaphores(struct linux_examine *examine);
/* examine_relatives.c: children, and processes that share memory or descriptors with it. */
int linux_examine_relatives(struct linux_examine *examine);

/* Whether everything is mounted where the process is as it is mounted here, but for a /proc of its
 * own (same_mounts.c). */
bool linux_examine_same_mounts(const struct linux_pd *pd);

/* examine_tracing.c: those that it traces, where it seems or (surely) is known to trace some. */
int linux_examine_tracing(struct linux_examine *examine, bool surely);

/* Of a suspended process that has children or traces others: fills the error with which. Returns
 * its code. */
int linux_relatives_say(struct linux_pd *pd, struct recap_error *error);

/* examine.c, for those: what a process or thread calls itself (empty if that cannot be read); the
 * number after a field of a status text, 0 without one. */
enum { LINUX_NAME_ROOM = 64 };
void linux_examine_name(int directory, const char *path, char name[LINUX_NAME_ROOM]);
long linux_examine_number(const char *status, const char *field);
/* Fills the error for a negative errno; passes 0 on. */
int linux_examine_say(struct linux_examine *examine, int result);

#endif
