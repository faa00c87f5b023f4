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

/* --- badges/badges.c: identity ---------------------------------------------------------------- */

/* Where a capability that refers to the object can be found. An inner object has none. */
struct linux_home {
    pid_t pid; /* 0: fd is the caller's own */
    int fd;
};

struct linux_description;
/* The badge of a description that was just read, equal to an earlier one iff kcmp says so. */
int linux_badge_enter(struct linux_kernel *kernel, const struct linux_description *description,
                      recap_badge *badge, struct recap_error *error);
/* The same, reading first what it needs: what descriptor home.fd of home.pid refers to now.
 * -EBADF: nothing. */
int linux_badge_at(struct linux_kernel *kernel, struct linux_home home, recap_badge *badge,
                   struct recap_error *error);
/* Sockets, pipes and FIFOs only: the first known description with that inode after the one with
 * badge `after` (0: the first), or 0. Answers "is the other end inside" once all slots of all PDs
 * have been requested; costs per description of that inode. */
recap_badge linux_badge_with_inode(struct linux_kernel *kernel, uint64_t inode, recap_badge after);
/* The rights that a description gives: its access mode; 0 for an inner object. */
uint32_t linux_badge_rights(struct linux_kernel *kernel, recap_badge badge);
/* Whether the badge was entered while its PD was suspended, and the PD still is; or it is our own.
 */
bool linux_badge_is_still(struct linux_kernel *kernel, recap_badge badge);
/* The badge of an inner object, whose identity the kernel states as a kind and two numbers
 * (device and inode). `data` (may be NULL) is kept with it and freed with the kernel. */
int linux_badge_inner(struct linux_kernel *kernel, const char *kind, uint64_t major, uint64_t minor,
                      recap_badge *badge, struct recap_error *error);
/* Looks one up: its home, and for an inner object its kind and numbers (each may be NULL). */
int linux_badge_home(struct linux_kernel *kernel, recap_badge badge, struct linux_home *home);
bool linux_badge_is_inner(struct linux_kernel *kernel, recap_badge badge, const char **kind,
                          uint64_t *major, uint64_t *minor);
/* Something that a kind keeps with a badge between its own calls (the second descriptor of a pair
 * made at once): one pointer, freed by `release` with the badge. */
void linux_badge_keep(struct linux_kernel *kernel, recap_badge badge, void *data,
                      void (*release)(void *data));
/* What was kept with that `release`, which stands for its type: a badge that comes from outside may
 * be of any object. */
void *linux_badge_kept(struct linux_kernel *kernel, recap_badge badge, void (*release)(void *data));
/* A descriptor of our own for the object (close it): pidfd_getfd, checked by kcmp, or a dup. */
int linux_badge_fd(struct linux_kernel *kernel, recap_badge badge, int *fd,
                   struct recap_error *error);
/* Makes `fd`, a descriptor of our own, the home of its description, which is usually new (then so
 * is the badge). Takes the descriptor over, also when it fails. */
int linux_badge_own(struct linux_kernel *kernel, int fd, recap_badge *badge,
                    struct recap_error *error);
/* A new badge for an inner object that was just created (restore), with data kept as above. */
int linux_badge_made(struct linux_kernel *kernel, const char *kind, void *data,
                     void (*release)(void *data), recap_badge *badge, struct recap_error *error);
/* Lets go of every object that was created here: the components that they were made for have them
 * by now, and it is time for whoever else holds one to be gone. Their badges stay, and refer to
 * nothing that was made. 0 or a negative errno. */
int linux_badges_let_go(struct linux_kernel *kernel);
/* Walks the descriptions that have been entered since their PD may have changed; returns the first
 * for which `match` is true, or 0. */
recap_badge linux_badge_find(struct linux_kernel *kernel,
                             bool (*match)(void *context, recap_badge badge,
                                           struct linux_home home),
                             void *context);

/* --- objects/events/inotify.c
 * ------------------------------------------------------------------------ */

/* Sets the watches of what was restored, when nothing is left to do that they might report. */
int linux_watches_set(struct linux_kernel *kernel, struct recap_error *error);
void linux_watches_forget(struct linux_kernel *kernel);

/* --- batch/batch.c: remote system calls ------------------------------------------------------- */

/* A batch of system calls that a stopped thread of a suspended PD makes for us at one stop.
 *
 *     struct linux_batch *b = linux_batch_new(pd, 0);
 *     uint64_t old = linux_batch_put(b, NULL, sizeof(stack_t));
 *     size_t call = linux_batch_call(b, SYS_sigaltstack, 0, old);
 *     error = linux_batch_run(b, error) ?: linux_batch_check(b, call, "sigaltstack", error);
 *     stack_t *stack = linux_batch_data(b, old);
 *     linux_batch_free(b);
 *
 * Any number of calls and bytes: a batch that outgrows the foothold's page has it grow. Out of
 * memory is sticky and reported by linux_batch_run. */
struct linux_batch;

/* `thread` is an index into pd->threads. */
struct linux_batch *linux_batch_new(struct linux_pd *pd, size_t thread);
void linux_batch_free(struct linux_batch *batch);
/* Room for `length` bytes in the target, 16-byte aligned, filled from `data` or with zeros.
 * Returns its address there. */
uint64_t linux_batch_put(struct linux_batch *batch, const void *data, size_t length);
/* Appends a call with up to six arguments. Returns its index. */
#define linux_batch_call(batch, ...) linux_batch_call_(batch, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define linux_batch_call_(batch, nr, a, b, c, d, e, f, ...)                                        \
    linux_batch_append(batch, (long)(nr),                                                          \
                       (const uint64_t[6]){(uint64_t)(a), (uint64_t)(b), (uint64_t)(c),            \
                                           (uint64_t)(d), (uint64_t)(e), (uint64_t)(f)})
size_t linux_batch_append(struct linux_batch *batch, long number, const uint64_t arguments[6]);
/* The result of call `from` becomes argument `argument` (0 to 5) of the later call `to`. */
void linux_batch_chain(struct linux_batch *batch, size_t from, size_t to, int argument);
/* Sends a descriptor of ours into the target: appends the receiving calls; the number under which
 * it arrives becomes argument `argument` of every call named by linux_batch_use. `token` numbers
 * the descriptor within the batch. The target's copies are closed at the end of the batch. */
size_t linux_batch_send_fd(struct linux_batch *batch, int fd);
void linux_batch_use_fd(struct linux_batch *batch, size_t token, size_t call, int argument);
/* Says that the calls change nothing, so that they may be made twice. Those of many threads then go
 * faster: most have the same results as those of the first thread, if that has the same batch. */
void linux_batch_only_asks(struct linux_batch *batch);
/* Runs all calls in order; a failing call does not stop the others. */
int linux_batch_run(struct linux_batch *batch, struct recap_error *error);
/* Runs batches of different threads of one PD at the same time: all are started, then all are
 * waited for, so that 64 threads cost little more than one. */
int linux_batch_run_all(struct linux_batch *const *batches, size_t count,
                        struct recap_error *error);
/* What the call returned: a value or a negative errno. */
int64_t linux_batch_result(const struct linux_batch *batch, size_t call);
/* The bytes at an address that linux_batch_put gave, as they are after the run. */
const void *linux_batch_data(const struct linux_batch *batch, uint64_t address);
/* 0, or the call's negative errno with `error` filled with `what` ("setting the alternate stack").
 */
int linux_batch_check(const struct linux_batch *batch, size_t call, const char *what,
                      struct recap_error *error);

/* --- batch/foothold.c: stopping, and the way home --------------------------------------------- */

int linux_suspend(struct recap_pd *pd, struct recap_error *error);
int linux_resume(struct recap_pd *pd, struct recap_error *error);
/* Accepts NULL. */
void linux_foothold_free(struct linux_foothold *foothold);

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

/* --- pd.c, create.c: open, create, close; process/examine.c ----------------------------------- */

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
int linux_examine(struct recap_pd *pd, struct recap_refusals *refusals, struct recap_error *error);
int linux_destroy(struct recap_pd *pd, struct recap_error *error);
void linux_pd_close(struct recap_pd *pd);

/* --- memory/read.c, memory/map.c, memory/vdso.c ----------------------------------------------- */

int linux_regions(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                  struct recap_error *error);
int linux_read(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
               struct recap_error *error);
int linux_write(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
                struct recap_error *error);
int linux_map(struct recap_pd *pd, const struct recap_creation *creation,
              const struct recap_pd_image *image, int fd, struct recap_error *error);
int linux_load(struct recap_pd *pd, const struct recap_pd_image *image, int fd,
               struct recap_error *error);

/* Accepts NULL. */
void linux_waits_free(struct linux_waits *waits);

/* --- threads/threads.c, process/attributes.c -------------------------------------------------- */

int linux_threads(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                  struct recap_error *error);
int linux_threads_set(struct recap_pd *pd, const struct recap_graph *graph,
                      const struct recap_pd_image *image, struct recap_error *error);
int linux_attributes(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                     struct recap_error *error);
int linux_attributes_set(struct recap_pd *pd, const struct recap_creation *creation,
                         const struct recap_pd_image *image, struct recap_error *error);

/* --- objects/ --------------------------------------------------------------------------------- */

/* What is known of a description before its kind is: read by request for recognise, and for the
 * other functions of the kinds. */
struct linux_description {
    pid_t pid; /* where it was found; 0: ours */
    int fd;
    /* Of what it refers to. Complete when `link` starts with a slash; otherwise only the type in
     * st_mode (0 for anonymous inodes) and st_ino. */
    struct stat status;
    const char *link;    /* /proc/PID/fd/N */
    const char *fdinfo;  /* /proc/PID/fdinfo/N, whole */
    uint32_t open_flags; /* O_* as in fdinfo: access mode and status flags, no O_CLOEXEC */
    bool close_on_exec;  /* of the slot at `fd` */
    uint64_t mount;      /* mnt_id */
    /* Of a socket: what the kernel calls its protocol ("TCP", "UDPv6", "UNIX-STREAM", "UNIX" for
     * Unix datagrams and sequenced packets, "NETLINK"); otherwise NULL. */
    const char *protocol;
};

/* One kind of object: one file in objects/, one line in objects/kinds.c. */
struct linux_kind {
    const char *name; /* in the graph and in messages: "eventfd" */
    bool inner;       /* held by no selector: recognise and immutable do not apply */
    /* Whether a description is of this kind. The first kind in the table that says so has it. */
    bool (*recognise)(const struct linux_description *description);
    /* Fills object->label, external, state, content. `description` is NULL for an inner object.
     * kind is set. -EOPNOTSUPP as in kernel.h. */
    int (*describe)(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error);
    ssize_t (*content)(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error); /* may be NULL */
    int (*create)(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error);
    int (*tie)(struct linux_pd *pd, const struct recap_creation *creation,
               const struct recap_object *object, struct recap_error *error); /* may be NULL */
    /* 0 or -ESTALE: identity, not moving state. */
    int (*compare)(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error);
};

/* The kind of a description; never NULL: the last kind recognises everything and refuses it. */
const struct linux_kind *linux_kind_of(const struct linux_description *description);
/* By name (of an inner object, or from a graph), or NULL. */
const struct linux_kind *linux_kind_named(const char *name);

/* Reads what describe needs to know about the description at `home` (description_read.c); free with
 * linux_description_free. -EBADF: the selector is unused. */
int linux_description_read(struct linux_home home, struct linux_description **description,
                           struct recap_error *error);
void linux_description_free(struct linux_description *description);
/* "/proc/PID/fd/N" of it. Returns `path`. */
enum { LINUX_HOME_PATH = 64 };
const char *linux_home_path(struct linux_home home, char path[LINUX_HOME_PATH]);
/* A hash of what cannot change while the description lives: inode, mount, access mode, and the
 * numbers that only some kinds have. */
uint64_t linux_description_immutable(const struct linux_description *description);
/* Whether it is a socket, a pipe or a FIFO: what linux_badge_with_inode finds. */
bool linux_description_has_ends(const struct linux_description *description);

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
