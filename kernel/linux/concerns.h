/* concerns.h: the state of threads and processes, one concern per file.
 *
 * Reading has two steps, so that one batch per thread serves all concerns: *_ask appends remote
 * calls, and *_record, after the run, writes their answers into a state. Setting always compares:
 * the new process is read by the same code (`have`), and only what differs from the image (`want`)
 * is set, so that nothing asks for a privilege that it does not need.
 *
 * Answers (and so states of live processes) are trusted; what comes from an image is not.
 */
#ifndef RECAP_KERNEL_LINUX_CONCERNS_H
#define RECAP_KERNEL_LINUX_CONCERNS_H

#include "kernel/linux/linux.h"

/* One thread that is being read. */
struct linux_reading {
    struct linux_pd *pd;
    size_t thread; /* index into pd->threads */
    struct recap_arena *arena;
    struct linux_batch *batch;
    const char *status; /* /proc/PID/task/TID/status */
};

/* --- batch/steps.c: batches whose calls all have to succeed ----------------------------------- */

struct linux_steps;

struct linux_steps *linux_steps_new(struct linux_pd *pd, size_t thread);
/* Accepts NULL. */
void linux_steps_free(struct linux_steps *steps);
/* The same for __attribute__((cleanup)). */
static inline void linux_steps_clear(struct linux_steps **steps)
{
    linux_steps_free(*steps);
}
/* For linux_batch_put and what else a batch can. */
struct linux_batch *linux_steps_batch(struct linux_steps *steps);
/* Appends a call that has to succeed; `what` is said when it does not ("setting the user ids") and
 * lives as long as the steps. Returns its index in the batch. */
#define linux_step(steps, what, ...) linux_step_(steps, what, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define linux_step_(steps, what, nr, a, b, c, d, e, f, ...)                                        \
    linux_steps_append(steps, what, (long)(nr),                                                    \
                       (const uint64_t[6]){(uint64_t)(a), (uint64_t)(b), (uint64_t)(c),            \
                                           (uint64_t)(d), (uint64_t)(e), (uint64_t)(f)})
size_t linux_steps_append(struct linux_steps *steps, const char *what, long number,
                          const uint64_t arguments[6]);
/* Makes `fd`, a descriptor of ours that it takes over, argument `argument` of call `call`. */
void linux_steps_send(struct linux_steps *steps, int fd, size_t call, int argument);
/* Runs the steps of different threads at the same time (without a stop for those that have none).
 * The first failing call fills `error`. */
int linux_steps_run(struct linux_steps *const *steps, size_t count, struct recap_error *error);

/* --- threads/threads.c ------------------------------------------------------------------------ */

/* Reads the state of every thread of a suspended PD: states[i] is a fresh record for
 * pd->threads[i]. The registers are not in it. */
int linux_thread_states(struct linux_pd *pd, struct recap_arena *arena, struct recap_value **states,
                        struct recap_error *error);

/* --- process/attributes.c --------------------------------------------------------------------- */

/* The same for the process as a whole. */
int linux_process_state(struct linux_pd *pd, struct recap_arena *arena, struct recap_value **state,
                        struct recap_error *error);
/* Before the pause: refuses what linux_attributes and linux_threads could not carry. */
int linux_concerns_examine(struct linux_pd *pd, struct recap_refusals *refusals,
                           struct recap_error *error);

/* --- process/traits.c: what prctl and its kin read and set as one number ---------------------- */

enum linux_trait_level {
    LINUX_TRAIT_THREAD,
    LINUX_TRAIT_AFTER_CREDENTIALS, /* of a thread, and lost when its credentials change */
    LINUX_TRAIT_PROCESS,
    LINUX_TRAIT_DUMPABLE, /* of the process, but set last: it ends the tracer's rights */
};

struct linux_traits {
    size_t first_call;
    uint64_t words; /* remote address of one word for each */
};

void linux_traits_ask(const struct linux_reading *reading, enum linux_trait_level level,
                      struct linux_traits *asked);
void linux_traits_record(const struct linux_reading *reading, enum linux_trait_level level,
                         const struct linux_traits *asked, struct recap_value *state);
int linux_traits_set(struct linux_steps *steps, enum linux_trait_level level,
                     const struct recap_value *want, const struct recap_value *have,
                     struct recap_error *error);

/* --- threads/user_areas.c: what the kernel knows of a thread's own memory --------------------- */

struct linux_user_areas {
    uint64_t stack;
    size_t stack_call;
};

void linux_user_areas_ask(const struct linux_reading *reading, struct linux_user_areas *asked);
int linux_user_areas_record(const struct linux_reading *reading,
                            const struct linux_user_areas *asked, struct recap_value *state,
                            struct recap_error *error);
int linux_user_areas_set(struct linux_steps *steps, const struct recap_value *want,
                         const struct recap_value *have, struct recap_error *error);

/* Syscall user dispatch, which would catch remote calls too: the last thing to be set. */
int linux_dispatch_set(const struct linux_thread *thread, const struct recap_value *want,
                       struct recap_error *error);

/* --- memory/placement.c (thread): on which memory nodes its new pages come to lie --------------
 */

struct linux_placement {
    size_t call;
    uint64_t answer;
};

void linux_placement_ask(const struct linux_reading *reading, struct linux_placement *asked);
void linux_placement_record(const struct linux_reading *reading,
                            const struct linux_placement *asked, struct recap_value *state);
int linux_placement_set(struct linux_steps *steps, const struct recap_value *want,
                        const struct recap_value *have, struct recap_error *error);

/* --- threads/registers.c (thread) ------------------------------------------------------------- */

/* The component of the extended registers that the processor has for matrices, and that a process
 * needs leave for. */
enum { LINUX_TILE_DATA = 18 };

int linux_registers_record(const struct linux_thread *thread, const void *general,
                           size_t general_length, struct recap_arena *arena,
                           struct recap_thread *into, struct recap_error *error);
/* Adds to the process's state how the extended registers of its threads are laid out. */
void linux_processor_record(const struct recap_thread *thread, struct recap_arena *arena,
                            struct recap_value *state);
/* Sets the extended registers; the general ones are set when the thread goes on. */
int linux_registers_set(const struct linux_thread *thread, const struct recap_thread *image,
                        const struct recap_value *attributes, struct recap_error *error);

/* --- threads/ports.c (thread) ----------------------------------------------------------------- */

/* Refuses a stopped thread that may use ports of the processor. */
int linux_ports_examine(const struct linux_pd *pd, const struct linux_thread *thread,
                        struct recap_error *error);

/* --- threads/scheduling.c (thread) ------------------------------------------------------------ */

/* How many processors there are. It takes the kernel a while to say so the first time. */
int linux_processors(void);
int linux_scheduling_record(const struct linux_reading *reading, struct recap_value *state,
                            struct recap_error *error);
/* From outside; after the limits are set. */
int linux_scheduling_set(const struct linux_thread *thread, const struct recap_value *want,
                         const struct recap_value *have, struct recap_error *error);

/* --- process/credentials.c, process/credentials_set.c (thread) -------------------------------- */

struct linux_credentials {
    size_t securebits_call;
    size_t keyring_call; /* of two */
};

void linux_credentials_ask(const struct linux_reading *reading, struct linux_credentials *asked);
int linux_credentials_record(const struct linux_reading *reading,
                             const struct linux_credentials *asked, struct recap_value *state,
                             struct recap_error *error);
int linux_credentials_set(struct linux_steps *steps, const struct recap_value *want,
                          const struct recap_value *have, const struct linux_kernel *kernel,
                          struct recap_error *error);

/* --- threads/signals.c, threads/signals_set.c ------------------------------------------------- */

struct linux_actions {
    size_t first_call;
    uint64_t actions;
};

void linux_actions_ask(const struct linux_reading *reading, struct linux_actions *asked);
void linux_actions_record(const struct linux_reading *reading, const struct linux_actions *asked,
                          struct recap_value *state);
int linux_actions_set(struct linux_steps *steps, const struct recap_value *want,
                      const struct recap_value *have, struct recap_error *error);
/* Signals that wait for the thread, or (shared) for the process. */
int linux_pending_record(const struct linux_reading *reading, bool shared,
                         struct recap_value *state, struct recap_error *error);
int linux_pending_set(struct linux_steps *steps, const struct linux_pd *pd, size_t thread,
                      bool shared, const struct recap_value *want, struct recap_error *error);

/* --- process/timers.c, process/timers_set.c (process) ----------------------------------------- */

struct linux_timers {
    size_t interval_call; /* of three */
    uint64_t interval;
    size_t first_call; /* two per timer: gettime, getoverrun */
    uint64_t times;
    struct linux_timer *list; /* by ascending id */
    size_t count;
};

int linux_timers_ask(const struct linux_reading *reading, struct linux_timers *asked,
                     struct recap_error *error);
int linux_timers_record(const struct linux_reading *reading, const struct linux_timers *asked,
                        struct recap_value *state, struct recap_error *error);
void linux_timers_clear(struct linux_timers *asked);
int linux_timers_set(struct linux_pd *pd, const struct recap_value *want,
                     struct recap_error *error);
int linux_timers_examine(struct linux_pd *pd, struct recap_refusals *refusals,
                         struct recap_error *error);

/* --- process/limits.c (process) --------------------------------------------------------------- */

struct linux_limits {
    size_t first_call;
    uint64_t limits;
};

void linux_limits_ask(const struct linux_reading *reading, struct linux_limits *asked);
int linux_limits_record(const struct linux_reading *reading, const struct linux_limits *asked,
                        struct recap_value *state, struct recap_error *error);
int linux_limits_set(struct linux_steps *steps, const struct recap_value *want,
                     const struct recap_value *have, struct recap_error *error);

/* --- process/places.c (process): working and root directory, program file, umask -------------- */

int linux_places_record(const struct linux_reading *reading, struct recap_value *state,
                        struct recap_error *error);
int linux_places_set(struct linux_steps *steps, struct linux_kernel *kernel,
                     const struct recap_creation *creation, const struct recap_value *want,
                     const struct recap_value *have, struct recap_error *error);
/* A descriptor (O_PATH) for the place `name` of `want`, if what is there is what was; the caller
 * closes it. */
int linux_place_open(struct linux_kernel *kernel, const struct recap_creation *creation,
                     const struct recap_value *want, const char *name, int flags, int *fd,
                     struct recap_error *error);
int linux_places_examine(struct linux_pd *pd, struct recap_refusals *refusals,
                         struct recap_error *error);

/* --- memory/layout.c (process): what the kernel says about the address space in /proc --------- */

struct linux_layout {
    size_t brk_call;
};

/* Where field `field` (counted as proc(5) does) of a /proc/PID/stat begins, or NULL. */
const char *linux_stat_field(const char *stat, int field);
void linux_layout_ask(const struct linux_reading *reading, struct linux_layout *asked);
int linux_layout_record(const struct linux_reading *reading, const struct linux_layout *asked,
                        const char *stat, struct recap_value *state, struct recap_error *error);
int linux_layout_set(struct linux_pd *pd, const struct recap_creation *creation,
                     const struct recap_value *want, struct recap_error *error);

/* --- memory/barriers.c (process): registrations with membarrier(2) -----------------------------
 */

struct linux_barriers {
    size_t registered_call, known_call;
};

void linux_barriers_ask(const struct linux_reading *reading, struct linux_barriers *asked);
void linux_barriers_record(const struct linux_reading *reading, const struct linux_barriers *asked,
                           struct recap_value *state);
void linux_barriers_set(struct linux_steps *steps, const struct recap_value *want);

/* --- process/segments.c (process): the local descriptor table ----------------------------------
 */

struct linux_segments {
    size_t any_call;
};

void linux_segments_ask(const struct linux_reading *reading, struct linux_segments *asked);
int linux_segments_record(const struct linux_reading *reading, const struct linux_segments *asked,
                          struct recap_value *state, struct recap_error *error);
int linux_segments_set(struct linux_steps *steps, const struct recap_value *want,
                       struct recap_error *error);

/* --- process/session.c (process) -------------------------------------------------------------- */

int linux_session_record(const struct linux_reading *reading, const char *stat,
                         struct recap_value *state, struct recap_error *error);
/* Adds to the recorded session the selector at which its controlling terminal is held. */
void linux_session_find_terminal(struct linux_pd *pd, const struct recap_graph *graph,
                                 const struct recap_pd_image *image, struct recap_arena *arena,
                                 struct recap_value *state);
int linux_session_set(struct linux_pd *pd, const struct recap_creation *creation,
                      const struct recap_pd_image *image, const struct recap_value *want,
                      struct recap_error *error);

/* --- threads/first_ended.c -------------------------------------------------------------------- */

int linux_first_ended_record(const struct linux_pd *pd, struct recap_arena *arena,
                             struct recap_value *state, struct recap_error *error);
/* Whether the first thread of the image's process had ended. */
bool linux_first_ended(const struct recap_value *attributes);
/* Ends that of a created process, when the others are there. */
int linux_first_ended_set(struct linux_pd *pd, const struct recap_value *attributes,
                          struct recap_error *error);

/* --- process/group_stop.c (process): stopped until SIGCONT ------------------------------------ */

void linux_group_stop_record(const struct linux_pd *pd, struct recap_arena *arena,
                             struct recap_value *state);
/* Plans it; then, with `thread` at the exit of a system call, does it. */
int linux_group_stop_set(struct linux_pd *pd, const struct recap_value *want,
                         struct recap_error *error);
int linux_group_stop_begin(struct linux_pd *pd, struct linux_thread *thread,
                           struct recap_error *error);

/* --- process/settings.c (process): the files of /proc/PID that can be written ----------------- */

int linux_settings_record(const struct linux_reading *reading, struct recap_value *state,
                          struct recap_error *error);
int linux_settings_set(struct linux_pd *pd, const struct recap_value *want,
                       const struct recap_value *have, struct recap_error *error);

#endif
