/* pd.c: opening, listing, ending and closing PDs. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/linux.h"
#include "kernel/linux/threads/threads.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_number(const char *name)
{
    return *name && strspn(name, "0123456789") == strlen(name);
}

/* Whoever may not trace a process may not list its descriptors either. A thread of the kernel, or a
 * process that has ended, has no executable. */
static bool can_open(int proc, const char *id)
{
    char path[NAME_MAX + 8], target[1];
    snprintf(path, sizeof path, "%s/fd", id);
    if (faccessat(proc, path, R_OK | X_OK, AT_EACCESS) < 0)
        return false;
    snprintf(path, sizeof path, "%s/exe", id);
    return readlinkat(proc, path, target, sizeof target) >= 0;
}

/* But the caller, which cannot trace itself. */
int linux_pd_list(struct recap_kernel *kernel, uint64_t **ids, size_t *count,
                  struct recap_error *error)
{
    (void)kernel;
    uint64_t *found = NULL;
    size_t have = 0, room = 0;
    DIR *proc = opendir("/proc");
    if (!proc)
        return recap_fail(error, -errno, "listing /proc");
    int result = 0;
    for (struct dirent *entry;
         result == 0 && (result = linux_procfs_next(proc, &entry)) == 0 && entry;) {
        if (!is_number(entry->d_name) || strtol(entry->d_name, NULL, 10) == getpid() ||
            !can_open(dirfd(proc), entry->d_name))
            continue;
        if (have == room) {
            uint64_t *larger = reallocarray(found, room ? room * 2 : 64, sizeof *larger);
            if (!larger) {
                result = -ENOMEM;
                break;
            }
            found = larger;
            room = room ? room * 2 : 64;
        }
        found[have++] = strtoull(entry->d_name, NULL, 10);
    }
    closedir(proc);
    if (result < 0) {
        free(found);
        return recap_fail(error, result, "listing processes");
    }
    *ids = found;
    *count = have;
    return 0;
}

int linux_pd_name(struct recap_kernel *kernel, uint64_t id, char *name, size_t size,
                  struct recap_error *error)
{
    (void)kernel;
    char path[48], text[64];
    snprintf(path, sizeof path, "/proc/%llu/comm", (unsigned long long)id);
    ssize_t length = linux_procfs_read_into(AT_FDCWD, path, text, sizeof text);
    if (length < 0)
        return recap_fail(error, length == -ENOENT ? -ESRCH : (int)length,
                          "reading the name of process %llu", (unsigned long long)id);
    text[strcspn(text, "\n")] = '\0';
    snprintf(name, size, "%s", text);
    return 0;
}

/* The last number of a line such as "NSpid:\t5000\t7": what the process itself is called by. */
static pid_t innermost(const char *status, const char *field, pid_t otherwise)
{
    const char *at = linux_procfs_field(status, field);
    if (!at)
        return otherwise;
    long number = otherwise;
    while (*at && *at != '\n') {
        char *end;
        number = strtol(at, &end, 10);
        if (end == at)
            break;
        for (at = end; *at == '\t' || *at == ' ';)
            at++;
    }
    return (pid_t)number;
}

static int open_process(struct linux_pd *pd, struct recap_error *error)
{
    char path[32], status[8192];
    snprintf(path, sizeof path, "/proc/%d", pd->pid);
    pd->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (pd->proc < 0)
        return recap_fail(error, errno == ENOENT ? -ESRCH : -errno, "opening process %d", pd->pid);
    pd->pidfd = (int)syscall(SYS_pidfd_open, pd->pid, 0);
    int code = -errno;
    ssize_t length = linux_procfs_read_into(pd->proc, "status", status, sizeof status);
    if (length < 0)
        return recap_fail(error, (int)length, "reading the status of process %d", pd->pid);
    const char *leader = linux_procfs_field(status, "Tgid");
    if (leader && atoi(leader) != pd->pid) {
        recap_refuse(error, RECAP_USAGE, -EINVAL, "%d is a thread of process %d", pd->pid,
                     atoi(leader));
        return recap_error_remedy(error, "name the process: %d", atoi(leader));
    }
    if (pd->pidfd < 0)
        return recap_fail(error, code, "opening process %d", pd->pid);
    pd->vpid = innermost(status, "NSpid", pd->pid);
    linux_task_find(pd); /* whoever asks for more finds that it has ended */
    return 0;
}

int linux_pd_open(struct recap_kernel *kernel, uint64_t id, struct recap_pd **pd,
                  struct recap_error *error)
{
    if (!id || id > INT32_MAX)
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "%llu is not a process ID",
                            (unsigned long long)id);
    struct linux_pd *opened = calloc(1, sizeof *opened);
    if (!opened)
        return recap_fail(error, -ENOMEM, "opening process %llu", (unsigned long long)id);
    *opened = (struct linux_pd){.base = {kernel, id},
                                .kernel = linux_kernel(kernel),
                                .pid = (pid_t)id,
                                .task = (pid_t)id,
                                .pidfd = -1,
                                .proc = -1,
                                .next_opened = linux_kernel(kernel)->opened};
    linux_kernel(kernel)->opened = opened;
    int result = open_process(opened, error);
    if (result < 0) {
        linux_pd_close(&opened->base);
        return result;
    }
    *pd = &opened->base;
    return 0;
}

/* How long a killed process has to be gone. The kernel lets none run on: what takes longer waits in
 * it, and ends when that does. */
enum { ENDING_MS = 10000 };

/* Lets the threads of a killed process go on from the stop at their end: those that we know, and
 * those that are attached to us without our knowing, as one whose making failed half-way. */
static void let_end(const struct linux_pd *p)
{
    int fd = openat(p->proc, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = fd < 0 ? NULL : fdopendir(fd);
    if (!tasks) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (struct dirent *entry; (entry = readdir(tasks));) {
        pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (tid <= 0)
            continue;
        /* The end of the first one is seen when no other is left. */
        if (tid != p->pid)
            waitpid(tid, NULL, __WALL | WNOHANG);
        ptrace(PTRACE_CONT, tid, NULL, NULL);
    }
    closedir(tasks);
}

/* Whether the killed process is gone. */
static bool ends(const struct linux_pd *p)
{
    struct pollfd gone = {.fd = p->pidfd, .events = POLLIN};
    for (int waited = 0, nap = 0; waited < ENDING_MS; waited += nap) {
        if (poll(&gone, 1, nap) > 0)
            return true;
        let_end(p);
        nap = nap < 50 ? nap * 2 + 1 : nap;
    }
    return false;
}

int linux_destroy(struct recap_pd *pd, struct recap_error *error)
{
    struct linux_pd *p = linux_pd(pd);
    if (syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return recap_fail(error, -errno, "ending process %d", p->pid);
    bool traced = p->thread_count && p->threads[0].seized;
    if (ends(p) && (p->own_parent || traced))
        waitpid(p->pid, NULL, __WALL);
    for (size_t i = 0; i < p->thread_count; i++)
        p->threads[i].seized = p->threads[i].stopped = false;
    p->suspended = false;
    p->created = false;
    return 0;
}

pid_t linux_pd_born(const struct linux_kernel *kernel, pid_t vpid)
{
    const struct linux_pd *pd = kernel->born;
    while (pd && pd->vpid != vpid)
        pd = pd->next_born;
    return pd ? pd->pid : 0;
}

void linux_pd_close(struct recap_pd *pd)
{
    if (!pd)
        return;
    struct linux_pd *p = linux_pd(pd);
    for (struct linux_pd **at = &p->kernel->opened; *at; at = &(*at)->next_opened)
        if (*at == p) {
            *at = p->next_opened;
            break;
        }
    for (struct linux_pd **at = &p->kernel->born; *at; at = &(*at)->next_born)
        if (*at == p) {
            *at = p->next_born;
            break;
        }
    if (p->created)
        linux_destroy(pd, NULL);
    else if (p->suspended)
        linux_resume(pd, NULL);
    for (size_t i = 0; i < p->thread_count; i++)
        free(p->threads[i].home);
    free(p->threads);
    linux_foothold_free(p->foothold);
    linux_walk_free(p->walk);
    linux_waits_free(p->waits);
    if (p->pidfd >= 0)
        close(p->pidfd);
    if (p->proc >= 0)
        close(p->proc);
    free(p);
}
