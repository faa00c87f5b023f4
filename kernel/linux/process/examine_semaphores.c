/* examine_semaphores.c: System V semaphores whose operations the kernel undoes at a process's end.
 *
 * The end of a checkpointed process would undo them, and a restored one has nothing to undo. What
 * is to be undone shows nowhere; but whether a process has a list for it at all does (each that
 * ever started a thread has), and which process operated last on each semaphore. */
#include "kernel/linux/process/examine.h"
#include "kernel/linux/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What semctl(2) has its caller define. */
union argument {
    int value;
    struct semid_ds *status;
};

static bool operated_last(int set, pid_t pid)
{
    struct semid_ds status;
    if (semctl(set, 0, IPC_STAT, (union argument){.status = &status}) < 0)
        return false; /* gone, or not to be touched with our rights */
    for (unsigned long i = 0; i < status.sem_nsems; i++)
        if (semctl(set, (int)i, GETPID, (union argument){0}) == pid)
            return true;
    return false;
}

int linux_examine_semaphores(struct linux_examine *examine)
{
    char *text;
    pid_t pid = examine->pd->pid;
    if (syscall(SYS_kcmp, examine->pd->task, getpid(), KCMP_SYSVSEM, 0, 0) <= 0)
        return 0;
    int result = linux_procfs_read(AT_FDCWD, "/proc/sysvipc/sem", &text, NULL);
    if (result < 0)
        return result == -ENOENT ? 0 : result;
    const char *line = strchr(text, '\n');
    for (int key, set; result == 0 && line && linux_procfs_scan(line, "%d %d", &key, &set) == 2;
         line = strchr(line + 1, '\n'))
        if (operated_last(set, pid))
            result = recap_refusals_say(
                examine->refusals, "have the program operate on it without SEM_UNDO",
                "process %d operated on System V semaphore set %d, and what its end undoes there "
                "(SEM_UNDO) cannot be kept",
                (int)pid, set);
    free(text);
    return result;
}
