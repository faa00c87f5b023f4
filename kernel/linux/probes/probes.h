/* probes.h: what this kernel lets this user do, found by doing it.
 *
 * Each probe acts on processes that it makes itself and leaves nothing behind.
 */
#ifndef RECAP_KERNEL_LINUX_PROBES_PROBES_H
#define RECAP_KERNEL_LINUX_PROBES_PROBES_H

#include <stddef.h>
#include <sys/types.h>

enum linux_answer {
    LINUX_YES,
    LINUX_NO,
};

/* How much hangs on it. */
enum linux_weight {
    LINUX_NEEDED, /* without it checkpoint or restore do not work at all */
    LINUX_WANTED, /* without it something is refused, or done another way */
};

struct linux_probe {
    const char *name;    /* "pidfd_getfd" */
    const char *purpose; /* what it is for */
    const char *without; /* what is so without it */
    enum linux_weight weight;
    /* `child` is a process of ours that sleeps, traced by the caller and stopped. `detail` gets a
     * short text (a size, an errno's text) or stays empty. */
    enum linux_answer (*probe)(pid_t child, char *detail, size_t size);
};

extern const struct linux_probe linux_probes[];
extern const size_t linux_probe_count;

/* Makes and ends the child that probes act on. */
int linux_probe_child(pid_t *child);
void linux_probe_end(pid_t child);

/* The answer of a probe whose call gave `result`: its errno's text is the detail of a no. */
enum linux_answer linux_probe_answer(long result, char *detail, size_t size);

/* reach.c: reaching into processes. */
enum linux_answer linux_probe_trace_child(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_trace_own(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_trace_all(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_getfd(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_kcmp(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_read(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_write(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_vdso(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_xsave(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_rseq(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_pagemap(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_map_files(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_unix_diag(pid_t child, char *detail, size_t size);

/* remake.c: making processes anew. */
enum linux_answer linux_probe_mm_map(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_set_tid(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_capability(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_namespace(pid_t child, char *detail, size_t size);
enum linux_answer linux_probe_timer_ids(pid_t child, char *detail, size_t size);

#endif
