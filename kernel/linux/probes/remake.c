/* remake.c: probes of what restore needs: process ids, namespaces, the layout of memory. */
#include "kernel/linux/abi.h"
#include "kernel/linux/probes/probes.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum linux_answer linux_probe_mm_map(pid_t child, char *detail, size_t size)
{
    (void)child;
    unsigned int length;
    return linux_probe_answer(prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &length, 0, 0), detail, size);
}

static bool effective(unsigned int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    return syscall(SYS_capget, &header, sets) == 0 &&
           sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

enum linux_answer linux_probe_capability(pid_t child, char *detail, size_t size)
{
    (void)child;
    bool root = effective(CAP_SYS_ADMIN);
    snprintf(detail, size, "%s", root ? "CAP_SYS_ADMIN includes it" : "");
    return root || effective(CAP_CHECKPOINT_RESTORE) ? LINUX_YES : LINUX_NO;
}

/* Makes and reaps a child with the id `pid`. */
static long clone_as(pid_t pid)
{
    struct clone_args arguments = {
        .exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0)
        _exit(0);
    if (child > 0)
        waitpid((pid_t)child, NULL, 0);
    return child;
}

enum linux_answer linux_probe_set_tid(pid_t child, char *detail, size_t size)
{
    (void)child;
    /* An id that was just free; somebody else may have taken it, so a few are tried. */
    long result = -1;
    for (int i = 0; result < 0 && i < 4; i++) {
        pid_t free_id = fork();
        if (free_id == 0)
            _exit(0);
        if (free_id < 0 || waitpid(free_id, NULL, 0) < 0)
            break;
        result = clone_as(free_id);
        if (result < 0 && errno != EEXIST)
            break;
    }
    return linux_probe_answer(result, detail, size);
}

/* In a child of ours: whether the first process of new namespaces can choose an id for another. */
static int choose_in_namespace(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWPID) < 0)
        return errno;
    pid_t first = fork();
    if (first == 0)
        _exit(clone_as(1000) < 0 ? errno : 0);
    int status;
    if (first < 0 || waitpid(first, &status, 0) < 0)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}

/* What `probe` gives in a process of its own: 0, or -1 with errno. */
static long apart(int (*probe)(void))
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(probe());
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -1;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
    return errno ? -1 : 0;
}

enum linux_answer linux_probe_namespace(pid_t child, char *detail, size_t size)
{
    (void)child;
    return linux_probe_answer(apart(choose_in_namespace), detail, size);
}

static int choose_timer_id(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    int id = 77;
    if (prctl(PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_ON, 0, 0, 0) < 0)
        return errno;
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id) < 0)
        return errno;
    return id == 77 ? 0 : ENOSYS;
}

enum linux_answer linux_probe_timer_ids(pid_t child, char *detail, size_t size)
{
    (void)child;
    return linux_probe_answer(apart(choose_timer_id), detail, size);
}
