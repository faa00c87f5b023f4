/* clocks.c: the clocks that count since a boot, and time namespaces, in which they count on.
 *
 * Deadlines are points on the monotonic clock, in the kernel's hands or in the program's memory. On
 * the same boot they pass while the image lies about, as they do for a stopped process. After a
 * reboot the clock stands behind: what a component waits for would come late by hours or days, and
 * times that it compares would run backwards. So it gets clocks that go on from the image's.
 */
#include "kernel/linux/clocks.h"

#include "kernel/linux/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static const struct {
    const char *member;
    clockid_t clock;
    const char *offset; /* its name in timens_offsets, NULL: the same in every namespace */
} clocks[] = {{"realtime_ns", CLOCK_REALTIME, NULL},
              {"monotonic_ns", CLOCK_MONOTONIC, "monotonic"},
              {"boottime_ns", CLOCK_BOOTTIME, "boottime"}};

enum { CLOCK_COUNT = sizeof clocks / sizeof clocks[0], MONOTONIC = 1, BOOTTIME = 2 };

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

/* What the time namespace of a process adds to a clock; 0 where the kernel has no such thing. */
static int offset_of(int directory, const char *path, const char *name, int64_t *offset)
{
    char text[256];
    long long seconds, nanoseconds;
    *offset = 0;
    ssize_t length = linux_procfs_read_into(directory, path, text, sizeof text);
    if (length < 0)
        return length == -ENOENT ? 0 : (int)length;
    const char *line = strstr(text, name);
    if (line && sscanf(line + strlen(name), "%lld %lld", &seconds, &nanoseconds) == 2)
        *offset = seconds * SECOND + nanoseconds;
    return 0;
}

/* 1, 0 or a negative errno. */
static int same_namespace(int proc)
{
    char ours[64], theirs[64];
    ssize_t a = linux_procfs_link(AT_FDCWD, "/proc/self/ns/time", ours, sizeof ours);
    ssize_t b = a < 0 ? a : linux_procfs_link(proc, "ns/time", theirs, sizeof theirs);
    if (b < 0)
        return a == -ENOENT ? 1 : (int)b;
    return a == b && strcmp(ours, theirs) == 0;
}

static int ahead_by_name(int proc, const char *name, int64_t *ahead)
{
    int64_t theirs, ours;
    int result = offset_of(proc, "timens_offsets", name, &theirs);
    if (result == 0)
        result = offset_of(AT_FDCWD, "/proc/self/timens_offsets", name, &ours);
    if (result == 0)
        *ahead = theirs - ours;
    return result;
}

/* In another time namespace than ours. */
static int ahead_elsewhere(int proc, clockid_t clock, int64_t *ahead)
{
    switch (clock) {
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
        return ahead_by_name(proc, "monotonic", ahead);
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
        return ahead_by_name(proc, "boottime", ahead);
    default:
        *ahead = 0;
        return 0;
    }
}

int linux_clock_ahead(int proc, clockid_t clock, int64_t *ahead)
{
    int same = same_namespace(proc);
    if (same == 0)
        return ahead_elsewhere(proc, clock, ahead);
    if (same > 0)
        *ahead = 0;
    return same < 0 ? same : 0;
}

int linux_clocks_record(const struct linux_pd *pd, struct recap_arena *arena,
                        struct recap_value *state, struct recap_error *error)
{
    struct recap_value *record = recap_put_record(arena, state, "clocks");
    int same = same_namespace(pd->proc), result = same < 0 ? same : 0;
    for (size_t i = 0; result == 0 && i < CLOCK_COUNT; i++) {
        int64_t ahead = 0;
        if (!same)
            result = ahead_elsewhere(pd->proc, clocks[i].clock, &ahead);
        recap_put_number(arena, record, clocks[i].member, now_ns(clocks[i].clock) + ahead);
    }
    return result < 0 ? recap_fail(error, result, "reading the clocks of process %d", pd->pid) : 0;
}

/* How far our clocks are behind the latest of the image's; `behind` is by the table above. */
static int measure(const struct recap_graph *graph, int64_t behind[CLOCK_COUNT],
                   struct recap_error *error)
{
    for (size_t p = 0; p < graph->pd_count; p++) {
        const struct recap_value *record = recap_member(graph->pds[p].attributes, "clocks");
        /* Without attributes there is nothing that could be late. */
        for (size_t i = 0; graph->pds[p].attributes && i < CLOCK_COUNT; i++) {
            int64_t then;
            if (recap_get_number(record, clocks[i].member, &then) < 0 || then < 0)
                return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the clocks are malformed");
            int64_t by = then - now_ns(clocks[i].clock);
            if (by > behind[i])
                behind[i] = by;
        }
    }
    /* The boot-time clock is the monotonic one and the time that the machine slept. */
    if (behind[BOOTTIME] < behind[MONOTONIC])
        behind[BOOTTIME] = behind[MONOTONIC];
    return 0;
}

static int write_offsets(const int64_t behind[CLOCK_COUNT])
{
    static const char path[] = "/proc/self/timens_offsets";
    char text[128];
    size_t length = 0;
    for (size_t i = MONOTONIC; i <= BOOTTIME; i++) {
        int64_t offset;
        int result = offset_of(AT_FDCWD, path, clocks[i].offset, &offset);
        if (result < 0)
            return result;
        offset += behind[i];
        int64_t seconds = offset / SECOND - (offset % SECOND < 0);
        length += (size_t)snprintf(text + length, sizeof text - length, "%s %lld %lld\n",
                                   clocks[i].offset, (long long)seconds,
                                   (long long)(offset - seconds * SECOND));
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, text, length);
    int code = written == (ssize_t)length ? 0 : -errno;
    if (fd >= 0)
        close(fd);
    return code;
}

/* We go along, so that what we arm for the component means its clocks. */
static int move_in(void)
{
    int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
    int code = fd < 0 || setns(fd, CLONE_NEWTIME) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return code;
}

static int enter(struct linux_kernel *kernel, const int64_t behind[CLOCK_COUNT],
                 struct recap_error *error)
{
    int before = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
    int code = before < 0 || unshare(CLONE_NEWTIME) < 0 ? -errno : 0;
    if (code == -EPERM && !kernel->own_namespace) {
        code = linux_namespace_enter(kernel, error);
        if (code < 0) {
            close(before);
            return code;
        }
        code = unshare(CLONE_NEWTIME) < 0 ? -errno : 0;
    }
    if (code == 0)
        code = write_offsets(behind);
    if (code == 0)
        code = move_in();
    if (code == 0) {
        kernel->time_before = before;
        kernel->clocks_moved_ns = behind[BOOTTIME]; /* never the lesser */
        return 0;
    }
    if (before >= 0)
        close(before);
    long long seconds = (behind[MONOTONIC] + SECOND - 1) / SECOND,
              boot_seconds = (behind[BOOTTIME] + SECOND - 1) / SECOND;
    recap_fail(error, code,
               "this system's monotonic clock is %lld s behind the time of the checkpoint; making "
               "a time namespace in which it goes on from there",
               seconds);
    return recap_error_remedy(error,
                              "restore as root, or inside: unshare --time --monotonic %lld "
                              "--boottime %lld recap restore ...",
                              seconds, boot_seconds);
}

int linux_clocks_continue(struct linux_kernel *kernel, const struct recap_graph *graph,
                          struct recap_error *error)
{
    int64_t behind[CLOCK_COUNT] = {0};
    if (kernel->clocks_moved_ns)
        return 0;
    int result = measure(graph, behind, error);
    if (result < 0 || (behind[MONOTONIC] <= 0 && behind[BOOTTIME] <= 0))
        return result;
    return enter(kernel, behind, error);
}

void linux_clocks_leave(struct linux_kernel *kernel)
{
    if (!kernel->clocks_moved_ns)
        return;
    setns(kernel->time_before, CLONE_NEWTIME);
    close(kernel->time_before);
    kernel->clocks_moved_ns = 0;
}
