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
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/threads/threads.h"
#include "kernel/linux/threads/waits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct processor {
    int number;
    int64_t offset; /* from its scheduler's clock to the monotonic one; INT64_MIN: unknown */
};

struct linux_waits {
    struct linux_seen *items;
    size_t count, room;
    bool sorted; /* by thread */
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
            /* The scheduler notes it anew as we fall asleep. */
            nanosleep(&(struct timespec){.tv_nsec = 1}, NULL);
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
    bool narrow = first_argument <= UINT32_MAX;
    int64_t clock = narrow ? (int32_t)first_argument : (int64_t)first_argument;
    return clock < 4096 ? SYS_clock_nanosleep : SYS_nanosleep;
}

long linux_wait_call_before(struct linux_pd *pd, enum linux_way_in way, uint64_t instruction)
{
    static const uint64_t none[6];
    enum { LOAD = 5, BEFORE = 20, LENGTH = 2 };
    uint8_t code[BEFORE];
    if (linux_access_read(pd, instruction - LENGTH - BEFORE, code, sizeof code, NULL) < 0)
        return -1;
    for (int at = BEFORE - LOAD; at >= 0; at--) {
        uint32_t number;
        if (code[at] != 0xb8)
            continue;
        memcpy(&number, code + at + 1, sizeof number);
        const struct linux_timed_call *call = linux_timed_call(way, number, none);
        if (call && call->keeper == LINUX_KEPT_BY_BLOCK)
            return number;
    }
    return -1;
}

/* The call that restart_syscall stands for, by the function that it waits in. A sleep waits right
 * below the entry code. By `int 0x80` there are several calls that wait in each. */
static long restarted_call(struct linux_pd *pd, const struct linux_seen *seen,
                           enum linux_way_in way)
{
    char path[48], function[128];
    if (way == LINUX_WAY_INT_80)
        return linux_wait_call_before(pd, way, seen->instruction);
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

/* By which way a waiting thread came in, as the code shows it: the kernel tells of a stopped thread
 * only. */
static int look_way(struct linux_pd *pd, uint64_t instruction, enum linux_way_in *way)
{
    static const uint8_t int_80[] = {0xcd, 0x80};
    uint8_t code[sizeof int_80];
    int result = linux_access_read(pd, instruction - sizeof code, code, sizeof code, NULL);
    if (result == 0)
        *way = memcmp(code, int_80, sizeof code) == 0 ? LINUX_WAY_INT_80 : LINUX_WAY_SYSCALL;
    return result;
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
static void look_since(struct linux_pd *pd, struct linux_seen *seen)
{
    struct schedule before = schedule_of(pd, seen->tid);
    int processor = before.ran < 0 ? -1 : processor_of(pd, seen->tid);
    int64_t offset = processor < 0 ? INT64_MIN : offset_of(pd->waits, processor);
    struct schedule after = schedule_of(pd, seen->tid);
    bool still = before.ran == after.ran && before.sleeps == after.sleeps && after.sleeps >= 0;
    seen->since = still && offset != INT64_MIN ? before.ran + offset : -1;
    seen->sleeps = after.sleeps;
}

/* The timeout of the socket that the call waits for: 0 where that is none, or has been closed, or a
 * negative errno. */
static int64_t socket_timeout(const struct linux_pd *pd, const struct linux_timed_call *call,
                              enum linux_way_in way, const struct linux_seen *seen)
{
    struct timeval timeout = {0};
    socklen_t length = sizeof timeout;
    int fd = (int)syscall(SYS_pidfd_getfd, pd->pidfd, (int)seen->arguments[call->argument[way]], 0);
    if (fd < 0)
        return errno == EBADF ? 0 : -errno;
    int name = call->keeper == LINUX_KEPT_BY_RECEIVER ? SO_RCVTIMEO : SO_SNDTIMEO;
    int code = getsockopt(fd, SOL_SOCKET, name, &timeout, &length) < 0 ? -errno : 0;
    close(fd);
    if (code < 0)
        return code == -ENOTSOCK || code == -ENOPROTOOPT || code == -EOPNOTSUPP ? 0 : code;
    return linux_time_get(LINUX_FORM_TIMEVAL, &timeout);
}

static struct linux_seen *add(struct linux_pd *pd)
{
    struct linux_waits *waits = pd->waits;
    if (!waits)
        waits = pd->waits = calloc(1, sizeof *waits);
    if (!waits)
        return NULL;
    if (waits->count == waits->room) {
        size_t room = waits->room ? 2 * waits->room : 16;
        struct linux_seen *items = reallocarray(waits->items, room, sizeof *items);
        if (!items)
            return NULL;
        waits->items = items;
        waits->room = room;
    }
    waits->sorted = false;
    return &waits->items[waits->count++];
}

/* Whether anything of the wait has to be known later: 1, 0, or a negative errno. Most threads wait
 * without a timeout, and cost no more than this. */
static int is_of_interest(struct linux_pd *pd, enum linux_way_in way, struct linux_seen *seen)
{
    const struct linux_timed_call *call = linux_timed_call(way, seen->call, seen->arguments);
    if (!call || !linux_timed_call_counts(call, way, seen->arguments))
        return 0;
    if (call->keeper == LINUX_KEPT_BY_RECEIVER || call->keeper == LINUX_KEPT_BY_SENDER)
        seen->socket_ns = socket_timeout(pd, call, way, seen);
    else if (call->left && seen->arguments[call->left])
        seen->left_known = linux_access_read(pd, seen->arguments[call->left], seen->left,
                                             linux_time_size(call->form[way]), NULL) == 0;
    if (seen->socket_ns < 0)
        return (int)seen->socket_ns;
    return seen->socket_ns > 0 || linux_call_leaves_error(way, seen->call) ||
           (call->keeper != LINUX_KEPT_BY_RECEIVER && call->keeper != LINUX_KEPT_BY_SENDER);
}

int linux_wait_look(struct linux_pd *pd, pid_t tid)
{
    struct linux_seen seen = {.tid = tid};
    enum linux_way_in way = LINUX_WAY_SYSCALL;
    char path[48], text[256];
    uint64_t *a = seen.arguments;
    snprintf(path, sizeof path, "task/%d/syscall", tid);
    ssize_t length = linux_procfs_read_into(pd->proc, path, text, sizeof text);
    if (length < 0)
        return linux_procfs_gone((int)length) ? 0 : (int)length;
    /* A thread that runs has fewer of them. */
    if (sscanf(text, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &seen.call, &a[0], &a[1], &a[2], &a[3],
               &a[4], &a[5], &seen.stack, &seen.instruction) != 9)
        return 0;
    if (seen.call == linux_restart_number(LINUX_WAY_INT_80) ||
        linux_timed_call(LINUX_WAY_INT_80, seen.call, a)) {
        int result = look_way(pd, seen.instruction, &way);
        if (result < 0)
            return linux_procfs_gone(result) ? 0 : result;
    }
    for (int i = 0; way == LINUX_WAY_INT_80 && i < 6; i++)
        a[i] = (uint32_t)a[i];
    bool restarted = seen.call == linux_restart_number(way);
    if (restarted)
        seen.call = restarted_call(pd, &seen, way);
    int interest = is_of_interest(pd, way, &seen);
    if (interest < 0 || (!interest && !restarted))
        return linux_procfs_gone(interest) ? 0 : interest;
    struct linux_seen *kept = add(pd);
    if (!kept)
        return -ENOMEM;
    look_since(pd, &seen);
    *kept = seen;
    return 0;
}

static int compare_threads(const void *a, const void *b)
{
    pid_t first = ((const struct linux_seen *)a)->tid, second = ((const struct linux_seen *)b)->tid;
    return (first > second) - (first < second);
}

const struct linux_seen *linux_wait_seen(struct linux_pd *pd, pid_t tid)
{
    struct linux_waits *waits = pd->waits;
    const struct linux_seen wanted = {.tid = tid};
    if (!waits || !waits->count)
        return NULL;
    if (!waits->sorted)
        qsort(waits->items, waits->count, sizeof *waits->items, compare_threads);
    waits->sorted = true;
    return bsearch(&wanted, waits->items, waits->count, sizeof *waits->items, compare_threads);
}

bool linux_wait_still(const struct linux_seen *seen, const struct user_regs_struct *registers,
                      const uint64_t arguments[6])
{
    return seen && seen->stack == registers->rsp && seen->instruction == registers->rip &&
           memcmp(seen->arguments, arguments, sizeof seen->arguments) == 0;
}

int64_t linux_wait_elapsed(const struct linux_pd *pd, const struct linux_seen *seen)
{
    if (seen->since < 0 || schedule_of(pd, seen->tid).sleeps != seen->sleeps + 1)
        return -1;
    int64_t elapsed = now_ns() - seen->since;
    return elapsed > 0 ? elapsed : 0;
}
