/* threads.c: what each thread has for itself, tried in a second one. */
#include "newer.h"
#include "states.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* --- scheduling ---------------------------------------------------------------------------------
 */

/* As sched_setattr(2) has it. */
struct sched_attr {
    uint32_t size, sched_policy;
    uint64_t sched_flags;
    int32_t sched_nice;
    uint32_t sched_priority;
    uint64_t sched_runtime, sched_deadline, sched_period;
    uint32_t sched_util_min, sched_util_max;
};

/* sched_attr of {policy, priority, nice, flags, runtime} */
static int set_policy(struct held *held)
{
    const long *n = held->state->numbers;
    struct sched_attr attributes = {.size = sizeof attributes,
                                    .sched_policy = (uint32_t)n[0],
                                    .sched_priority = (uint32_t)n[1],
                                    .sched_nice = (int32_t)n[2],
                                    .sched_flags = (uint64_t)n[3],
                                    .sched_runtime = (uint64_t)n[4]};
    if (n[0] == SCHED_DEADLINE) {
        attributes.sched_deadline = 50000000;
        attributes.sched_period = 100000000;
    }
    return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

static void read_policy(struct held *held, char text[STATE_TEXT])
{
    struct sched_attr a = {.size = sizeof a};
    (void)held;
    bool answered = syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) == 0;
    state_say(text, answered,
              "policy %u, flags %#lx, nice %d, priority %u, %lu/%lu/%lu, clamped %u to %u",
              a.sched_policy, a.sched_flags, a.sched_nice, a.sched_priority, a.sched_runtime,
              a.sched_deadline, a.sched_period, a.sched_util_min, a.sched_util_max);
}

static int clamp(struct held *held)
{
    (void)held;
    struct sched_attr a = {.size = sizeof a,
                           .sched_flags = SCHED_FLAG_KEEP_ALL | SCHED_FLAG_UTIL_CLAMP,
                           .sched_util_min = 100,
                           .sched_util_max = 900};
    return (int)syscall(SYS_sched_setattr, 0, &a, 0);
}

static int bind_to_processor(struct held *held)
{
    cpu_set_t set;
    (void)held;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return -1;
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&set) > 1; i++)
        CPU_CLR(i, &set);
    return sched_setaffinity(0, sizeof set, &set);
}

static int set_io_priority(struct held *held)
{
    const long *n = held->state->numbers;
    return (int)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, n[0] << IOPRIO_CLASS_SHIFT | n[1]);
}

static int set_memory_policy(struct held *held)
{
    const unsigned long nodes = 1;
    (void)held;
    return (int)syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &nodes, 8 * sizeof nodes);
}

static void read_memory_policy(struct held *held, char text[STATE_TEXT])
{
    int mode = -1;
    unsigned long nodes[16] = {0};
    (void)held;
    bool answered = syscall(SYS_get_mempolicy, &mode, nodes, 8 * sizeof nodes, NULL, 0) == 0;
    state_say(text, answered, "mode %d, nodes %#lx", mode, nodes[0]);
}

static void read_io_priority(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say(text, true, "%#lx", syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0));
}

/* --- signals ------------------------------------------------------------------------------------
 */

static int block_signal(struct held *held)
{
    sigset_t set;
    (void)held;
    sigemptyset(&set);
    sigaddset(&set, SIGTTIN);
    return pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int leave_signal_pending(struct held *held)
{
    sigset_t set;
    (void)held;
    sigemptyset(&set);
    sigaddset(&set, SIGTTOU);
    return pthread_sigmask(SIG_BLOCK, &set, NULL) ||
                   syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGTTOU)
               ? -1
               : 0;
}

static int set_signal_stack(struct held *held)
{
    static char memory[65536];
    const stack_t stack = {
        .ss_sp = memory, .ss_size = sizeof memory, .ss_flags = (int)held->state->numbers[0]};
    return sigaltstack(&stack, NULL);
}

static void read_signal_stack(struct held *held, char text[STATE_TEXT])
{
    stack_t stack;
    (void)held;
    bool answered = sigaltstack(NULL, &stack) == 0;
    state_say(text, answered, "%p, %zu bytes, flags %#x", stack.ss_sp, stack.ss_size,
              (unsigned)stack.ss_flags);
}

/* --- what the kernel knows of the thread's memory -----------------------------------------------
 */

static int set_robust_list(struct held *held)
{
    static struct {
        void *next;
        long offset;
        void *pending;
    } list = {&list, 0, NULL};
    (void)held;
    return (int)syscall(SYS_set_robust_list, &list, sizeof list);
}

static void read_robust_list(struct held *held, char text[STATE_TEXT])
{
    void *head = NULL;
    size_t length = 0;
    (void)held;
    bool answered = syscall(SYS_get_robust_list, 0, &head, &length) == 0;
    state_say(text, answered, "%p, %zu", head, length);
}

static int set_tid_address(struct held *held)
{
    static int word;
    (void)held;
    syscall(SYS_set_tid_address, &word);
    return 0;
}

static void read_tid_address(struct held *held, char text[STATE_TEXT])
{
    void *address = NULL;
    (void)held;
    bool answered = prctl(PR_GET_TID_ADDRESS, &address, 0, 0, 0) == 0;
    state_say(text, answered, "%p", address);
}

static int set_name(struct held *held)
{
    (void)held;
    return prctl(PR_SET_NAME, "a (name) \\ x", 0, 0, 0);
}

static void read_name(struct held *held, char text[STATE_TEXT])
{
    char name[16] = "";
    (void)held;
    bool answered = prctl(PR_GET_NAME, name, 0, 0, 0) == 0;
    state_say(text, answered, "%s", name);
}

static int set_base(struct held *held)
{
    static char area[64];
    return (int)syscall(SYS_arch_prctl, held->state->numbers[0], area);
}

static void read_base(struct held *held, char text[STATE_TEXT])
{
    unsigned long base = 0;
    bool answered = syscall(SYS_arch_prctl, held->state->numbers[1], &base) == 0;
    state_say(text, answered, "%#lx", base);
}

/* --- syscall user dispatch ----------------------------------------------------------------------
 */

static volatile char selector;
static volatile sig_atomic_t caught;

static void catch_call(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    selector = 0; /* its return is a system call, too */
    caught = 1;
}

static int open_dispatch(struct held *held)
{
    const struct sigaction action = {.sa_sigaction = catch_call, .sa_flags = SA_SIGINFO};
    (void)held;
    return sigaction(SIGSYS, &action, NULL);
}

static int set_dispatch(struct held *held)
{
    (void)held;
    return prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &selector);
}

static void read_dispatch(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    caught = 0;
    selector = 1;
    syscall(SYS_getppid);
    selector = 0;
    state_say(text, true, caught ? "a call is caught" : "no call is caught");
}

/* --- the processor ------------------------------------------------------------------------------
 */

static int fault_on_cpuid(struct held *held)
{
    (void)held;
    return (int)syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0);
}

static void read_cpuid(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say(text, true, "%ld", syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0));
}

static int permit_ports(struct held *held)
{
    (void)held;
    return ioperm(0x80, 1, 1);
}

static int raise_level(struct held *held)
{
    (void)held;
    return iopl(3);
}

/* Whether writing to the port that nobody listens at ends in a signal cannot be tried harmlessly
 * everywhere: lowering what is not there is an error. */
static void read_ports(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say(text, *held->ordinary != '\0', "permitted");
}

/* --- what threads otherwise share ---------------------------------------------------------------
 */

/* {flag, kind of kcmp} */
static int stop_sharing(struct held *held)
{
    return unshare((int)held->state->numbers[0]);
}

static void read_sharing(struct held *held, char text[STATE_TEXT])
{
    long order = syscall(SYS_kcmp, getpid(), syscall(SYS_gettid), held->state->numbers[1], 0, 0);
    state_say(text, order >= 0, order ? "its own" : "shared");
}

#define OPTION(option, value, flags, ...)                                                          \
    .set = state_set_option, .numbers = {(option), (value), (flags), __VA_ARGS__}
#define POLICY(policy, priority, nice, flags, runtime)                                             \
    .set = set_policy, .read = read_policy, .alone = true,                                         \
    .numbers = {(policy), (priority), (nice), (flags), (runtime)}

enum { COMPARE_FILES = 2, COMPARE_FS = 3, COMPARE_SYSVSEM = 6 }; /* as kcmp(2) numbers them */

static const struct state states[] = {
    {.name = "PR_SET_TIMERSLACK",
     .claims = "PR_SET_TIMERSLACK self:timerslack_ns",
     .read = state_read_option,
     OPTION(PR_SET_TIMERSLACK, 12345, 0, PR_GET_TIMERSLACK)},
    {.name = "PR_SET_TSC",
     .read = state_read_option_there,
     OPTION(PR_SET_TSC, PR_TSC_SIGSEGV, 0, PR_GET_TSC),
     .alone = true},
    {.name = "PR_MCE_KILL",
     .read = state_read_option,
     OPTION(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, PR_MCE_KILL_GET)},
    {.name = "PR_SET_IO_FLUSHER",
     .read = state_read_option,
     OPTION(PR_SET_IO_FLUSHER, 1, 0, PR_GET_IO_FLUSHER)},
    {.name = "PR_SPEC_STORE_BYPASS",
     .claims = "PR_SPEC_STORE_BYPASS PR_SET_SPECULATION_CTRL status:Speculation_Store_Bypass",
     .read = state_read_option,
     OPTION(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, PR_GET_SPECULATION_CTRL,
            PR_SPEC_STORE_BYPASS),
     .may_lack = "a processor where a thread may choose"},
    {.name = "PR_SPEC_INDIRECT_BRANCH",
     .claims = "PR_SPEC_INDIRECT_BRANCH status:SpeculationIndirectBranch",
     .read = state_read_option,
     OPTION(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, PR_SPEC_DISABLE,
            PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH),
     .may_lack = "a processor where a thread may choose"},
    {.name = "PR_SPEC_L1D_FLUSH",
     .read = state_read_option,
     OPTION(PR_SET_SPECULATION_CTRL, PR_SPEC_L1D_FLUSH, PR_SPEC_ENABLE, PR_GET_SPECULATION_CTRL,
            PR_SPEC_L1D_FLUSH),
     .may_lack = "a processor where a thread may choose"},
    {.name = "PR_SET_PDEATHSIG",
     .read = state_read_option_there,
     OPTION(PR_SET_PDEATHSIG, SIGURG, 0, PR_GET_PDEATHSIG)},
    {.name = "PR_SET_SYSCALL_USER_DISPATCH",
     .claims = "PR_SET_SYSCALL_USER_DISPATCH PR_SYS_DISPATCH_ON",
     .open = open_dispatch,
     .set = set_dispatch,
     .read = read_dispatch,
     .alone = true},
    {.name = "PR_SET_NAME",
     .claims = "PR_SET_NAME status:Name self:comm thread-self:comm stat:2",
     .set = set_name,
     .read = read_name},
    {.name = "ARCH_SET_GS",
     .set = set_base,
     .read = read_base,
     .numbers = {ARCH_SET_GS, ARCH_GET_GS}},
    {.name = "ARCH_SET_CPUID",
     .set = fault_on_cpuid,
     .read = read_cpuid,
     .may_lack = "a processor that can fault on CPUID"},
    {.name = "ioperm",
     .claims = "__NR_ioperm",
     .set = permit_ports,
     .read = read_ports,
     .may_lack = "a kernel that lets programs use ports",
     .refused = "may use ports of the processor"},
    {.name = "iopl",
     .claims = "__NR_iopl",
     .set = raise_level,
     .read = read_ports,
     .may_lack = "a kernel that lets programs use ports",
     .limit = "the level of its access to ports",
     .alone = true},
    {.name = "SCHED_OTHER",
     .claims = "SCHED_OTHER SCHED_NORMAL stat:19 __NR_setpriority __NR_sched_setattr",
     POLICY(SCHED_OTHER, 0, 7, 0, 0)},
    {.name = "SCHED_OTHER with a slice", POLICY(SCHED_OTHER, 0, 0, 0, 5000000), .since = "6.12"},
    {.name = "SCHED_BATCH", .claims = "SCHED_BATCH stat:41", POLICY(SCHED_BATCH, 0, 5, 0, 0)},
    {.name = "SCHED_IDLE", POLICY(SCHED_IDLE, 0, 0, 0, 0)},
    {.name = "SCHED_FIFO",
     .claims = "SCHED_FIFO stat:18 stat:40 __NR_sched_setscheduler __NR_sched_setparam",
     POLICY(SCHED_FIFO, 3, 0, 0, 0)},
    {.name = "SCHED_RR", POLICY(SCHED_RR, 4, 0, 0, 0)},
    {.name = "SCHED_DEADLINE", POLICY(SCHED_DEADLINE, 0, 0, 0, 10000000)},
    {.name = "SCHED_FLAG_RECLAIM",
     POLICY(SCHED_DEADLINE, 0, 0, SCHED_FLAG_RECLAIM | SCHED_FLAG_DL_OVERRUN, 10000000),
     .claims = "SCHED_FLAG_RECLAIM SCHED_FLAG_DL_OVERRUN"},
    {.name = "SCHED_RESET_ON_FORK",
     .claims = "SCHED_RESET_ON_FORK SCHED_FLAG_RESET_ON_FORK",
     POLICY(SCHED_OTHER, 0, 3, SCHED_FLAG_RESET_ON_FORK, 0)},
    {.name = "SCHED_FLAG_UTIL_CLAMP",
     .claims = "SCHED_FLAG_UTIL_CLAMP SCHED_FLAG_UTIL_CLAMP_MIN SCHED_FLAG_UTIL_CLAMP_MAX",
     .set = clamp,
     .read = read_policy,
     .alone = true,
     .may_lack = "a kernel with clamps (CONFIG_UCLAMP_TASK)"},
    {.name = "status:Cpus_allowed",
     .claims = "status:Cpus_allowed status:Cpus_allowed_list __NR_sched_setaffinity",
     .set = bind_to_processor,
     .read = state_read_status,
     .may_lack = "a second processor"},
    {.name = "IOPRIO_CLASS_BE",
     .claims = "IOPRIO_CLASS_BE __NR_ioprio_set",
     .set = set_io_priority,
     .read = read_io_priority,
     .numbers = {IOPRIO_CLASS_BE, 6}},
    {.name = "IOPRIO_HINT_DEV_DURATION_LIMIT_1",
     .set = set_io_priority,
     .read = read_io_priority,
     .numbers = {IOPRIO_CLASS_BE, IOPRIO_HINT_DEV_DURATION_LIMIT_1 << IOPRIO_HINT_SHIFT | 5},
     .since = "6.5",
     .alone = true},
    {.name = "IOPRIO_CLASS_IDLE",
     .set = set_io_priority,
     .read = read_io_priority,
     .numbers = {IOPRIO_CLASS_IDLE, 7},
     .alone = true},
    {.name = "IOPRIO_CLASS_RT",
     .set = set_io_priority,
     .read = read_io_priority,
     .numbers = {IOPRIO_CLASS_RT, 3},
     .alone = true},
    {.name = "set_mempolicy of a thread",
     .claims = "__NR_get_mempolicy",
     .set = set_memory_policy,
     .read = read_memory_policy},
    {.name = "status:SigBlk",
     .claims = "status:SigBlk stat:32 __NR_rt_sigprocmask",
     .set = block_signal,
     .read = state_read_status},
    {.name = "status:SigPnd",
     .claims = "status:SigPnd stat:31 __NR_tgkill __NR_tkill __NR_rt_tgsigqueueinfo",
     .set = leave_signal_pending,
     .read = state_read_status},
    {.name = "sigaltstack",
     .claims = "__NR_sigaltstack",
     .set = set_signal_stack,
     .read = read_signal_stack,
     .alone = true},
    {.name = "sigaltstack that disarms itself",
     .claims = "SS_AUTODISARM",
     .set = set_signal_stack,
     .read = read_signal_stack,
     .numbers = {(int)(1u << 31)},
     .alone = true},
    {.name = "set_robust_list",
     .claims = "__NR_set_robust_list",
     .set = set_robust_list,
     .read = read_robust_list},
    {.name = "set_tid_address",
     .claims = "__NR_set_tid_address",
     .set = set_tid_address,
     .read = read_tid_address,
     .alone = true},
    {.name = "CLONE_FILES",
     .set = stop_sharing,
     .read = read_sharing,
     .numbers = {CLONE_FILES, COMPARE_FILES},
     .refused = "has a descriptor table of its own"},
    {.name = "CLONE_FS",
     .set = stop_sharing,
     .read = read_sharing,
     .numbers = {CLONE_FS, COMPARE_FS},
     .refused = "has a working directory and umask of its own"},
    {.name = "CLONE_SYSVSEM",
     .set = stop_sharing,
     .read = read_sharing,
     .numbers = {CLONE_SYSVSEM, COMPARE_SYSVSEM},
     .refused = "has a list of semaphore operations to undo of its own"},
};

STATE_FAMILY(threads_family, "threads", states, .by_thread = true);
