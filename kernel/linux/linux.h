/* linux.h: what the files of the Linux backend share.
 *
 * PDs are processes, selectors are descriptor numbers, objects are open file descriptions and, as
 * "inner" objects, what several descriptions share (a pipe, a pseudo-terminal, a mapped file).
 */
#ifndef RECAP_KERNEL_LINUX_LINUX_H
#define RECAP_KERNEL_LINUX_LINUX_H

#include "kernel/kernel.h"
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>

struct linux_badges;   /* badges/badges.c */
struct linux_census;   /* objects/outside.c */
struct linux_foothold; /* batch/foothold.c */
struct linux_walk;     /* native_pd.c */
struct linux_waits;    /* threads/waits_look.c */

struct linux_kernel {
    struct recap_kernel base;
    struct linux_badges *badges;
    char *release;
    /* Counts what may change the capability space of a PD that is or was suspended: each suspend,
     * resume, install and remove adds one. What was read of a suspended PD holds as long as this
     * stays the same. */
    uint64_t moment;
    struct rlimit room_before; /* room.c: our limit on open files, if it was raised */
    bool room_made;
    struct linux_pd *opened;             /* all PDs that are open, by next_opened */
    struct linux_pd *born;               /* the PDs made here that are open, by next_born */
    struct linux_census *census;         /* objects/outside.c; NULL while nothing asked */
    struct linux_watch_due *watches_due; /* objects/events/inotify.c: for when a made PD starts */
    /* Set when restore had to enter namespaces of its own to choose PIDs (namespace.c). */
    bool own_namespace;
    gid_t *groups; /* the caller's supplementary groups, as they are outside such namespaces */
    int group_count;
    pid_t namespace_first; /* its first process, which is ours to reap */
    bool namespace_kept;   /* it outlives us */
    int lifeline;          /* socket to it */
    int own_proc;          /* its /proc, which is not in its place yet, or -1 */
    bool proc_is_outside;  /* it could have none */
    /* Set when restore had to enter a time namespace (clocks.c): by how much, and the one before.
     */
    int64_t clocks_moved_ns;
    int time_before;
    int nowhere; /* the root of a file system without a place (objects/sockets/nowhere.h), or -1 */
};

struct linux_thread {
    pid_t tid;  /* in the caller's PID namespace */
    pid_t vtid; /* in the component's own */
    bool seized;
    bool stopped;
    /* How the thread was when it stopped: what it is resumed with. Valid while stopped.
     * `home` is what a tracer-less thread would go on with: see batch/foothold.h. */
    struct linux_registers *home;
};

struct linux_pd {
    struct recap_pd base;
    struct linux_kernel *kernel;
    pid_t pid;  /* in the caller's PID namespace */
    pid_t vpid; /* in the component's own */
    pid_t task; /* whom of its threads the kernel is asked about (task.c), in the caller's */
    int pidfd;
    int proc;                     /* /proc/TASK, opened O_PATH */
    struct linux_thread *threads; /* of a suspended PD; [0] is `task` */
    size_t thread_count;
    bool suspended;
    bool placed;         /* the look saw a memory policy: memory/placement.c */
    bool locks_later;    /* what we mapped in it became locked (mlockall): memory/probe.c */
    bool created;        /* by pd_create, and not resumed yet: dies with us */
    bool own_parent;     /* created by us: we are its parent and have to reap it */
    bool has_relatives;  /* process/attributes.c: somebody to wait for */
    bool begins_stopped; /* of a created one: by SIGSTOP */
    bool new_terminal;   /* and: holds another terminal than the image's process did */
    struct linux_foothold *foothold;
    struct linux_pd *next_opened;
    struct linux_pd *next_born;
    struct linux_walk *walk;   /* native_pd.c; linux_pd_close calls linux_walk_free */
    struct linux_waits *waits; /* threads/waits_look.c; linux_pd_close calls linux_waits_free */
};

static inline struct linux_kernel *linux_kernel(struct recap_kernel *kernel)
{
    return (struct linux_kernel *)kernel;
}

static inline struct linux_pd *linux_pd(struct recap_pd *pd)
{
    return (struct linux_pd *)pd;
}

/* --- procfs.c: reading /proc/PID -------------------------------------------------------------- */

/* Reads a whole file below `directory` (an O_PATH descriptor of /proc/PID) into fresh,
 * NUL-terminated memory that the caller frees; `length` may be NULL. 0 or a negative errno. */
int linux_procfs_read(int directory, const char *path, char **text, size_t *length);
/* The same into a caller's buffer, for hot paths: the length (text is NUL-terminated, truncation
 * is -EOVERFLOW) or a negative errno. */
ssize_t linux_procfs_read_into(int directory, const char *path, char *buffer, size_t size);
/* Whether a failure says that the process or thread has ended. Any other one, as for want of a
 * descriptor, says nothing of it: what is passed over then would be missing in the image. */
bool linux_procfs_gone(int code);
/* Whether it says that the caller may not look at the process (/proc mounted with hidepid). */
bool linux_procfs_hidden(int code);
/* The next entry of a directory, NULL at its end: 0 or a negative errno. */
int linux_procfs_next(DIR *directory, struct dirent **entry);
/* The target of a link below it, NUL-terminated, into `buffer`: the length or a negative errno. */
ssize_t linux_procfs_link(int directory, const char *path, char *buffer, size_t size);
/* As sscanf, for one entry of a long text: sscanf itself measures all of the text first, so that
 * reading entry by entry would cost the square of its length. An entry is at most 500 bytes. */
int linux_procfs_scan(const char *entry, const char *format, ...)
    __attribute__((format(scanf, 2, 3)));
/* The value after "NAME:\t" in a status or fdinfo text: a pointer into it, or NULL. */
const char *linux_procfs_field(const char *text, const char *name);

/* --- task.c ----------------------------------------------------------------------------------- */

/* Sees to it that pd->task is a thread that has not ended. -ESRCH: all have. */
int linux_task_find(struct linux_pd *pd);
/* A descriptor of our own for descriptor `number` of the process that thread `task` is of, or a
 * negative errno. */
int linux_task_descriptor(pid_t task, int number);

/* --- native_pd.c ------------------------------------------------------------------------------ */

/* The rights that O_* flags permit. */
uint32_t linux_rights_of(uint32_t open_flags);
/* Accepts NULL. */
void linux_walk_free(struct linux_walk *walk);
int linux_request(struct recap_pd *pd, recap_selector selector, struct recap_cap *cap,
                  recap_selector *next, struct recap_error *error);
int linux_install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                  struct recap_error *error);
int linux_install_many(struct recap_pd *pd, const recap_selector *selectors,
                       const struct recap_cap *caps, size_t count, struct recap_error *error);
int linux_remove(struct recap_pd *pd, recap_selector selector, struct recap_error *error);

/* --- pd.c, create.c: open, create, close ----------------------------------- */

int linux_pd_list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                  struct recap_error *error);
int linux_pd_name(struct recap_kernel *kernel, uint64_t id, char *name, size_t size,
                  struct recap_error *error);
int linux_pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                  struct recap_error *error);
int linux_pd_create(struct recap_kernel *kernel, const struct recap_graph *graph,
                    const struct recap_pd_image *plan, struct recap_pd **pd,
                    struct recap_error *error);
/* The process that was made here to be `vpid` of its own PID namespace, or 0. */
pid_t linux_pd_born(const struct linux_kernel *kernel, pid_t vpid);
int linux_destroy(struct recap_pd *pd, struct recap_error *error);
void linux_pd_close(struct recap_pd *pd);

/* --- descriptions.c, binding.c --- */

int linux_describe(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                   struct recap_object *object, struct recap_error *error);
int linux_label(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                const char **label, struct recap_error *error);
ssize_t linux_content(struct recap_kernel *kernel, recap_badge badge, uint64_t offset, void *buffer,
                      size_t size, struct recap_error *error);
int linux_create(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
                 recap_badge *badge, struct recap_error *error);
int linux_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
              struct recap_error *error);
int linux_compare(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                  uint64_t id, struct recap_error *error);
/* binding.c */
int linux_bind(struct recap_kernel *kernel, const char *spec, uint32_t rights, recap_badge *badge,
               struct recap_error *error);
int linux_local(struct recap_kernel *kernel, recap_badge badge, int *fd, struct recap_error *error);
int linux_adopt(struct recap_kernel *kernel, int fd, recap_badge *badge, struct recap_error *error);

#endif
