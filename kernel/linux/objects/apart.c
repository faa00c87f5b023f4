/* apart.c: doing something in a process of its own. */
#include "kernel/linux/objects/apart.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK = 256 * 1024 };

struct task {
    int (*work)(void *context);
    void *context;
    int result;
};

static int start(void *data)
{
    struct task *task = data;
    setsid(); /* a signal to our process group does not reach it */
    task->result = task->work(task->context);
    return 0; /* which ends the process */
}

int linux_apart(int flags, int (*work)(void *context), void *context)
{
    struct task task = {.work = work, .context = context, .result = -EINTR};
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED)
        return -errno;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    /* No exit signal: nobody who waits for children of theirs gets this one. */
    pid_t pid = clone(start, (char *)stack + STACK, flags | CLONE_VM | CLONE_VFORK, &task);
    int result = pid < 0 ? -errno : 0;
    while (pid > 0 && waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    munmap(stack, STACK);
    return result ? result : task.result;
}
