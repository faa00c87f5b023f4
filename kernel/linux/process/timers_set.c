/* timers_set.c: making the timers of a process anew, with the same ids.
 *
 * Linux 6.16 creates a timer with a chosen id. Before that ids are given out one after the other,
 * and the ones in between are created and deleted again.
 */
#include "kernel/linux/abi.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/process/process.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

/* As the kernel has it: 64 bytes, the thread in the union. */
struct event {
    uint64_t value;
    int32_t signal;
    int32_t notify;
    int32_t thread;
    uint8_t rest[44];
};

struct wanted {
    int64_t id, clock, notify, signal, thread, left, interval;
    uint64_t value;
};

static int get_timer(const struct recap_value *record, struct wanted *t)
{
    t->thread = recap_number_or(record, "thread", 0);
    if (recap_get_number(record, "id", &t->id) < 0 ||
        recap_get_number(record, "clock", &t->clock) < 0 ||
        recap_get_number(record, "notify", &t->notify) < 0 ||
        recap_get_number(record, "signal", &t->signal) < 0 ||
        recap_get_hex(record, "value", &t->value) < 0 ||
        recap_get_number(record, "left_ns", &t->left) < 0 ||
        recap_get_number(record, "interval_ns", &t->interval) < 0)
        return -EBADMSG;
    if (t->id < 0 || t->id > INT_MAX || t->clock < INT_MIN || t->clock > INT_MAX || t->notify < 0 ||
        t->notify > INT_MAX || t->signal < 0 || t->signal > INT_MAX || t->thread < 0 ||
        t->thread > INT_MAX || t->left < 0 || t->interval < 0)
        return -EBADMSG;
    return 0;
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void step_create(struct linux_steps *steps, const struct wanted *t)
{
    const struct event event = {.value = t->value,
                                .signal = (int32_t)t->signal,
                                .notify = (int32_t)t->notify,
                                .thread = (int32_t)t->thread};
    int32_t id = (int32_t)t->id;
    uint64_t at = linux_batch_put(linux_steps_batch(steps), &event, sizeof event);
    uint64_t id_at = linux_batch_put(linux_steps_batch(steps), &id, sizeof id);
    linux_step(steps, "creating a timer", SYS_timer_create, t->clock, at, id_at);
}

static void step_arm(struct linux_steps *steps, const struct wanted *t)
{
    const struct itimerspec spec = {.it_value = timespec_of(t->left),
                                    .it_interval = timespec_of(t->interval)};
    uint64_t at = linux_batch_put(linux_steps_batch(steps), &spec, sizeof spec);
    /* Also one that is not armed: this finds out whether the id is there. */
    linux_step(steps, "setting a timer under its id", SYS_timer_settime, t->id, 0, at, 0);
}

/* Which id the next timer of the new process will have, by making one. */
static int next_id(struct linux_pd *pd, int64_t *id, struct recap_error *error)
{
    const struct event event = {.notify = SIGEV_NONE};
    __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps = linux_steps_new(pd, 0);
    if (!steps)
        return recap_fail(error, -ENOMEM, "creating timers");
    struct linux_batch *batch = linux_steps_batch(steps);
    uint64_t made = linux_batch_put(batch, NULL, sizeof(uint64_t));
    uint64_t at = linux_batch_put(batch, &event, sizeof event);
    linux_step(steps, "creating a timer", SYS_timer_create, CLOCK_MONOTONIC, at, made);
    int result = linux_steps_run(&steps, 1, error);
    if (result < 0)
        return result;
    int32_t number;
    memcpy(&number, linux_batch_data(batch, made), sizeof number);
    *id = (int64_t)number + 1;
    __attribute__((cleanup(linux_steps_clear))) struct linux_steps *undo = linux_steps_new(pd, 0);
    if (!undo)
        return recap_fail(error, -ENOMEM, "creating timers");
    linux_step(undo, "deleting a timer", SYS_timer_delete, number);
    return linux_steps_run(&undo, 1, error);
}

/* Creates and deletes timers until `id` is next. A program that has used many millions of them
 * takes correspondingly long, but in bounded batches. */
static int skip_ids(struct linux_pd *pd, int64_t from, int64_t id, struct recap_error *error)
{
    enum { AT_ONCE = 256 };
    int result = 0;
    while (result == 0 && from < id) {
        __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps =
            linux_steps_new(pd, 0);
        if (!steps)
            return recap_fail(error, -ENOMEM, "creating timers");
        for (int i = 0; i < AT_ONCE && from < id; i++, from++) {
            step_create(steps, &(struct wanted){.clock = CLOCK_MONOTONIC, .notify = SIGEV_NONE});
            linux_step(steps, "deleting a timer", SYS_timer_delete, from);
        }
        result = linux_steps_run(&steps, 1, error);
    }
    return result;
}

static int create_in_order(struct linux_pd *pd, const struct recap_value *list,
                           struct recap_error *error)
{
    int64_t next = 0;
    int result = next_id(pd, &next, error);
    for (const struct recap_value *v = list; result == 0 && v; v = v->next) {
        struct wanted t;
        get_timer(v, &t);
        result = skip_ids(pd, next, t.id, error);
        next = t.id + 1;
        __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps =
            linux_steps_new(pd, 0);
        if (!steps)
            return recap_fail(error, -ENOMEM, "creating timers");
        step_create(steps, &t);
        step_arm(steps, &t);
        if (result == 0)
            result = linux_steps_run(&steps, 1, error);
    }
    return result;
}

static int create_at_once(struct linux_pd *pd, const struct recap_value *list,
                          struct recap_error *error)
{
    __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps = linux_steps_new(pd, 0);
    if (!steps)
        return recap_fail(error, -ENOMEM, "creating timers");
    for (const struct recap_value *v = list; v; v = v->next) {
        struct wanted t;
        get_timer(v, &t);
        step_create(steps, &t);
        step_arm(steps, &t);
    }
    return linux_steps_run(&steps, 1, error);
}

static int check_timers(const struct recap_value *list, struct recap_error *error)
{
    int64_t previous = -1;
    for (const struct recap_value *v = list; v; v = v->next) {
        struct wanted t;
        if (get_timer(v, &t) < 0 || t.id <= previous)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "a timer is malformed");
        previous = t.id;
    }
    return 0;
}

/* Whether ids can be chosen from here on (`on`) or are given out again. */
static int choose_ids(struct linux_pd *pd, bool on, bool *chosen, struct recap_error *error)
{
    struct linux_batch *batch = linux_batch_new(pd, 0);
    if (!batch)
        return recap_fail(error, -ENOMEM, "creating timers");
    size_t call =
        linux_batch_call(batch, SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS,
                         on ? PR_TIMER_CREATE_RESTORE_IDS_ON : PR_TIMER_CREATE_RESTORE_IDS_OFF);
    int result = linux_batch_run(batch, error);
    if (result == 0)
        *chosen = linux_batch_result(batch, call) == 0;
    linux_batch_free(batch);
    return result;
}

static int set_posix_timers(struct linux_pd *pd, const struct recap_value *want,
                            struct recap_error *error)
{
    const struct recap_value *list = recap_items(want, "timers");
    if (!list)
        return 0;
    bool chosen = false, ended;
    int result = check_timers(list, error);
    if (result == 0)
        result = choose_ids(pd, true, &chosen, error);
    if (result == 0)
        result = chosen ? create_at_once(pd, list, error) : create_in_order(pd, list, error);
    if (result == 0 && chosen)
        result = choose_ids(pd, false, &ended, error);
    return result;
}

int linux_timers_set(struct linux_pd *pd, const struct recap_value *want, struct recap_error *error)
{
    static const struct {
        const char *name;
        int which;
    } timers[] = {{"real_timer", ITIMER_REAL},
                  {"virtual_timer", ITIMER_VIRTUAL},
                  {"profiling_timer", ITIMER_PROF}};
    int result = set_posix_timers(pd, want, error);
    if (result < 0)
        return result;
    __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps = linux_steps_new(pd, 0);
    if (!steps)
        return recap_fail(error, -ENOMEM, "setting interval timers");
    for (size_t i = 0; i < 3; i++) {
        const struct recap_value *record = recap_member(want, timers[i].name);
        int64_t left, every;
        if (!record)
            continue;
        if (recap_get_number(record, "left_us", &left) < 0 ||
            recap_get_number(record, "interval_us", &every) < 0 || left < 0 || every < 0)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "an interval timer is malformed");
        const struct itimerval value = {
            .it_value = {.tv_sec = left / 1000000, .tv_usec = left % 1000000},
            .it_interval = {.tv_sec = every / 1000000, .tv_usec = every % 1000000}};
        uint64_t at = linux_batch_put(linux_steps_batch(steps), &value, sizeof value);
        linux_step(steps, "setting an interval timer", SYS_setitimer, timers[i].which, at, 0);
    }
    return linux_steps_run(&steps, 1, error);
}
