/* mach.h: what the files of the GNU Mach backend share.
 *
 * Core is a task. It knows other tasks by the ports that the boot script gave it, and what it knows
 * of a port is its own name for it: Mach keeps one name per port and task, so equal names are equal
 * objects. That name is the badge. What has no name in core (a port to which nobody holds a send
 * right, a port set, a dead name, a send-once right that leads out of the PDs) has a local badge,
 * made of the PD and the name there.
 */
#ifndef RECAP_KERNEL_MACH_MACH_H
#define RECAP_KERNEL_MACH_MACH_H

#include "kernel/kernel.h"
#include <mach/mach_types.h>
#include <mach/message.h>

#define LOCAL_BADGE (UINT64_C(1) << 63)

/* A task that core knows. */
struct mach_pd {
    struct recap_pd pd; /* the only handle: a PD is opened once at a time */
    struct mach_pd *next;
    char name[64];
    mach_port_t task;
    bool open;
    bool suspended;       /* by core */
    bool created;         /* by core, and not resumed yet */
    unsigned *held;       /* created: how often each of `threads` is to stay suspended */
    mach_port_t *threads; /* created: in the order of their ids */
    size_t thread_count;
    mach_port_name_t *names; /* a walk's: ascending */
    size_t name_count;
};

/* Where a port's receive right is. */
struct mach_place {
    recap_badge badge;
    struct mach_pd *pd;
    mach_port_name_t name;
};

struct mach_places {
    struct mach_place *items;
    size_t count, capacity;
};

struct mach_kernel {
    struct recap_kernel kernel;
    mach_port_t host, device, kernel_task;
    struct mach_pd *pds;
    size_t open_count;
    char release[128];
    unsigned char *kept; /* by name: whether core keeps a right for a badge */
    size_t kept_size;
    struct mach_places receivers; /* of ports, in PDs that are open */
    bool receivers_known;
    struct mach_places borrowed; /* receive rights that core took for a moment: name is core's */
    struct recap_arena *still;   /* what was read of queues while everything stood still, or NULL */
    struct mach_queue *queues;   /* in it */
};

/* What was waiting in a port. */
struct mach_queue {
    struct mach_queue *next;
    struct mach_pd *pd;
    mach_port_name_t name;
    const char *refusal;          /* why its messages cannot be restored, or NULL */
    struct recap_value *messages; /* a list; objects are badges */
};

/* Fails with what the kernel said. */
int mach_fail(struct recap_error *error, kern_return_t why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int mach_errno(kern_return_t why);

static inline struct mach_kernel *mach_of(struct recap_kernel *kernel)
{
    return (struct mach_kernel *)kernel;
}

static inline struct mach_pd *mach_pd_of(struct recap_pd *pd)
{
    return (struct mach_pd *)pd;
}

/* --- mach.c --- */

struct mach_pd *mach_find_id(struct mach_kernel *mach, uint64_t id);
struct mach_pd *mach_find_task(struct mach_kernel *mach, mach_port_t task);
struct mach_pd *mach_find_name(struct mach_kernel *mach, const char *name, size_t length);
/* A PD that core knows from now on; id 0: the next free one. NULL without memory. */
struct mach_pd *mach_add(struct mach_kernel *mach, uint64_t id, const char *name, mach_port_t task);

/* --- ports.c: what core knows of ports --- */

recap_badge mach_local_badge(const struct mach_pd *pd, mach_port_name_t name);
/* Takes over the one right `name` that core was just given: it keeps one of each. */
int mach_keep(struct mach_kernel *mach, mach_port_t name, struct recap_error *error);
/* Gives back all rights that core kept for badges. */
void mach_forget(struct mach_kernel *mach);
/* The badge of what `name` is in `pd`, whose type is `type`. */
int mach_badge(struct mach_pd *pd, mach_port_name_t name, mach_port_type_t type, recap_badge *badge,
               struct recap_error *error);
/* Where the receive right of the port is among the open PDs. False: outside. */
bool mach_receiver(struct mach_kernel *mach, recap_badge badge, struct mach_place *place);
int mach_note(struct mach_places *places, recap_badge badge, struct mach_pd *pd,
              mach_port_name_t name);
void mach_unnote(struct mach_places *places, const struct mach_pd *pd, mach_port_name_t name);
/* The badge of the port to which the send-once right `name` of `task` leads, or 0: not into the
 * open PDs. */
int mach_follow(struct mach_kernel *mach, mach_port_t task, mach_port_name_t name,
                recap_badge *badge, struct recap_error *error);
/* The receive right was taken to core, under that badge, or is there no longer (0). */
void mach_borrow(struct mach_kernel *mach, mach_port_t port, recap_badge badge);
/* A send-once right to the port, which core holds and the caller gives away. */
int mach_make_once(struct mach_kernel *mach, recap_badge badge, mach_port_t *once,
                   struct recap_error *error);
/* All names of `pd` with their types; free with mach_names_free. */
struct mach_names {
    mach_port_name_t *names;
    mach_port_type_t *types;
    mach_msg_type_number_t count, type_count;
};
int mach_names(mach_port_t task, struct mach_names *names, struct recap_error *error);
void mach_names_free(struct mach_names *names);

/* --- the operations, by file --- */

int mach_request(struct recap_pd *pd, recap_selector selector, struct recap_cap *cap,
                 recap_selector *next, struct recap_error *error);
void mach_forget_names(struct mach_pd *pd);
int mach_install(struct recap_pd *pd, recap_selector selector, const struct recap_cap *cap,
                 struct recap_error *error);
int mach_remove(struct recap_pd *pd, recap_selector selector, struct recap_error *error);

int mach_describe(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
                  struct recap_object *object, struct recap_error *error);
int mach_label(struct recap_kernel *kernel, recap_badge badge, struct recap_arena *arena,
               const char **label, struct recap_error *error);
int mach_create(struct recap_kernel *kernel, const struct recap_creation *creation, uint64_t id,
                recap_badge *badge, struct recap_error *error);
int mach_tie(struct recap_pd *pd, const struct recap_creation *creation, uint64_t id,
             struct recap_error *error);
int mach_compare(struct recap_kernel *kernel, recap_badge badge, const struct recap_graph *graph,
                 uint64_t id, struct recap_error *error);
int mach_bind(struct recap_kernel *kernel, const char *spec, uint32_t rights, recap_badge *badge,
              struct recap_error *error);

int mach_regions(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                 struct recap_error *error);
int mach_read(struct recap_pd *pd, uint64_t address, void *buffer, size_t size,
              struct recap_error *error);
int mach_write(struct recap_pd *pd, uint64_t address, const void *buffer, size_t size,
               struct recap_error *error);
int mach_map(struct recap_pd *pd, const struct recap_creation *creation,
             const struct recap_pd_image *image, int fd, struct recap_error *error);
/* Gives the regions of `image` their protection, which filling them had to do without. */
int mach_protect(struct mach_pd *pd, const struct recap_pd_image *image, struct recap_error *error);
/* Adds a refusal for each region that cannot be restored. */
int mach_examine_memory(struct mach_pd *pd, struct recap_refusals *refusals,
                        struct recap_error *error);

int mach_threads(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                 struct recap_error *error);
int mach_threads_set(struct recap_pd *pd, const struct recap_graph *graph,
                     const struct recap_pd_image *image, struct recap_error *error);
/* Brings every thread of a suspended task out of the kernel, such that it enters it again. */
int mach_settle(struct mach_pd *pd, struct recap_error *error);
/* Loads the floating-point registers of a thread of a created PD from their FNSAVE layout. */
int mach_load_float(struct mach_pd *pd, mach_port_t thread, const void *state,
                    struct recap_error *error);
/* The threads in the order of their ids; core keeps their ports. */
int mach_thread_list(struct mach_pd *pd, mach_port_t **threads, size_t *count,
                     struct recap_error *error);

int mach_pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                 struct recap_error *error);
int mach_pd_create(struct recap_kernel *kernel, const struct recap_graph *graph,
                   const struct recap_pd_image *plan, struct recap_pd **pd,
                   struct recap_error *error);
int mach_examine(struct recap_pd *pd, struct recap_refusals *refusals, struct recap_error *error);
int mach_suspend(struct recap_pd *pd, struct recap_error *error);
int mach_resume(struct recap_pd *pd, struct recap_error *error);
int mach_destroy(struct recap_pd *pd, struct recap_error *error);
void mach_pd_close(struct recap_pd *pd);
int mach_attributes(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                    struct recap_error *error);
int mach_attributes_set(struct recap_pd *pd, const struct recap_creation *creation,
                        const struct recap_pd_image *image, struct recap_error *error);

/* still.c: queues, while everything stands still: once after the last PD was suspended. */
int mach_still(struct mach_kernel *mach, struct recap_error *error);
void mach_still_over(struct mach_kernel *mach);
const struct mach_queue *mach_queue(const struct mach_kernel *mach, const struct mach_pd *pd,
                                    mach_port_name_t name);

/* The task's ports that core was started with, by the words of the boot script. */
int mach_open(int count, char *const *words, struct recap_kernel **kernel,
              struct recap_error *error);
/* What the boot script gave core to reach the serial line with. */
mach_port_t mach_device_master(const struct recap_kernel *kernel);

#endif
