/* probes.c: the table of probes, and the process that they act on. */
#include "kernel/linux/probes/probes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

const struct linux_probe linux_probes[] = {
    {"ptrace", "stopping a process and acting in it",
     "no process can be checkpointed, and no capability installed", LINUX_NEEDED,
     linux_probe_trace_child},
    {"ptrace of own processes", "the same for processes that recap did not start",
     "a process has to allow it (PR_SET_PTRACER), or kernel.yama.ptrace_scope has to be 0, or "
     "recap needs CAP_SYS_PTRACE",
     LINUX_NEEDED, linux_probe_trace_own},
    {"ptrace of all processes", "the same for processes of other users",
     "only this user's own processes can be listed and checkpointed", LINUX_WANTED,
     linux_probe_trace_all},
    {"pidfd_getfd", "requesting a capability", "no capability space can be read", LINUX_NEEDED,
     linux_probe_getfd},
    {"kcmp", "badges: which selectors refer to the same object",
     "no capability space can be read (the kernel lacks CONFIG_KCMP)", LINUX_NEEDED,
     linux_probe_kcmp},
    {"process_vm_readv", "reading memory", "no process can be checkpointed", LINUX_NEEDED,
     linux_probe_read},
    {"write to /proc/PID/mem", "placing remote system calls",
     "no process can be checkpointed, and no capability installed", LINUX_NEEDED,
     linux_probe_write},
    {"vDSO padding", "where the first remote system calls are placed",
     "no process can be checkpointed, and no capability installed", LINUX_NEEDED, linux_probe_vdso},
    {"extended registers", "keeping floating-point and vector registers",
     "no process can be checkpointed", LINUX_NEEDED, linux_probe_xsave},
    {"rseq configuration", "keeping restartable sequences",
     "processes that use them (all with a recent glibc) are refused", LINUX_NEEDED,
     linux_probe_rseq},
    {"PAGEMAP_SCAN", "finding the pages that a process has",
     "pages are found through /proc/PID/pagemap, which takes longer", LINUX_WANTED,
     linux_probe_pagemap},
    {"map_files", "reaching files that are only mapped, also deleted ones",
     "a process that maps a deleted file is refused", LINUX_WANTED, linux_probe_map_files},
    {"unix_diag", "which Unix sockets are connected to each other",
     "connected Unix sockets are refused", LINUX_WANTED, linux_probe_unix_diag},
    {"PR_SET_MM_MAP", "restoring what /proc shows of a process: arguments, heap, stack",
     "no process can be restored (the kernel lacks CONFIG_CHECKPOINT_RESTORE)", LINUX_NEEDED,
     linux_probe_mm_map},
    {"CAP_CHECKPOINT_RESTORE", "choosing process ids and the executable without being root",
     "restore has to work in namespaces of its own", LINUX_WANTED, linux_probe_capability},
    {"clone3 set_tid", "restoring a process under its own id",
     "restore has to work in namespaces of its own", LINUX_WANTED, linux_probe_set_tid},
    {"user and PID namespaces", "restoring under its own id without privilege",
     "without privilege nothing can be restored (see kernel.unprivileged_userns_clone and "
     "user.max_user_namespaces)",
     LINUX_WANTED, linux_probe_namespace},
    {"timer ids", "restoring POSIX timers under their own ids",
     "ids are reached by making and deleting timers, which takes longer", LINUX_WANTED,
     linux_probe_timer_ids},
};
const size_t linux_probe_count = sizeof linux_probes / sizeof *linux_probes;

enum linux_answer linux_probe_answer(long result, char *detail, size_t size)
{
    if (result >= 0)
        return LINUX_YES;
    snprintf(detail, size, "%s", strerror(errno));
    return LINUX_NO;
}

int linux_probe_child(pid_t *child)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return -errno;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        for (;;)
            pause();
    }
    if (ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 && ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0)
        waitpid(pid, NULL, __WALL);
    *child = pid;
    return 0;
}

void linux_probe_end(pid_t child)
{
    kill(child, SIGKILL);
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR)
        continue;
}
