/* attributes.c: what a process has as a whole: limits, mask of new files, directories, name, how
 * /proc shows it, and everything that prctl keeps for it. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LIMITS = RLIM_NLIMITS };

/* The whole of a file of /proc, whose size no stat tells. */
static size_t slurp(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got;
    subject_need(fd >= 0, "%s: %m", path);
    while (used < size - 1 && (got = read(fd, buffer + used, size - 1 - used)) > 0)
        used += (size_t)got;
    close(fd);
    buffer[used] = 0;
    return used;
}

/* Fields 26 to 28 and 45 to 51 of a stat: where the parts of the address space are. */
static void layout(uint64_t fields[52])
{
    char text[2048];
    slurp("/proc/self/stat", text, sizeof text);
    char *at = strrchr(text, ')');
    for (int i = 3; at && i < 52; i++) {
        at = strchr(at, ' ') + 1;
        fields[i] = strtoull(at, NULL, 10);
    }
}

struct view {
    char command[4096], environment[65536], vector[4096], program[PATH_MAX];
    size_t command_size, environment_size, vector_size;
    uint64_t fields[52];
    void *heap_end;
};

static void look(struct view *view)
{
    view->command_size = slurp("/proc/self/cmdline", view->command, sizeof view->command);
    view->environment_size =
        slurp("/proc/self/environ", view->environment, sizeof view->environment);
    view->vector_size = slurp("/proc/self/auxv", view->vector, sizeof view->vector);
    ssize_t length = readlink("/proc/self/exe", view->program, sizeof view->program - 1);
    view->program[length < 0 ? 0 : length] = 0;
    layout(view->fields);
    view->heap_end = sbrk(0);
}

static void compare(const struct view *before, const struct view *after)
{
    static const struct {
        int field;
        const char *name;
    } names[] = {
        {26, "start of code"},         {27, "end of code"},      {28, "start of the stack"},
        {45, "start of data"},         {46, "end of data"},      {47, "start of the heap"},
        {48, "start of arguments"},    {49, "end of arguments"}, {50, "start of the environment"},
        {51, "end of the environment"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int f = names[i].field;
        subject_check(before->fields[f] == after->fields[f], "the %s was %#lx and is %#lx",
                      names[i].name, (unsigned long)before->fields[f],
                      (unsigned long)after->fields[f]);
    }
    subject_check(before->heap_end == after->heap_end, "the heap's end was %p and is %p",
                  before->heap_end, after->heap_end);
    subject_check(before->command_size == after->command_size &&
                      memcmp(before->command, after->command, after->command_size) == 0,
                  "the command line changed");
    subject_check(before->environment_size == after->environment_size &&
                      memcmp(before->environment, after->environment, after->environment_size) == 0,
                  "the environment changed");
    subject_check(before->vector_size == after->vector_size &&
                      memcmp(before->vector, after->vector, after->vector_size) == 0,
                  "the auxiliary vector changed");
    subject_check(strcmp(before->program, after->program) == 0, "the program was %s and is %s",
                  before->program, after->program);
}

enum { GET_REGISTRATIONS = 1 << 9 }; /* Linux 6.3 */

static long barrier(int command)
{
    return syscall(SYS_membarrier, command, 0, 0);
}

static long number_in(const char *path, int base)
{
    char text[64];
    slurp(path, text, sizeof text);
    return strtol(text, NULL, base);
}

static void lower_limits(struct rlimit limits[LIMITS])
{
    for (int i = 0; i < LIMITS; i++) {
        getrlimit((__rlimit_resource_t)i, &limits[i]);
        rlim_t most = limits[i].rlim_max == RLIM_INFINITY ? (rlim_t)1 << 45 : limits[i].rlim_max;
        if (i == RLIMIT_NICE || i == RLIMIT_RTPRIO || i == RLIMIT_AS || i == RLIMIT_CPU)
            continue;
        limits[i].rlim_max = most - (most > 4096 ? 1 : 0);
        limits[i].rlim_cur = limits[i].rlim_max - (most > 8192 ? (rlim_t)i : 0);
        subject_need(setrlimit((__rlimit_resource_t)i, &limits[i]) == 0, "setrlimit %d: %m", i);
    }
}

static void check_limits(const struct rlimit limits[LIMITS])
{
    for (int i = 0; i < LIMITS; i++) {
        struct rlimit now;
        getrlimit((__rlimit_resource_t)i, &now);
        subject_check(now.rlim_cur == limits[i].rlim_cur && now.rlim_max == limits[i].rlim_max,
                      "limit %d was %lu/%lu and is %lu/%lu", i, limits[i].rlim_cur,
                      limits[i].rlim_max, now.rlim_cur, now.rlim_max);
    }
}

int main(void)
{
    static struct view before, after;
    static struct rlimit limits[LIMITS];
    char name[16], here[PATH_MAX], there[PATH_MAX];
    int subreaper = 0;
    subject_need(mkdir("inside", 0700) == 0 && chdir("inside") == 0, "chdir: %m");
    subject_need(getcwd(here, sizeof here) != NULL, "getcwd: %m");
    umask(0137);
    prctl(PR_SET_NAME, "some (name) \\");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    personality(ADDR_NO_RANDOMIZE | SHORT_INODE);
    int nice_value = nice(3);
    syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6);
    bool adjusted = false;
    int fd = open("/proc/self/oom_score_adj", O_WRONLY);
    adjusted = fd >= 0 && write(fd, "417", 3) == 3;
    close(fd);
    fd = open("/proc/self/coredump_filter", O_WRONLY);
    subject_need(fd >= 0 && write(fd, "0x21", 4) == 4, "coredump_filter: %m");
    close(fd);
    subject_need(brk((char *)sbrk(0) + 12345) == 0, "brk: %m");
    struct sched_param idle = {0};
    subject_need(sched_setscheduler(0, SCHED_BATCH, &idle) == 0, "sched_setscheduler: %m");
    subject_need(barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
                     barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0,
                 "membarrier: %m");
    bool flusher = prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) == 0;
    lower_limits(limits);
    look(&before);
    pid_t pid = getpid(), group = getpgrp(), session = getsid(0);

    subject_ready();
    subject_wait_go();

    look(&after);
    compare(&before, &after);
    check_limits(limits);
    subject_check(getcwd(there, sizeof there) && strcmp(here, there) == 0,
                  "the working directory was %s and is %s", here, there);
    subject_check(umask(0) == 0137, "the mask of new files changed");
    prctl(PR_GET_NAME, name);
    subject_check(strcmp(name, "some (name) \\") == 0, "the name is %s", name);
    prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
    subject_check(subreaper == 1, "it no longer adopts orphans");
    subject_check(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1, "huge pages are no longer disabled");
    subject_check(personality(0xffffffff) == (ADDR_NO_RANDOMIZE | SHORT_INODE),
                  "the personality is %#x", personality(0xffffffff));
    subject_check(getpriority(PRIO_PROCESS, 0) == nice_value, "the nice value was %d and is %d",
                  nice_value, getpriority(PRIO_PROCESS, 0));
    subject_check(sched_getscheduler(0) == SCHED_BATCH, "the scheduling policy is %d",
                  sched_getscheduler(0));
    subject_check(syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6), "the I/O priority is %ld",
                  syscall(SYS_ioprio_get, 1, 0));
    subject_check(!adjusted || number_in("/proc/self/oom_score_adj", 10) == 417,
                  "oom_score_adj is %ld", number_in("/proc/self/oom_score_adj", 10));
    subject_check(number_in("/proc/self/coredump_filter", 16) == 0x21, "coredump_filter is %#lx",
                  number_in("/proc/self/coredump_filter", 16));
    subject_check(prctl(PR_GET_DUMPABLE) == 1, "dumpable is %d", prctl(PR_GET_DUMPABLE));
    subject_check(barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0,
                  "private memory barriers fail: %m");
    long registered = barrier(GET_REGISTRATIONS);
    subject_check(registered < 0 || registered == (MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
                                                   MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED),
                  "the memory barriers that it is registered for are %#lx", registered);
    subject_check(!flusher || prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0) == 1,
                  "it no longer flushes for others");
    subject_check(getpid() == pid, "process %d became process %d", pid, getpid());
    subject_check((group == pid) == (getpgrp() == pid), "its process group was %d and is %d", group,
                  getpgrp());
    subject_check((session == pid) == (getsid(0) == pid), "its session was %d and is %d", session,
                  getsid(0));
    return subject_done();
}
