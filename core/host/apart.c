/* apart.c: what a process inherits from its parent, one thing after the other, and what becomes of
 * it in a process that serves somebody else. */
#include "core/host/apart.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/mempolicy.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What is known of the client's process. */
struct model {
    pid_t pid; /* 0: it cannot be seen, has ended, or is somebody else by now */
    uint64_t permitted, bounding;
};

int core_apart_keyring(void)
{
    long joined = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
    return joined < 0 && errno != ENOSYS ? -errno : 0;
}

static struct model look_at(pid_t pid, const struct core_identity *identity)
{
    struct model model = {0};
    char path[48], line[256];
    unsigned uid = 0;
    unsigned long long mask;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = pid > 0 ? fopen(path, "re") : NULL;
    if (!file)
        return model;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "Uid: %*u %u", &uid) == 1 && uid == identity->uid)
            model.pid = pid;
        else if (sscanf(line, "CapPrm: %llx", &mask) == 1)
            model.permitted = mask;
        else if (sscanf(line, "CapBnd: %llx", &mask) == 1)
            model.bounding = mask;
    }
    fclose(file);
    return model.pid ? model : (struct model){0};
}

/* As /proc tells them to everybody; prlimit(2) asks for a right over a process of another user. The
 * second value is what a process has that is of no special kind, for a client of which nothing is
 * known; what depends on the machine stays as it is. */
static const struct {
    const char *name;
    struct rlimit plain;
    int resource;
    bool of_machine;
} limits[] = {
    {"Max cpu time", {RLIM_INFINITY, RLIM_INFINITY}, RLIMIT_CPU, false},
    {"Max file size", {RLIM_INFINITY, RLIM_INFINITY}, RLIMIT_FSIZE, false},
    {"Max data size", {RLIM_INFINITY, RLIM_INFINITY}, RLIMIT_DATA, false},
    {"Max stack size", {8 << 20, RLIM_INFINITY}, RLIMIT_STACK, false},
    {"Max core file size", {0, RLIM_INFINITY}, RLIMIT_CORE, false},
    {"Max resident set", {RLIM_INFINITY, RLIM_INFINITY}, RLIMIT_RSS, false},
    {"Max processes", {0, 0}, RLIMIT_NPROC, true},
    {"Max open files", {1024, 4096}, RLIMIT_NOFILE, false},
    {"Max locked memory", {8 << 20, 8 << 20}, RLIMIT_MEMLOCK, false},
    {"Max address space", {RLIM_INFINITY, RLIM_INFINITY}, RLIMIT_AS, false},
    {"Max file locks", {RLIM_INFINITY, RLIM_INFINITY}, RLIMIT_LOCKS, false},
    {"Max pending signals", {0, 0}, RLIMIT_SIGPENDING, true},
    {"Max msgqueue size", {819200, 819200}, RLIMIT_MSGQUEUE, false},
    {"Max nice priority", {0, 0}, RLIMIT_NICE, false},
    {"Max realtime priority", {0, 0}, RLIMIT_RTPRIO, false},
    {"Max realtime timeout", {RLIM_INFINITY, RLIM_INFINITY}, RLIMIT_RTTIME, false},
};

/* Only root may raise one; what anybody else may have is the least of both. */
static void set_limit(int resource, struct rlimit limit)
{
    struct rlimit own;
    if (setrlimit(resource, &limit) == 0 || getrlimit(resource, &own) < 0)
        return;
    limit.rlim_max = limit.rlim_max < own.rlim_max ? limit.rlim_max : own.rlim_max;
    limit.rlim_cur = limit.rlim_cur < limit.rlim_max ? limit.rlim_cur : limit.rlim_max;
    setrlimit(resource, &limit);
}

static rlim_t limit_value(const char *text)
{
    return strcmp(text, "unlimited") == 0 ? RLIM_INFINITY : strtoull(text, NULL, 10);
}

static void set_limits(const struct model *model)
{
    char path[48], line[256], soft[32], hard[32];
    bool told[sizeof limits / sizeof *limits] = {false};
    snprintf(path, sizeof path, "/proc/%d/limits", model->pid);
    FILE *file = model->pid ? fopen(path, "re") : NULL;
    while (file && fgets(line, sizeof line, file))
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
            size_t length = strlen(limits[i].name);
            if (strncmp(line, limits[i].name, length) != 0 ||
                sscanf(line + length, "%31s %31s", soft, hard) != 2)
                continue;
            set_limit(limits[i].resource, (struct rlimit){limit_value(soft), limit_value(hard)});
            told[i] = true;
        }
    if (file)
        fclose(file);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (!told[i] && !limits[i].of_machine)
            set_limit(limits[i].resource, limits[i].plain);
}

/* Copies what the model has in /proc; the text of nothing where there is no model. */
static void copy_text(const struct model *model, const char *name, const char *otherwise)
{
    char path[64], text[64];
    ssize_t length = -1;
    snprintf(path, sizeof path, "/proc/%d/%s", model->pid, name);
    int from = model->pid ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (from >= 0)
        length = read(from, text, sizeof text);
    if (length <= 0)
        length = snprintf(text, sizeof text, "%s", otherwise);
    snprintf(path, sizeof path, "/proc/self/%s", name);
    int to = length > 0 ? open(path, O_WRONLY | O_CLOEXEC) : -1;
    /* Who may not has nothing either that another would have to be kept from. */
    if (to >= 0 && write(to, text, (size_t)length) != length)
        length = -1;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
}

static void set_scheduling(const struct model *model)
{
    enum { PROCESSORS = 8192, IOPRIO_OF_PROCESS = 1 };
    const struct sched_param plain = {0};
    unsigned long processors[PROCESSORS / (8 * sizeof(unsigned long))];
    errno = 0;
    int nice = model->pid ? getpriority(PRIO_PROCESS, (id_t)model->pid) : 0;
    sched_setscheduler(0, SCHED_OTHER, &plain);
    setpriority(PRIO_PROCESS, 0, errno ? 0 : nice);
    long priority = model->pid ? syscall(SYS_ioprio_get, IOPRIO_OF_PROCESS, model->pid) : 0;
    syscall(SYS_ioprio_set, IOPRIO_OF_PROCESS, 0, priority < 0 ? 0 : priority);
    long size =
        model->pid ? syscall(SYS_sched_getaffinity, model->pid, sizeof processors, processors) : -1;
    if (size < 0)
        memset(processors, 0xff, size = sizeof processors);
    syscall(SYS_sched_setaffinity, 0, size, processors);
    syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}

/* What is made for the client counts as the client's. */
static void join_control_group(const struct model *model)
{
    static const char own[] = "0::/";
    char path[64], line[4096], procs[sizeof line + 64];
    snprintf(path, sizeof path, "/proc/%d/cgroup", model->pid);
    FILE *file = model->pid ? fopen(path, "re") : NULL;
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, own, sizeof own - 1) != 0 || strstr(line, "/.."))
            continue;
        snprintf(procs, sizeof procs, "/sys/fs/cgroup%s/cgroup.procs", line + sizeof own - 2);
        int fd = open(procs, O_WRONLY | O_CLOEXEC);
        if (fd >= 0) {
            ssize_t written = write(fd, "0", 1);
            (void)written; /* where it may not, it stays where core is */
            close(fd);
        }
    }
    if (file)
        fclose(file);
}

static void reset_signals(void)
{
    /* Past the C library, which keeps two of them for itself, as ignored as they were inherited. */
    const uint64_t plain[4] = {0};
    sigset_t blocked;
    for (int number = 1; number < NSIG; number++)
        syscall(SYS_rt_sigaction, number, plain, NULL, sizeof(uint64_t));
    /* SIGTERM alone stays blocked: it waits for the end of a request. */
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
}

static void reset_traits(void)
{
    enum { SLACK = 50000 };
    prctl(PR_SET_TIMERSLACK, SLACK, 0, 0, 0);
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* With them, giving root up would not give up its capabilities. */
    prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
    personality(PER_LINUX);
}

int core_apart(pid_t pid, struct core_identity *identity)
{
    struct model model = look_at(pid, identity);
    int result = setsid() < 0 ? -errno : core_apart_keyring();
    if (result < 0 || chdir("/") < 0)
        return result < 0 ? result : -errno;
    umask(077);
    reset_signals();
    reset_traits();
    join_control_group(&model);
    set_scheduling(&model);
    set_limits(&model);
    copy_text(&model, "oom_score_adj", "0");
    copy_text(&model, "loginuid", "");
    identity->bounding = model.pid ? model.bounding : UINT64_MAX;
    identity->capabilities = identity->uid ? 0 : model.pid ? model.permitted : UINT64_MAX;
    return 0;
}
