/* process.h: what a process is beside its memory and its threads, and what is refused. */
#ifndef RECAP_KERNEL_LINUX_PROCESS_PROCESS_H
#define RECAP_KERNEL_LINUX_PROCESS_PROCESS_H

#include "kernel/linux/reading.h"

int linux_examine(struct recap_pd *pd, struct recap_refusals *refusals, struct recap_error *error);
int linux_attributes(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                     struct recap_error *error);
int linux_attributes_set(struct recap_pd *pd, const struct recap_creation *creation,
                         const struct recap_pd_image *image, struct recap_error *error);

/* --- process/attributes.c --- */

/* The same for the process as a whole. */
int linux_process_state(struct linux_pd *pd, struct recap_arena *arena, struct recap_value **state,
                        struct recap_error *error);
/* Before the pause: refuses what linux_attributes and linux_threads could not carry. */
int linux_concerns_examine(struct linux_pd *pd, struct recap_refusals *refusals,
                           struct recap_error *error);

/* --- process/traits.c: what prctl and its kin read and set as one number --- */

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

/* --- process/credentials.c, process/credentials_set.c (thread) --- */

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

/* --- process/timers.c, process/timers_set.c (process) --- */

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

/* --- process/limits.c (process) --- */

struct linux_limits {
    size_t first_call;
    uint64_t limits;
};

void linux_limits_ask(const struct linux_reading *reading, struct linux_limits *asked);
int linux_limits_record(const struct linux_reading *reading, const struct linux_limits *asked,
                        struct recap_value *state, struct recap_error *error);
int linux_limits_set(struct linux_steps *steps, const struct recap_value *want,
                     const struct recap_value *have, struct recap_error *error);

/* --- process/places.c (process): working and root directory, program file, umask --- */

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

/* --- process/segments.c (process): the local descriptor table --- */

struct linux_segments {
    size_t any_call;
};

void linux_segments_ask(const struct linux_reading *reading, struct linux_segments *asked);
int linux_segments_record(const struct linux_reading *reading, const struct linux_segments *asked,
                          struct recap_value *state, struct recap_error *error);
int linux_segments_set(struct linux_steps *steps, const struct recap_value *want,
                       struct recap_error *error);

/* --- process/session.c (process) --- */

int linux_session_record(const struct linux_reading *reading, const char *stat,
                         struct recap_value *state, struct recap_error *error);
/* Adds to the recorded session the selector at which its controlling terminal is held. */
void linux_session_find_terminal(struct linux_pd *pd, const struct recap_graph *graph,
                                 const struct recap_pd_image *image, struct recap_arena *arena,
                                 struct recap_value *state);
int linux_session_set(struct linux_pd *pd, const struct recap_creation *creation,
                      const struct recap_pd_image *image, const struct recap_value *want,
                      struct recap_error *error);

/* --- process/group_stop.c (process): stopped until SIGCONT --- */

void linux_group_stop_record(const struct linux_pd *pd, struct recap_arena *arena,
                             struct recap_value *state);
/* Plans it; then, with `thread` at the exit of a system call, does it. */
int linux_group_stop_set(struct linux_pd *pd, const struct recap_value *want,
                         struct recap_error *error);
int linux_group_stop_begin(struct linux_pd *pd, struct linux_thread *thread,
                           struct recap_error *error);

/* --- process/settings.c (process): the files of /proc/PID that can be written --- */

int linux_settings_record(const struct linux_reading *reading, struct recap_value *state,
                          struct recap_error *error);
int linux_settings_set(struct linux_pd *pd, const struct recap_value *want,
                       const struct recap_value *have, struct recap_error *error);

#endif
