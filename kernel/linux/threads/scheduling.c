/* scheduling.c: policy, nice value and priority, processors, and I/O priority of a thread.
 *
 * Read and set from outside: the kernel asks for the same rights there, and no stop is needed.
 */
#include "kernel/linux/reading.h"
#include "kernel/linux/threads/threads.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { IOPRIO_WHO_PROCESS = 1, MOST_CLAMP = 1024 };
/* Of any kernel: the last policy is SCHED_EXT. What lies beyond is nonsense, and no lack of rights.
 */
enum { MOST_POLICY = 7, MOST_PRIORITY = 99, MOST_FLAGS = 0x7f };

/* As sched_setattr(2) has it; glibc 2.36 does not. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t clamp_minimum, clamp_maximum;
};

/* "0-1,5": any number of processors, and readable. NULL: out of memory. */
static char *processors_text(struct recap_arena *arena, const cpu_set_t *set, size_t size)
{
    char *text = recap_arena_text(arena, "");
    size_t count = size * 8;
    for (size_t first = 0; text && first < count; first++) {
        if (!CPU_ISSET_S(first, size, set))
            continue;
        size_t last = first;
        while (last + 1 < count && CPU_ISSET_S(last + 1, size, set))
            last++;
        const char *comma = *text ? "," : "";
        text = first == last ? recap_arena_printf(arena, "%s%s%zu", text, comma, first)
                             : recap_arena_printf(arena, "%s%s%zu-%zu", text, comma, first, last);
        first = last;
    }
    return text;
}

/* How many bytes of mask this kernel uses; found once. */
static size_t mask_size(void)
{
    static size_t size;
    if (size)
        return size;
    for (size_t try = sizeof(uint64_t);; try *= 2) {
        cpu_set_t *set = calloc(1, try);
        long result = set ? syscall(SYS_sched_getaffinity, 0, try, set) : -1;
        bool larger = result < 0 && errno == EINVAL;
        free(set);
        if (!larger)
            return size = try;
    }
}

int linux_processors(void)
{
    static int online;
    if (!online)
        online = get_nprocs();
    return online;
}

/* A thread that may run on every processor there is keeps that freedom on another machine. */
static int record_processors(const struct linux_reading *reading, pid_t tid,
                             struct recap_value *state, struct recap_error *error)
{
    size_t size = mask_size();
    cpu_set_t *set = recap_arena_alloc(reading->arena, size);
    if (!set)
        return recap_fail(error, -ENOMEM, "reading the processors of thread %d", tid);
    if (syscall(SYS_sched_getaffinity, tid, size, set) < 0)
        return recap_fail(error, -errno, "reading the processors of thread %d", tid);
    const char *text = CPU_COUNT_S(size, set) >= linux_processors()
                           ? "all"
                           : processors_text(reading->arena, set, size);
    recap_put_text(reading->arena, state, "processors", text ? text : "");
    return 0;
}

int linux_scheduling_record(const struct linux_reading *reading, struct recap_value *state,
                            struct recap_error *error)
{
    struct recap_arena *arena = reading->arena;
    pid_t tid = reading->pd->threads[reading->thread].tid;
    struct attributes a = {0};
    if (syscall(SYS_sched_getattr, tid, &a, sizeof a, 0) < 0)
        return recap_fail(error, -errno, "reading the scheduling of thread %d", tid);
    long ioprio = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, tid);
    if (ioprio < 0)
        return recap_fail(error, -errno, "reading the I/O priority of thread %d", tid);
    struct recap_value *record = recap_put_record(arena, state, "scheduling");
    recap_put_number(arena, record, "policy", a.policy);
    recap_put_number(arena, record, "nice", a.nice);
    recap_put_number(arena, record, "priority", a.priority);
    recap_put_hex(arena, record, "flags", a.flags);
    if (a.runtime || a.deadline || a.period) {
        recap_put_hex(arena, record, "runtime", a.runtime);
        recap_put_hex(arena, record, "deadline", a.deadline);
        recap_put_hex(arena, record, "period", a.period);
    }
    if (a.clamp_minimum || a.clamp_maximum) {
        recap_put_number(arena, record, "clamp_minimum", a.clamp_minimum);
        recap_put_number(arena, record, "clamp_maximum", a.clamp_maximum);
    }
    recap_put_number(arena, state, "io_priority", ioprio);
    return record_processors(reading, tid, state, error);
}

static int parse_processors(const char *text, cpu_set_t *set, size_t size)
{
    if (strcmp(text, "all") == 0) {
        memset(set, 0xff, size);
        return 0;
    }
    memset(set, 0, size);
    while (*text) {
        char *end;
        unsigned long first = strtoul(text, &end, 10), last = first;
        if (end == text)
            return -EBADMSG;
        if (*end == '-') {
            text = end + 1;
            last = strtoul(text, &end, 10);
            if (end == text)
                return -EBADMSG;
        }
        if (last < first || (*end && *end != ','))
            return -EBADMSG;
        if (last >= size * 8)
            return -ERANGE;
        for (unsigned long n = first; n <= last; n++)
            CPU_SET_S(n, size, set);
        text = *end ? end + 1 : end;
    }
    return 0;
}

static int refuse_processors(const struct linux_thread *thread, const char *text,
                             struct recap_error *error)
{
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "thread %d is bound to processors %s, which are not all here", thread->vtid, text);
    return recap_error_remedy(error, "restore where these processors exist, or free the thread "
                                     "with taskset before the checkpoint");
}

static void free_mask(cpu_set_t **mask)
{
    free(*mask);
}

static int set_processors(const struct linux_thread *thread, const struct recap_value *want,
                          struct recap_error *error)
{
    const char *text = recap_text_or_null(want, "processors");
    size_t size = mask_size();
    __attribute__((cleanup(free_mask))) cpu_set_t *set = calloc(1, size), *got = calloc(1, size);
    if (!set || !got)
        return recap_fail(error, -ENOMEM, "setting the processors of thread %d", thread->vtid);
    int parsed = text ? parse_processors(text, set, size) : -EBADMSG;
    if (parsed == -ERANGE)
        return refuse_processors(thread, text, error);
    if (parsed < 0)
        return recap_refuse(error, RECAP_DAMAGED, parsed,
                            "the processors of a thread are "
                            "malformed");
    if (syscall(SYS_sched_setaffinity, thread->tid, size, set) < 0)
        return errno == EINVAL
                   ? refuse_processors(thread, text, error)
                   : recap_fail(error, -errno, "setting the processors of thread %d", thread->vtid);
    if (strcmp(text, "all") == 0)
        return 0;
    if (syscall(SYS_sched_getaffinity, thread->tid, size, got) < 0 || memcmp(got, set, size) != 0)
        return refuse_processors(thread, text, error);
    return 0;
}

static int get_attributes(const struct recap_value *record, struct attributes *a)
{
    int64_t policy, nice, priority;
    uint64_t flags;
    if (recap_get_number(record, "policy", &policy) < 0 ||
        recap_get_number(record, "nice", &nice) < 0 ||
        recap_get_number(record, "priority", &priority) < 0 ||
        recap_get_hex(record, "flags", &flags) < 0 || policy < 0 || policy > MOST_POLICY ||
        nice < INT32_MIN || nice > INT32_MAX || priority < 0 || priority > MOST_PRIORITY ||
        flags > MOST_FLAGS || (priority && policy != SCHED_FIFO && policy != SCHED_RR))
        return -EBADMSG;
    *a = (struct attributes){.size = sizeof *a,
                             .policy = (uint32_t)policy,
                             .flags = flags,
                             .nice = (int32_t)nice,
                             .priority = (uint32_t)priority};
    recap_get_hex(record, "runtime", &a->runtime);
    recap_get_hex(record, "deadline", &a->deadline);
    recap_get_hex(record, "period", &a->period);
    int64_t least = recap_number_or(record, "clamp_minimum", 0);
    int64_t most = recap_number_or(record, "clamp_maximum", 0);
    if (least < 0 || most < least || most > MOST_CLAMP)
        return -EBADMSG;
    a->clamp_minimum = (uint32_t)least;
    a->clamp_maximum = (uint32_t)most;
    return 0;
}

static bool same_clamps(const struct recap_value *a, const struct recap_value *b)
{
    return recap_number_or(a, "clamp_minimum", 0) == recap_number_or(b, "clamp_minimum", 0) &&
           recap_number_or(a, "clamp_maximum", 0) == recap_number_or(b, "clamp_maximum", 0);
}

int linux_scheduling_set(const struct linux_thread *thread, const struct recap_value *want,
                         const struct recap_value *have, struct recap_error *error)
{
    const struct recap_value *record = recap_member(want, "scheduling");
    struct attributes a;
    int64_t ioprio;
    if (get_attributes(record, &a) < 0 || recap_get_number(want, "io_priority", &ioprio) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG,
                            "the scheduling of a thread is "
                            "malformed");
    if (!recap_value_equal(recap_member(want, "processors"), recap_member(have, "processors"))) {
        int result = set_processors(thread, want, error);
        if (result < 0)
            return result;
    }
    if (ioprio != recap_number_or(have, "io_priority", -1) &&
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, thread->tid, (int)ioprio) < 0)
        return recap_fail(error, -errno, "setting the I/O priority of thread %d", thread->vtid);
    if (recap_value_equal(record, recap_member(have, "scheduling")))
        return 0;
    if (a.clamp_maximum && !same_clamps(record, recap_member(have, "scheduling")))
        a.flags |= SCHED_FLAG_UTIL_CLAMP;
    if (syscall(SYS_sched_setattr, thread->tid, &a, 0) < 0) {
        recap_fail(error, -errno,
                   "giving thread %d scheduling policy %u, nice value %d and priority %u",
                   thread->vtid, a.policy, a.nice, a.priority);
        return recap_error_remedy(error, "restore as a user who may raise priorities");
    }
    return 0;
}
