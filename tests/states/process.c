/* process.c: what a process has as a whole. */
#include "newer.h"
#include "states.h"

#include <asm/prctl.h>
#include <errno.h>
#include <linux/membarrier.h>
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
#include <time.h>
#include <unistd.h>

/* Whoever is not root could not reach it any more. */
static int set_dumpable(struct held *held)
{
    if (geteuid() != 0)
        return errno = EPERM, -1;
    return state_set_option(held);
}

/* --- files of /proc -----------------------------------------------------------------------------
 */

/* The file /proc/self/X of the name self:X. */
static const char *file_of(const struct held *held, char path[64])
{
    snprintf(path, 64, "/proc/self/%s", held->state->name + strlen("self:"));
    return path;
}

static int write_number(struct held *held)
{
    char path[64], text[32];
    snprintf(text, sizeof text, "%ld", held->state->numbers[0]);
    return state_write_file(file_of(held, path), text);
}

static void read_file(struct held *held, char text[STATE_TEXT])
{
    char path[64];
    state_say_file(text, file_of(held, path));
}

/* The kernel takes such numbers of users ten times in a second, all users' together. */
static int write_rationed(struct held *held)
{
    const struct timespec between = {.tv_nsec = 30000000};
    int result = write_number(held);
    for (int tries = 200; tries && result < 0 && errno == EAGAIN; tries--) {
        nanosleep(&between, NULL);
        result = write_number(held);
    }
    return result;
}

/* --- directories, and what each new file has ----------------------------------------------------
 */

static int set_umask(struct held *held)
{
    (void)held;
    umask(0137);
    return 0;
}

static int set_directory(struct held *held)
{
    (void)held;
    return mkdir("inner", 0700) || chdir("inner") ? -1 : 0;
}

/* The conversation goes on inside, in the folder above the working directory. */
static int set_root(struct held *held)
{
    (void)held;
    if (chroot("..") != 0)
        return -1;
    return setenv("RECAP_GO", "/go", 1) || setenv("RECAP_RESULT", "/result", 1) ? -1 : 0;
}

static void read_root(struct held *held, char text[STATE_TEXT])
{
    struct stat status;
    (void)held;
    bool answered = stat("/", &status) == 0;
    state_say(text, answered, "device %lx, inode %lu", status.st_dev, status.st_ino);
}

static void read_link(struct held *held, char text[STATE_TEXT])
{
    char path[64], link[STATE_TEXT];
    ssize_t length = readlink(file_of(held, path), link, sizeof link);
    state_say(text, length >= 0, "%.*s", (int)length, link);
}

/* --- signals ------------------------------------------------------------------------------------
 */

static void handle(int signal)
{
    (void)signal;
}

static int ignore_signal(struct held *held)
{
    (void)held;
    return signal(SIGUSR2, SIG_IGN) == SIG_ERR ? -1 : 0;
}

static int catch_signal(struct held *held)
{
    const struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_NODEFER};
    (void)held;
    return sigaction(SIGWINCH, &action, NULL);
}

static int leave_signal_pending(struct held *held)
{
    (void)held;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    return sigprocmask(SIG_BLOCK, &set, NULL) ||
                   sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = 5})
               ? -1
               : 0;
}

/* --- the rest -----------------------------------------------------------------------------------
 */

static int set_personality(struct held *held)
{
    return personality((unsigned long)held->state->numbers[0]) < 0 ? -1 : 0;
}

static void read_personality(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say(text, true, "%#x", personality(0xffffffff));
}

static int set_barrier(struct held *held)
{
    return (int)syscall(SYS_membarrier, held->state->numbers[0], 0, 0);
}

static void read_barrier(struct held *held, char text[STATE_TEXT])
{
    /* Registered or not, a barrier itself tells on every kernel. */
    long result = syscall(SYS_membarrier, held->state->numbers[1], 0, 0);
    state_say(text, result == 0, "registered");
}

/* The global barriers succeed unregistered, too. */
static void read_registrations(struct held *held, char text[STATE_TEXT])
{
    enum { GET_REGISTRATIONS = 1 << 9 };
    (void)held;
    long registered = syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0);
    state_say(text, registered >= 0, "%ld", registered & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED);
}

/* Tags in addresses, of six bits. */
static int keep_tags(struct held *held)
{
    (void)held;
    return (int)syscall(SYS_arch_prctl, ARCH_ENABLE_TAGGED_ADDR, 6);
}

enum { TILES = 18 };

static int request_tiles(struct held *held)
{
    (void)held;
    return (int)syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILES);
}

static void read_permitted(struct held *held, char text[STATE_TEXT])
{
    uint64_t features = 0;
    (void)held;
    bool answered = syscall(SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &features) == 0;
    state_say(text, answered, "%#lx", features);
}

static int make_cookie(struct held *held)
{
    (void)held;
    return prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0);
}

static void read_cookie(struct held *held, char text[STATE_TEXT])
{
    uint64_t cookie = 0;
    (void)held;
    bool answered = prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0, 0, &cookie) == 0;
    state_say(text, answered, cookie ? "of its own" : "none");
}

static int spend_time(struct held *held)
{
    (void)held;
    while (clock() < 300 * CLOCKS_PER_SEC / 1000)
        ;
    return 0;
}

/* Whether more than that has been spent, which a process that is new has not. */
static void read_spent(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say(text, true, "%s", clock() >= 300 * CLOCKS_PER_SEC / 1000 ? "much" : "little");
}

#define FLAGS_OF(option, value, flags, get)                                                        \
    {                                                                                              \
        (option), (value), (flags), (get)                                                          \
    }
#define BARRIER(registering, barrier)                                                              \
    {                                                                                              \
        (registering), (barrier)                                                                   \
    }

static const struct state states[] = {
    {.name = "PR_SET_DUMPABLE",
     .claims = "PR_SET_DUMPABLE",
     .set = set_dumpable,
     .read = state_read_option,
     .numbers = FLAGS_OF(PR_SET_DUMPABLE, 0, 0, PR_GET_DUMPABLE),
     .alone = true},
    {.name = "PR_SET_CHILD_SUBREAPER",
     .set = state_set_option,
     .read = state_read_option_there,
     .numbers = FLAGS_OF(PR_SET_CHILD_SUBREAPER, 1, 0, PR_GET_CHILD_SUBREAPER)},
    {.name = "self:oom_score_adj",
     .claims = "self:oom_score_adj self:oom_adj self:oom_score",
     .set = write_number,
     .read = read_file,
     .numbers = {417}},
    {.name = "self:coredump_filter", .set = write_number, .read = read_file, .numbers = {0x21}},
    {.name = "self:loginuid",
     .claims = "self:loginuid self:sessionid",
     .set = write_number,
     .read = read_file,
     .numbers = {4711},
     .limit = "the audit session"},
    {.name = "self:autogroup",
     .set = write_rationed,
     .read = read_file,
     .numbers = {7},
     .limit = "the autogroup's nice value"},
    {.name = "status:Umask",
     .claims = "status:Umask __NR_umask",
     .set = set_umask,
     .read = state_read_status},
    {.name = "self:cwd",
     .claims = "self:cwd __NR_chdir __NR_fchdir",
     .set = set_directory,
     .read = read_link},
    {.name = "self:root",
     .claims = "self:root __NR_chroot",
     .set = set_root,
     .read = read_root,
     .alone = true},
    {.name = "status:SigIgn",
     .claims = "status:SigIgn stat:33",
     .set = ignore_signal,
     .read = state_read_status},
    {.name = "status:SigCgt",
     .claims = "status:SigCgt stat:34 __NR_rt_sigaction",
     .set = catch_signal,
     .read = state_read_status},
    {.name = "status:ShdPnd",
     .claims = "status:ShdPnd __NR_kill __NR_rt_sigqueueinfo",
     .set = leave_signal_pending,
     .read = state_read_status},
    {.name = "personality",
     .claims = "__NR_personality self:personality",
     .set = set_personality,
     .read = read_personality,
     .numbers = {ADDR_NO_RANDOMIZE | SHORT_INODE | WHOLE_SECONDS}},
    {.name = "personality of another system",
     .claims = "PER_LINUX32 ADDR_LIMIT_3GB READ_IMPLIES_EXEC STICKY_TIMEOUTS UNAME26",
     .set = set_personality,
     .read = read_personality,
     .numbers = {PER_LINUX32 | ADDR_LIMIT_3GB | READ_IMPLIES_EXEC | STICKY_TIMEOUTS | UNAME26},
     .alone = true},
    {.name = "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED",
     .set = set_barrier,
     .read = read_registrations,
     .numbers = BARRIER(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0),
     .since = "6.3"},
    {.name = "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ",
     .set = set_barrier,
     .read = read_barrier,
     .numbers = BARRIER(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
                        MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ)},
    {.name = "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED",
     .set = set_barrier,
     .read = read_barrier,
     .numbers =
         BARRIER(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, MEMBARRIER_CMD_PRIVATE_EXPEDITED)},
    {.name = "MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE",
     .set = set_barrier,
     .read = read_barrier,
     .numbers = BARRIER(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
                        MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)},
    {.name = "status:untag_mask",
     .claims = "status:untag_mask ARCH_ENABLE_TAGGED_ADDR",
     .set = keep_tags,
     .read = state_read_status,
     .may_lack = "a processor that masks tags of addresses",
     .refused = "keeps tags in its addresses"},
    {.name = "ARCH_REQ_XCOMP_PERM",
     .set = request_tiles,
     .read = read_permitted,
     .may_lack = "a processor with tile registers"},
    {.name = "PR_SCHED_CORE",
     .claims = "PR_SCHED_CORE PR_SCHED_CORE_CREATE",
     .set = make_cookie,
     .read = read_cookie,
     .may_lack = "core scheduling",
     .limit = "core scheduling",
     .alone = true},
    {.name = "processor time",
     .claims = "stat:14 stat:15 __NR_times __NR_getrusage",
     .set = spend_time,
     .read = read_spent,
     .limit = "The processor time that the process and its threads have used"},
};

STATE_FAMILY(process_family, "process", states);
