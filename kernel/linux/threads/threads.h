/* threads.h: the threads of a process and their state. */
#ifndef RECAP_KERNEL_LINUX_THREADS_THREADS_H
#define RECAP_KERNEL_LINUX_THREADS_THREADS_H

#include "kernel/linux/reading.h"

int linux_threads(struct recap_pd *pd, struct recap_graph *graph, struct recap_pd_image *image,
                  struct recap_error *error);
int linux_threads_set(struct recap_pd *pd, const struct recap_graph *graph,
                      const struct recap_pd_image *image, struct recap_error *error);

/* Accepts NULL. */
void linux_waits_free(struct linux_waits *waits);

/* --- threads/threads.c --- */

/* Reads the state of every thread of a suspended PD: states[i] is a fresh record for
 * pd->threads[i]. The registers are not in it. */
int linux_thread_states(struct linux_pd *pd, struct recap_arena *arena, struct recap_value **states,
                        struct recap_error *error);

/* --- threads/user_areas.c: what the kernel knows of a thread's own memory --- */

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

/* --- threads/registers.c (thread) --- */

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

/* --- threads/ports.c (thread) --- */

/* Refuses a stopped thread that may use ports of the processor. */
int linux_ports_examine(const struct linux_pd *pd, const struct linux_thread *thread,
                        struct recap_error *error);

/* --- threads/scheduling.c (thread) --- */

/* How many processors there are. It takes the kernel a while to say so the first time. */
int linux_processors(void);
int linux_scheduling_record(const struct linux_reading *reading, struct recap_value *state,
                            struct recap_error *error);
/* From outside; after the limits are set. */
int linux_scheduling_set(const struct linux_thread *thread, const struct recap_value *want,
                         const struct recap_value *have, struct recap_error *error);

/* --- threads/signals.c, threads/signals_set.c --- */

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

/* --- threads/first_ended.c --- */

int linux_first_ended_record(const struct linux_pd *pd, struct recap_arena *arena,
                             struct recap_value *state, struct recap_error *error);
/* Whether the first thread of the image's process had ended. */
bool linux_first_ended(const struct recap_value *attributes);
/* Ends that of a created process, when the others are there. */
int linux_first_ended_set(struct linux_pd *pd, const struct recap_value *attributes,
                          struct recap_error *error);

#endif
