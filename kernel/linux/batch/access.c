/* access.c: reading and writing memory of a stopped process, and finding room for code in it. */
#include "kernel/linux/abi.h"
#include "kernel/linux/batch/foothold.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096

static int lost(struct linux_pd *pd, ssize_t done, const char *what, uint64_t address,
                struct recap_error *error)
{
    return recap_fail(error, done < 0 ? -errno : -EFAULT, "%s the memory of process %d at %#lx",
                      what, pd->pid, address);
}

/* The second way to memory: for when the first is short of memory itself, and for a created process
 * that has been given its credentials and may be none of ours any more. What was opened before
 * stays open. */
static bool by_file(const struct linux_pd *pd)
{
    return (errno == ENOMEM || errno == EPERM) && pd->foothold && pd->foothold->memory >= 0;
}

int linux_access_read(struct linux_pd *pd, uint64_t address, void *bytes, size_t length,
                      struct recap_error *error)
{
    for (size_t done = 0; done < length;) {
        struct iovec local = {(char *)bytes + done, length - done};
        struct iovec remote = {(void *)(address + done), length - done};
        ssize_t part = process_vm_readv(pd->task, &local, 1, &remote, 1, 0);
        if (part < 0 && by_file(pd))
            part =
                pread(pd->foothold->memory, local.iov_base, local.iov_len, (off_t)(address + done));
        if (part <= 0)
            return lost(pd, part, "reading", address + done, error);
        done += (size_t)part;
    }
    return 0;
}

int linux_access_write(struct linux_pd *pd, uint64_t address, const void *bytes, size_t length,
                       struct recap_error *error)
{
    for (size_t done = 0; done < length;) {
        struct iovec local = {(char *)bytes + done, length - done};
        struct iovec remote = {(void *)(address + done), length - done};
        ssize_t part = process_vm_writev(pd->task, &local, 1, &remote, 1, 0);
        if (part < 0 && by_file(pd))
            part = pwrite(pd->foothold->memory, local.iov_base, local.iov_len,
                          (off_t)(address + done));
        if (part <= 0)
            return lost(pd, part, "writing", address + done, error);
        done += (size_t)part;
    }
    return 0;
}

int linux_access_poke(struct linux_pd *pd, uint64_t address, const void *bytes, size_t length,
                      struct recap_error *error)
{
    if (pwrite(pd->foothold->memory, bytes, length, (off_t)address) == (ssize_t)length)
        return 0;
    /* Kernels can be told not to allow that through the file, while a tracer still may. */
    for (size_t done = 0; done < length;) {
        uint64_t word;
        size_t part = length - done < sizeof word ? length - done : sizeof word;
        errno = 0;
        word = (uint64_t)ptrace(PTRACE_PEEKDATA, pd->task, address + done, 0);
        if (errno != 0)
            return lost(pd, -1, "reading", address + done, error);
        memcpy(&word, (const char *)bytes + done, part);
        if (ptrace(PTRACE_POKEDATA, pd->task, address + done, word) != 0)
            return lost(pd, -1, "writing", address + done, error);
        done += part;
    }
    return 0;
}

/* The vDSO's mapping as the kernel lists it; `hint` is where the process was told that it is. */
static int find_vdso(struct linux_pd *pd, uint64_t hint, uint64_t *start, uint64_t *end)
{
    int fd = openat(pd->proc, "maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char name[32] = "";
    struct procmap_query query = {
        .size = sizeof query,
        .query_addr = hint,
        .query_flags = PROCMAP_QUERY_VMA_EXECUTABLE,
        .vma_name_addr = (uint64_t)name,
        .vma_name_size = sizeof name,
    };
    if (hint && ioctl(fd, PROCMAP_QUERY, &query) == 0 && strcmp(name, "[vdso]") == 0) {
        close(fd);
        *start = query.vma_start;
        *end = query.vma_end;
        return 0;
    }
    FILE *maps = fdopen(fd, "r");
    if (!maps) {
        close(fd);
        return -ENOMEM;
    }
    char *line = NULL;
    size_t room = 0;
    int code = -ENOENT;
    while (code != 0 && getline(&line, &room, maps) > 0) {
        unsigned long from, to;
        if (strstr(line, " r-xp ") && strstr(line, " [vdso]\n") &&
            sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            *start = from;
            *end = to;
            code = 0;
        }
    }
    free(line);
    fclose(maps);
    return code;
}

int linux_access_padding(struct linux_pd *pd, uint64_t *address, size_t *size,
                         struct recap_error *error)
{
    uint64_t auxv[2 * 48] = {0}, hint = 0, start = 0, end = 0;
    int fd = openat(pd->proc, "auxv", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return recap_fail(error, -errno, "looking at process %d", pd->pid);
    ssize_t length = read(fd, auxv, sizeof auxv);
    close(fd);
    for (size_t i = 0; i + 1 < (size_t)(length > 0 ? length : 0) / sizeof *auxv; i += 2)
        if (auxv[i] == AT_SYSINFO_EHDR)
            hint = auxv[i + 1];
    int code = find_vdso(pd, hint, &start, &end);
    if (code != 0)
        return recap_fail(error, code, "finding the vDSO of process %d", pd->pid);
    Elf64_Ehdr header;
    code = linux_access_read(pd, start, &header, sizeof header, error);
    if (code != 0)
        return code;
    uint64_t length_of_file = header.e_shoff + (uint64_t)header.e_shnum * header.e_shentsize;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_shoff < sizeof header ||
        header.e_shoff > end - start || length_of_file > end - start)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the vDSO of process %d is not laid out as expected", pd->pid);
    *address = (start + length_of_file + 15) & ~(uint64_t)15;
    *size = end - *address;
    return 0;
}
