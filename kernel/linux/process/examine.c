/* examine.c: what of a process, beside its objects, cannot be checkpointed. Everything is found
 * before anything is stopped, so all of it is asked for and not only the first obstacle. */
#include "kernel/linux/process/examine.h"
#include "kernel/linux/process/held.h"

#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/process/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int linux_examine_say(struct linux_examine *examine, int result)
{
    if (result >= 0)
        return 0;
    recap_fail(examine->error, result, "examining process %d", (int)examine->pd->pid);
    if (result == -EACCES || result == -EPERM)
        linux_held_denied(examine->pd, examine->error);
    return result;
}

void linux_examine_name(int directory, const char *path, char name[LINUX_NAME_ROOM])
{
    ssize_t length = linux_procfs_read_into(directory, path, name, LINUX_NAME_ROOM);
    name[length < 0 ? 0 : strcspn(name, "\n")] = '\0';
}

long linux_examine_number(const char *status, const char *field)
{
    const char *value = linux_procfs_field(status, field);
    return value ? strtol(value, NULL, 10) : 0;
}

/* Whether `word` is among those of a status line. */
static bool has_word(const char *status, const char *field, const char *word)
{
    const char *line = linux_procfs_field(status, field);
    size_t length = strlen(word);
    for (; line && *line && *line != '\n'; line += strcspn(line, " \n"), line += *line == ' ')
        if (strncmp(line, word, length) == 0 && strchr(" \n", line[length]))
            return true;
    return false;
}

/* What holds for the process as its first thread shows it. */
static int examine_status(struct linux_examine *examine, const char *status)
{
    struct recap_refusals *refusals = examine->refusals;
    struct recap_error why;
    const struct linux_pd *pd = examine->pd;
    if (linux_held_by_kernel(pd))
        return recap_refusals_say(refusals, NULL, "process %d is a thread of the kernel", pd->pid);
    /* One that ends gives its memory back first. */
    if (!linux_procfs_field(status, "VmSize"))
        return recap_refuse(examine->error, RECAP_FAILED, -ESRCH, "process %d has ended", pd->pid);
    long tracer = linux_examine_number(status, "TracerPid");
    if (tracer && !(pd->suspended && tracer == getpid())) {
        int code = linux_held_traced(pd, (pid_t)tracer, &why);
        if (why.cls != RECAP_UNSUPPORTED) {
            *examine->error = why;
            return code;
        }
        return recap_refusals_add(refusals, &why);
    }
    if (linux_held_frozen(pd, pd->task, &why))
        return recap_refusals_add(refusals, &why);
    if (has_word(status, "x86_Thread_features", "shstk"))
        return recap_refusals_say(refusals, "start it with GLIBC_TUNABLES=glibc.cpu.hwcaps=-SHSTK",
                                  "process %d keeps a shadow stack", pd->pid);
    return 0;
}

enum machine { MACHINE_64, MACHINE_32, MACHINE_UNKNOWN };

/* The kernel tells a program in its auxiliary vector how large the headers of its file are. */
static enum machine machine_of(const char *auxv, size_t length)
{
    for (size_t at = 0; at + sizeof(Elf64_auxv_t) <= length; at += sizeof(Elf64_auxv_t)) {
        Elf64_auxv_t entry;
        memcpy(&entry, auxv + at, sizeof entry);
        if (entry.a_type == AT_PHENT && entry.a_un.a_val == sizeof(Elf64_Phdr))
            return MACHINE_64;
    }
    for (size_t at = 0; at + sizeof(Elf32_auxv_t) <= length; at += sizeof(Elf32_auxv_t)) {
        Elf32_auxv_t entry;
        memcpy(&entry, auxv + at, sizeof entry);
        if (entry.a_type == AT_PHENT && entry.a_un.a_val == sizeof(Elf32_Phdr))
            return MACHINE_32;
    }
    return MACHINE_UNKNOWN;
}

/* A process that is just executing a program has neither the old one's state nor all of the new
 * one's, and its vector is empty for so long: it is given a moment to come to its end. */
static int examine_machine(struct linux_examine *examine)
{
    enum { MOMENT_MS = 1000 };
    const struct timespec nap = {.tv_nsec = 1000000};
    enum machine machine = MACHINE_UNKNOWN;
    for (int i = 0; machine == MACHINE_UNKNOWN && i < MOMENT_MS; i++) {
        char text[4096];
        if (i > 0)
            nanosleep(&nap, NULL);
        ssize_t length = linux_procfs_read_into(examine->pd->proc, "auxv", text, sizeof text);
        if (length < 0)
            return length == -EOVERFLOW ? 0 : (int)length;
        machine = machine_of(text, (size_t)length);
    }
    return machine != MACHINE_32
               ? 0
               : recap_refusals_say(
                     examine->refusals, NULL,
                     "process %d is not a 64-bit program: only those can be restored",
                     (int)examine->pd->pid);
}

/* The confinement of a security module follows from where a program was started. */
static int examine_confinement(struct linux_examine *examine)
{
    char theirs[512], ours[512];
    ssize_t length =
        linux_procfs_read_into(examine->pd->proc, "attr/current", theirs, sizeof theirs);
    if (length >= 0)
        length = linux_procfs_read_into(AT_FDCWD, "/proc/self/attr/current", ours, sizeof ours);
    /* EINVAL: no security module confines anybody here. */
    if (length < 0)
        return length == -EINVAL || linux_procfs_gone((int)length) ? 0 : (int)length;
    if (strcmp(theirs, ours) == 0)
        return 0;
    theirs[strcspn(theirs, "\n")] = '\0';
    return recap_refusals_say(examine->refusals, "run recap under the same profile",
                              "process %d is confined by a security module (%s), and recap is not "
                              "confined the same way",
                              (int)examine->pd->pid, theirs);
}

int linux_examine(struct recap_pd *base, struct recap_refusals *refusals, struct recap_error *error)
{
    struct linux_examine examine = {.pd = linux_pd(base), .refusals = refusals, .error = error};
    if (examine.pd->pid == getpid())
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "recap cannot checkpoint itself");
    char *status;
    int result = linux_task_find(examine.pd);
    if (!examine.pd->suspended)
        linux_foothold_note(examine.pd);
    if (result == 0)
        result = linux_procfs_read(examine.pd->proc, "status", &status, NULL);
    if (result == -ENOENT || result == -ESRCH)
        return recap_refuse(error, RECAP_FAILED, -ESRCH, "process %d has ended", examine.pd->pid);
    size_t before = refusals->count;
    if (result == 0) {
        result = examine_status(&examine, status);
        free(status);
    }
    if (result == -EBUSY || result == -ESRCH)
        return result;
    if (result < 0 || refusals->count > before)
        return linux_examine_say(&examine, result);
    result = examine_machine(&examine);
    if (result == 0)
        result = examine_confinement(&examine);
    if (result == 0)
        result = linux_examine_namespaces(&examine);
    if (result == 0)
        result = linux_examine_threads(&examine);
    if (result == 0)
        result = linux_examine_semaphores(&examine);
    if (result == 0)
        result = linux_examine_relatives(&examine);
    if (result < 0)
        return linux_examine_say(&examine, result);
    result = linux_concerns_examine(examine.pd, refusals, error);
    return result < 0 ? result : linux_examine_memory(examine.pd, refusals, error);
}
