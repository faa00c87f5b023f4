/* waits_look.c: since when threads have been waiting, and in what.
 *
 * Both can be seen only of a running thread, so it is looked for just before the pause. The
 * scheduler notes when a thread last ran, on a clock that each processor has for itself: the clocks
 * differ, as time that a hypervisor or interrupts took does not count. So each is compared with the
 * monotonic clock, by standing on that processor ourselves.
 *
 * A thread may run between the look and its stop, and then wait again. How often it gave its
 * processor up by itself tells: once, to stop, if it did not.
 */
#include "kernel/linux/concerns.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct seen {
    pid_t tid;
    long call; /* what it waits in; -1: restart_syscall of something unknown */
    uint64_t arguments[6];
    uint64_t stack, instruction;
    int64_t since;  /* on the monotonic clock; -1: unknown */
    int64_t sleeps; /* how often it had gone to sleep by then */
};

struct processor {
    int number;
    int64_t offset; /* from its scheduler's clock to the monotonic one; INT64_MIN: unknown */
};

struct linux_waits {
    struct seen *items;
    size_t count, room;
    struct processor *processors;
    size_t processor_count;
};

void linux_waits_free(struct linux_waits *waits)
{
    if (!waits)
        return;
    free(waits->items);
    free(waits->processors);
    free(waits);
}

void linux_waits_forget(struct linux_pd *pd)
{
    linux_waits_free(pd->waits);
    pd->waits = NULL;
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* What the scheduler tells of a thread; each -1 where it does not. */
struct schedule {
    int64_t ran;    /* when it last ran, on its processor's clock */
    int64_t sleeps; /* how often it gave its processor up by itself */
};

static const char *schedule_value(const char *text, const char *name)
{
    const char *field = strstr(text, name);
    field = field ? strchr(field, ':') : NULL;
    return field ? field + 1 : NULL;
}

static struct schedule read_schedule(int directory, const char *path)
{
    char text[8192];
    struct schedule schedule = {-1, -1};
    if (linux_procfs_read_into(directory, path, text, sizeof text) < 0)
        return schedule;
    char *end;
    const char *value = schedule_value(text, "se.exec_start");
    int64_t ms = value ? strtoll(value, &end, 10) : 0;
    if (value && *end == '.')
        schedule.ran = ms * 1000000 + strtoll(end + 1, NULL, 10);
    value = schedule_value(text, "nr_voluntary_switches");
    if (value)
        schedule.sleeps = strtoll(value, NULL, 10);
    return schedule;
}

static struct schedule schedule_of(const struct linux_pd *pd, pid_t tid)
{
    char path[48];
    snprintf(path, sizeof path, "task/%d/sched", tid);
    return read_schedule(pd->proc, path);
}

/* Stands on a processor for a moment. */
static int64_t measure_offset(int number)
{
    size_t size = CPU_ALLOC_SIZE(number + 1);
    cpu_set_t *there = calloc(1, size), *before = calloc(1, sizeof(cpu_set_t) * 8);
    int64_t offset = INT64_MIN;
    if (there && before) {
        CPU_SET_S((size_t)number, size, there);
        bool known = sched_getaffinity(0, sizeof(cpu_set_t) * 8, before) == 0;
        if (known && sched_setaffinity(0, size, there) == 0) {
            sched_yield();
            int64_t ran = read_schedule(AT_FDCWD, "/proc/thread-self/sched").ran;
            offset = ran < 0 ? INT64_MIN : now_ns() - ran;
            sched_setaffinity(0, sizeof(cpu_set_t) * 8, before);
        }
    }
    free(there);
    free(before);
    return offset;
}

static int64_t offset_of(struct linux_waits *waits, int number)
{
    for (size_t i = 0; i < waits->processor_count; i++)
        if (waits->processors[i].number == number)
            return waits->processors[i].offset;
    struct processor *more =
        reallocarray(waits->processors, waits->processor_count + 1, sizeof *more);
    if (!more)
        return INT64_MIN;
    waits->processors = more;
    more[waits->processor_count] =
        (struct processor){.number = number, .offset = measure_offset(number)};
    return more[waits->processor_count++].offset;
}

/* Of the two that sleep, one has a clock where the other has an address. */
static long which_sleep(uint64_t first_argument)
{
    return (int64_t)first_argument < 4096 ? SYS_clock_nanosleep : SYS_nanosleep;
}

/* The call that restart_syscall stands for, by the function that it waits in. A sleep waits right
 * below the entry code. */
static long restarted_call(const struct linux_pd *pd, const struct seen *seen)
{
    char path[48], function[128];
    snprintf(path, sizeof path, "task/%d/wchan", seen->tid);
    if (linux_procfs_read_into(pd->proc, path, function, sizeof function) < 0)
        return -1;
    if (strstr(function, "poll"))
        return SYS_poll;
    if (strstr(function, "futex"))
        return SYS_futex;
    if (strstr(function, "sleep") || strcmp(function, "do_syscall_64") == 0)
        return which_sleep(seen->arguments[0]);
    return -1;
}

static int processor_of(const struct linux_pd *pd, pid_t tid)
{
    enum { PROCESSOR = 39 };
    char path[48], text[2048];
    snprintf(path, sizeof path, "task/%d/stat", tid);
    const char *field = linux_procfs_read_into(pd->proc, path, text, sizeof text) < 0
                            ? NULL
                            : linux_stat_field(text, PROCESSOR);
    return field ? atoi(field) : -1;
}

/* Since when it waits, if it did so while we looked. */
static void look_since(struct linux_pd *pd, struct seen *seen)
{
    struct schedule before = schedule_of(pd, seen->tid);
    int processor = before.ran < 0 ? -1 : processor_of(pd, seen->tid);
    int64_t offset = processor < 0 ? INT64_MIN : offset_of(pd->waits, processor);
    struct schedule after = schedule_of(pd, seen->tid);
    bool still = before.ran == after.ran && before.sleeps == after.sleeps && after.sleeps >= 0;
    seen->since = still && offset != INT64_MIN ? before.ran + offset : -1;
    seen->sleeps = after.sleeps;
}

static bool has_timeout(long call)
{
    return call == SYS_nanosleep || call == SYS_clock_nanosleep || call == SYS_poll ||
           call == SYS_futex || call == SYS_epoll_wait || call == SYS_epoll_pwait ||
           call == SYS_restart_syscall;
}

static struct seen *add(struct linux_pd *pd)
{
    struct linux_waits *waits = pd->waits;
    if (!waits)
        waits = pd->waits = calloc(1, sizeof *waits);
    if (!waits)
        return NULL;
    if (waits->count == waits->room) {
        size_t room = waits->room ? 2 * waits->room : 16;
        struct seen *items = reallocarray(waits->items, room, sizeof *items);
        if (!items)
            return NULL;
        waits->items = items;
        waits->room = room;
    }
    return &waits->items[waits->count++];
}

int linux_wait_look(struct linux_pd *pd, pid_t tid)
{
    struct seen seen = {.tid = tid};
    char path[48], text[256];
    uint64_t *a = seen.arguments;
    snprintf(path, sizeof path, "task/%d/syscall", tid);
    if (linux_procfs_read_into(pd->proc, path, text, sizeof text) < 0 ||
        sscanf(text, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &seen.call, &a[0], &a[1], &a[2], &a[3],
               &a[4], &a[5], &seen.stack, &seen.instruction) != 9 ||
        !has_timeout(seen.call))
        return 0;
    struct seen *kept = add(pd);
    if (!kept)
        return -ENOMEM;
    if (seen.call == SYS_restart_syscall)
        seen.call = restarted_call(pd, &seen);
    look_since(pd, &seen);
    *kept = seen;
    return 0;
}

/* What was seen of a stopped thread, if it is still where it was. */
static const struct seen *find(const struct linux_pd *pd, pid_t tid,
                               const struct user_regs_struct *r)
{
    const uint64_t arguments[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
    for (size_t i = 0; pd->waits && i < pd->waits->count; i++) {
        const struct seen *seen = &pd->waits->items[i];
        if (seen->tid == tid)
            return seen->stack == r->rsp && seen->instruction == r->rip &&
                           memcmp(seen->arguments, arguments, sizeof arguments) == 0
                       ? seen
                       : NULL;
    }
    return NULL;
}

long linux_wait_call(const struct linux_pd *pd, pid_t tid, const struct user_regs_struct *r)
{
    const struct seen *seen = find(pd, tid, r);
    return seen ? seen->call : -1;
}

int64_t linux_wait_elapsed(const struct linux_pd *pd, pid_t tid, const struct user_regs_struct *r)
{
    const struct seen *seen = find(pd, tid, r);
    if (!seen || seen->since < 0 || schedule_of(pd, tid).sleeps != seen->sleeps + 1)
        return -1;
    int64_t elapsed = now_ns() - seen->since;
    return elapsed > 0 ? elapsed : 0;
}
