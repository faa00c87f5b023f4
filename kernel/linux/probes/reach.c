/* reach.c: probes of what can be done to a process from outside. */
#include "kernel/linux/abi.h"
#include "kernel/linux/probes/probes.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum linux_answer linux_probe_trace_child(pid_t child, char *detail, size_t size)
{
    unsigned long message;
    return linux_probe_answer(ptrace(PTRACE_GETEVENTMSG, child, 0, &message), detail, size);
}

/* A process that is no descendant of ours, being the child of a child that has ended; of this user,
 * or of another one if this user may choose one. */
static pid_t stranger(bool of_another_user)
{
    int ends[2];
    pid_t pid = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    pid_t middle = fork();
    if (middle == 0) {
        if (of_another_user && syscall(SYS_setuid, geteuid() ^ 0x7ffe) < 0)
            _exit(1);
        pid = fork();
        if (pid == 0) {
            /* Ends by itself in case that nobody ends it. */
            alarm(5);
            close(ends[1]);
            for (;;)
                pause();
        }
        _exit(write(ends[1], &pid, sizeof pid) == sizeof pid ? 0 : 1);
    }
    close(ends[1]);
    if (middle > 0)
        waitpid(middle, NULL, 0);
    if (read(ends[0], &pid, sizeof pid) != sizeof pid)
        pid = -1;
    close(ends[0]);
    errno = pid < 0 ? EPERM : 0;
    return pid;
}

static enum linux_answer trace(bool of_another_user, char *detail, size_t size)
{
    pid_t pid = stranger(of_another_user);
    if (pid < 0)
        return linux_probe_answer(-1, detail, size);
    enum linux_answer answer = linux_probe_answer(ptrace(PTRACE_SEIZE, pid, 0, 0), detail, size);
    kill(pid, SIGKILL);
    if (answer == LINUX_YES)
        waitpid(pid, NULL, __WALL);
    return answer;
}

enum linux_answer linux_probe_trace_own(pid_t child, char *detail, size_t size)
{
    (void)child;
    return trace(false, detail, size);
}

enum linux_answer linux_probe_trace_all(pid_t child, char *detail, size_t size)
{
    (void)child;
    return trace(true, detail, size);
}

enum linux_answer linux_probe_getfd(pid_t child, char *detail, size_t size)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return linux_probe_answer(-1, detail, size);
    /* The child has none of our descriptors but the standard ones, which may be closed: what is
     * asked for is the permission, and EBADF gives it as well. */
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    int fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, STDERR_FILENO, 0);
    long result = fd < 0 && (pidfd < 0 || errno != EBADF) ? -1 : 0;
    enum linux_answer answer = linux_probe_answer(result, detail, size);
    if (fd >= 0)
        close(fd);
    if (pidfd >= 0)
        close(pidfd);
    close(ends[0]);
    close(ends[1]);
    return answer;
}

enum linux_answer linux_probe_kcmp(pid_t child, char *detail, size_t size)
{
    return linux_probe_answer(syscall(SYS_kcmp, getpid(), child, KCMP_FILES, 0, 0), detail, size);
}

enum linux_answer linux_probe_read(pid_t child, char *detail, size_t size)
{
    static const char here[] = "the child has the same at the same address";
    char there[sizeof here];
    struct iovec local = {there, sizeof there};
    struct iovec remote = {(void *)(uintptr_t)here, sizeof here};
    return linux_probe_answer(process_vm_readv(child, &local, 1, &remote, 1, 0), detail, size);
}

/* The vDSO's text and how many zero bytes end its last page. */
static size_t vdso_padding(const char **padding)
{
    const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (!base)
        return 0;
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(base + header->e_phoff);
    size_t end = 0;
    for (int i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == PT_LOAD && segments[i].p_offset + segments[i].p_filesz > end)
            end = segments[i].p_offset + segments[i].p_filesz;
    /* The section headers, where there are any, lie behind the segments. */
    size_t sections = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
    size_t used = sections > end ? sections : end;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    *padding = base + used;
    return (page - used % page) % page;
}

enum linux_answer linux_probe_vdso(pid_t child, char *detail, size_t size)
{
    (void)child;
    const char *padding;
    size_t length = vdso_padding(&padding);
    snprintf(detail, size, "%zu bytes", length);
    return length >= 64 ? LINUX_YES : LINUX_NO;
}

enum linux_answer linux_probe_write(pid_t child, char *detail, size_t size)
{
    const char *padding;
    if (!vdso_padding(&padding)) {
        snprintf(detail, size, "there is no vDSO to try it on");
        return LINUX_NO;
    }
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", child);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    long result = fd < 0 ? -1 : pwrite(fd, "", 1, (off_t)(uintptr_t)padding);
    enum linux_answer answer = linux_probe_answer(result, detail, size);
    if (fd >= 0)
        close(fd);
    return answer;
}

enum linux_answer linux_probe_xsave(pid_t child, char *detail, size_t size)
{
    enum { ROOM = 64 * 1024 };
    char *area = malloc(ROOM);
    struct iovec registers = {area, ROOM};
    long result = area ? ptrace(PTRACE_GETREGSET, child, NT_X86_XSTATE, &registers) : -1;
    enum linux_answer answer = linux_probe_answer(result, detail, size);
    if (answer == LINUX_YES)
        snprintf(detail, size, "%zu bytes", registers.iov_len);
    free(area);
    return answer;
}

enum linux_answer linux_probe_rseq(pid_t child, char *detail, size_t size)
{
    struct __ptrace_rseq_configuration configuration;
    return linux_probe_answer(
        ptrace(PTRACE_GET_RSEQ_CONFIGURATION, child, sizeof configuration, &configuration), detail,
        size);
}

enum linux_answer linux_probe_pagemap(pid_t child, char *detail, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/pagemap", child);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct page_region region;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)&region & ~(page - 1);
    struct pm_scan_arg scan = {.size = sizeof scan,
                               .start = start,
                               .end = start + page,
                               .vec = (uintptr_t)&region,
                               .vec_len = 1,
                               .category_mask = PAGE_IS_PRESENT,
                               .return_mask = PAGE_IS_PRESENT};
    long result = fd < 0 ? -1 : ioctl(fd, PAGEMAP_SCAN, &scan);
    enum linux_answer answer = linux_probe_answer(result, detail, size);
    if (fd >= 0)
        close(fd);
    return answer;
}

enum linux_answer linux_probe_map_files(pid_t child, char *detail, size_t size)
{
    (void)child;
    char path[96];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int zero = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    void *mapped = zero < 0 ? MAP_FAILED : mmap(NULL, page, PROT_READ, MAP_PRIVATE, zero, 0);
    if (zero >= 0)
        close(zero);
    if (mapped == MAP_FAILED)
        return linux_probe_answer(-1, detail, size);
    snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", (unsigned long)mapped,
             (unsigned long)mapped + page);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum linux_answer answer = linux_probe_answer(fd, detail, size);
    if (fd >= 0)
        close(fd);
    munmap(mapped, page);
    return answer;
}

/* Asks for the peer of one end of a socket pair. */
static long ask_peer(int diag, int end)
{
    struct stat status;
    struct {
        struct nlmsghdr header;
        struct unix_diag_req request;
    } question = {.header = {.nlmsg_len = sizeof question,
                             .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                             .nlmsg_flags = NLM_F_REQUEST},
                  .request = {.sdiag_family = AF_UNIX,
                              .udiag_states = ~0u,
                              .udiag_cookie = {~0u, ~0u},
                              .udiag_show = UDIAG_SHOW_PEER}};
    union {
        struct nlmsghdr header;
        char room[512];
    } answer;
    if (fstat(end, &status) < 0)
        return -1;
    question.request.udiag_ino = (unsigned)status.st_ino;
    if (send(diag, &question, sizeof question, 0) < 0 || recv(diag, &answer, sizeof answer, 0) < 0)
        return -1;
    if (answer.header.nlmsg_type == SOCK_DIAG_BY_FAMILY)
        return 0;
    errno = EOPNOTSUPP;
    return -1;
}

enum linux_answer linux_probe_unix_diag(pid_t child, char *detail, size_t size)
{
    (void)child;
    int pair[2];
    int diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (diag < 0)
        return linux_probe_answer(-1, detail, size);
    long result = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    if (result == 0) {
        result = ask_peer(diag, pair[0]);
        int saved = errno;
        close(pair[0]);
        close(pair[1]);
        errno = saved;
    }
    enum linux_answer answer = linux_probe_answer(result, detail, size);
    close(diag);
    return answer;
}
