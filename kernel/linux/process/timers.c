/* timers.c: reading the interval timers and the POSIX timers of a process.
 *
 * The kernel tells what is left of a timer, not when it was meant to expire: what is left comes
 * back, so that a restored timer neither fires early nor loses an expiry.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

/* One timer of /proc/PID/timers. */
struct linux_timer {
    int id;
    int signal;
    uint64_t value;
    int notify; /* SIGEV_*, SIGEV_THREAD_ID among them as a bit */
    pid_t to;
    int clock;
};

/* Reads one entry of four lines: the text behind it, or NULL at the end. -EBADMSG in *result for
 * what is no such entry. */
static const char *parse_timer(const char *text, struct linux_timer *timer, int *result)
{
    char kind[16], whom[8];
    unsigned long long value;
    int used = 0;
    text += strspn(text, " \n");
    *result = 0;
    if (!*text)
        return NULL;
    *result = -EBADMSG;
    if (linux_procfs_scan(text, "ID: %d signal: %d/%llx notify: %15[a-z]/%7[a-z].%d ClockID: %d%n",
                          &timer->id, &timer->signal, &value, kind, whom, &timer->to, &timer->clock,
                          &used) < 7 ||
        used == 0)
        return NULL;
    timer->value = value;
    if (strcmp(kind, "signal") == 0)
        timer->notify = SIGEV_SIGNAL;
    else if (strcmp(kind, "none") == 0)
        timer->notify = SIGEV_NONE;
    else if (strcmp(kind, "thread") == 0)
        timer->notify = SIGEV_THREAD;
    else
        return NULL;
    if (strcmp(whom, "tid") == 0)
        timer->notify |= SIGEV_THREAD_ID;
    *result = 0;
    return text + used;
}

static int by_id(const void *a, const void *b)
{
    const struct linux_timer *left = a, *right = b;
    return (left->id > right->id) - (left->id < right->id);
}

/* All timers of a process, by ascending id; the caller frees them. */
static int list_timers(const struct linux_pd *pd, struct linux_timer **timers, size_t *count,
                       struct recap_error *error)
{
    char *text;
    int result = linux_procfs_read(pd->proc, "timers", &text, NULL);
    if (result < 0)
        return recap_fail(error, result, "reading the timers of process %d", pd->pid);
    struct linux_timer *list = NULL, timer;
    size_t used = 0, room = 0;
    for (const char *at = text; (at = parse_timer(at, &timer, &result)); list[used++] = timer) {
        if (used < room)
            continue;
        room = room ? 2 * room : 16;
        struct linux_timer *larger = reallocarray(list, room, sizeof *list);
        if (!larger) {
            result = -ENOMEM;
            break;
        }
        list = larger;
    }
    free(text);
    if (result < 0) {
        free(list);
        return recap_fail(error, result, "reading the timers of process %d", pd->pid);
    }
    if (used)
        qsort(list, used, sizeof *list, by_id);
    *timers = list;
    *count = used;
    return 0;
}

static const int which[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
static const char *const interval_names[] = {"real_timer", "virtual_timer", "profiling_timer"};

int linux_timers_ask(const struct linux_reading *reading, struct linux_timers *asked,
                     struct recap_error *error)
{
    struct linux_batch *batch = reading->batch;
    int result = list_timers(reading->pd, &asked->list, &asked->count, error);
    if (result < 0)
        return result;
    asked->interval = linux_batch_put(batch, NULL, 3 * sizeof(struct itimerval));
    for (size_t i = 0; i < 3; i++) {
        size_t call = linux_batch_call(batch, SYS_getitimer, which[i],
                                       asked->interval + i * sizeof(struct itimerval));
        if (i == 0)
            asked->interval_call = call;
    }
    if (asked->count)
        asked->times = linux_batch_put(batch, NULL, asked->count * sizeof(struct itimerspec));
    for (size_t i = 0; i < asked->count; i++) {
        int id = asked->list[i].id;
        size_t call = linux_batch_call(batch, SYS_timer_gettime, id,
                                       asked->times + i * sizeof(struct itimerspec));
        linux_batch_call(batch, SYS_timer_getoverrun, id);
        if (i == 0)
            asked->first_call = call;
    }
    return 0;
}

static void record_interval(const struct linux_reading *reading, const struct linux_timers *asked,
                            size_t i, struct recap_value *state)
{
    struct itimerval timer;
    const struct itimerval *all = linux_batch_data(reading->batch, asked->interval);
    memcpy(&timer, all + i, sizeof timer);
    int64_t left = timer.it_value.tv_sec * INT64_C(1000000) + timer.it_value.tv_usec;
    int64_t every = timer.it_interval.tv_sec * INT64_C(1000000) + timer.it_interval.tv_usec;
    if (!left && !every)
        return;
    /* A periodic timer whose signal waits to be taken says that nothing is left; taking the signal
     * starts the next period. */
    if (!left)
        left = every;
    struct recap_value *record = recap_put_record(reading->arena, state, interval_names[i]);
    recap_put_number(reading->arena, record, "left_us", left);
    recap_put_number(reading->arena, record, "interval_us", every);
}

/* A thread as the component itself knows it. */
static pid_t known_as(const struct linux_pd *pd, pid_t tid)
{
    for (size_t i = 0; i < pd->thread_count; i++)
        if (pd->threads[i].tid == tid)
            return pd->threads[i].vtid;
    return -1;
}

static int record_timer(const struct linux_reading *reading, const struct linux_timer *timer,
                        const struct itimerspec *time, int64_t overrun, struct recap_value *list,
                        struct recap_error *error)
{
    struct recap_arena *arena = reading->arena;
    struct recap_value *record = recap_put_record(arena, list, NULL);
    recap_put_number(arena, record, "id", timer->id);
    recap_put_number(arena, record, "clock", timer->clock);
    recap_put_number(arena, record, "notify", timer->notify);
    recap_put_number(arena, record, "signal", timer->signal);
    recap_put_hex(arena, record, "value", timer->value);
    if (timer->notify & SIGEV_THREAD_ID) {
        pid_t vtid = known_as(reading->pd, timer->to);
        if (vtid < 0)
            return recap_fail(error, -ESRCH, "timer %d signals thread %d, which has ended",
                              timer->id, timer->to);
        recap_put_number(arena, record, "thread", vtid);
    }
    recap_put_number(arena, record, "left_ns",
                     time->it_value.tv_sec * INT64_C(1000000000) + time->it_value.tv_nsec);
    recap_put_number(arena, record, "interval_ns",
                     time->it_interval.tv_sec * INT64_C(1000000000) + time->it_interval.tv_nsec);
    recap_put_number(arena, record, "overrun", overrun);
    return 0;
}

int linux_timers_record(const struct linux_reading *reading, const struct linux_timers *asked,
                        struct recap_value *state, struct recap_error *error)
{
    for (size_t i = 0; i < 3; i++) {
        int result = linux_batch_check(reading->batch, asked->interval_call + i,
                                       "reading an interval timer", error);
        if (result < 0)
            return result;
        record_interval(reading, asked, i, state);
    }
    if (!asked->count)
        return 0;
    struct recap_value *list = recap_put_list(reading->arena, state, "timers");
    const struct itimerspec *times = linux_batch_data(reading->batch, asked->times);
    for (size_t i = 0; i < asked->count; i++) {
        size_t call = asked->first_call + 2 * i;
        int result = linux_batch_check(reading->batch, call, "reading a timer", error);
        if (result == 0)
            result = record_timer(reading, &asked->list[i], &times[i],
                                  linux_batch_result(reading->batch, call + 1), list, error);
        if (result < 0)
            return result;
    }
    return 0;
}

void linux_timers_clear(struct linux_timers *asked)
{
    free(asked->list);
    asked->list = NULL;
}

/* The clock of whichever thread made the timer: by the kernel's number, or as the C library asks
 * for it, whose clocks of processor time name a thread, and one that is 0 the caller. */
static bool is_of_its_maker(int clock)
{
    enum { NAMED = 3, OF_A_THREAD = 4 };
    return clock == CLOCK_THREAD_CPUTIME_ID ||
           (clock < 0 && clock & OF_A_THREAD && ~(clock >> NAMED) == 0);
}

int linux_timers_examine(struct linux_pd *pd, struct recap_refusals *refusals,
                         struct recap_error *error)
{
    struct linux_timer *list = NULL;
    size_t count = 0;
    char *status = NULL;
    int result = linux_procfs_read(pd->proc, "status", &status, NULL);
    if (result < 0)
        return recap_fail(error, result, "reading the state of process %d", pd->pid);
    const char *threads = linux_procfs_field(status, "Threads");
    bool several = threads && atoi(threads) > 1;
    free(status);
    if (!several)
        return 0;
    result = list_timers(pd, &list, &count, error);
    for (size_t i = 0; result == 0 && i < count; i++)
        if (is_of_its_maker(list[i].clock))
            result = recap_refusals_say(
                refusals, "delete the timer, or create it with pthread_getcpuclockid(3)",
                "timer %d counts the processor time of one thread, and the kernel does not say of "
                "which",
                list[i].id);
    free(list);
    return result;
}
