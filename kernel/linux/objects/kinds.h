/* kinds.h: what a kind of object is, and which there are: one file each. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_KINDS_H
#define RECAP_KERNEL_LINUX_OBJECTS_KINDS_H

#include "kernel/linux/badges/badges.h"
#include "kernel/linux/linux.h"
#include <sys/stat.h>

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

extern const struct linux_kind linux_kind_regular;
extern const struct linux_kind linux_kind_directory;
extern const struct linux_kind linux_kind_path;
extern const struct linux_kind linux_kind_device;
extern const struct linux_kind linux_kind_terminal;
extern const struct linux_kind linux_kind_pty;
extern const struct linux_kind linux_kind_pipe_end;
extern const struct linux_kind linux_kind_pipe;
extern const struct linux_kind linux_kind_unix;
extern const struct linux_kind linux_kind_tcp;
extern const struct linux_kind linux_kind_udp;
extern const struct linux_kind linux_kind_netlink;
extern const struct linux_kind linux_kind_eventfd;
extern const struct linux_kind linux_kind_epoll;
extern const struct linux_kind linux_kind_timerfd;
extern const struct linux_kind linux_kind_signalfd;
extern const struct linux_kind linux_kind_inotify;
extern const struct linux_kind linux_kind_memfd;
extern const struct linux_kind linux_kind_pidfd;
extern const struct linux_kind linux_kind_ended_process;
extern const struct linux_kind linux_kind_shared_memory;
extern const struct linux_kind linux_kind_mapped_file;
extern const struct linux_kind linux_kind_removed_directory;
extern const struct linux_kind linux_kind_unknown;

/* A label for any description, from what the kernel calls it (unknown.c). */
const char *linux_unknown_label(const struct linux_description *description,
                                struct recap_arena *arena);

/* --- events/inotify.c --- */

/* Sets the watches of what was restored, when nothing is left to do that they might report. */
int linux_watches_set(struct linux_kernel *kernel, struct recap_error *error);
void linux_watches_forget(struct linux_kernel *kernel);

#endif
