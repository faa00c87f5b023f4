/* foothold_move.c: the foothold of a created process: out of the way, and gone in the end. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/memory/mappings.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#define CODE_SIZE 4096

int linux_foothold_move(struct linux_pd *pd, uint64_t address, uint64_t size,
                        struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    if (!pd->created || size < 16 * CODE_SIZE)
        return recap_fail(error, -EINVAL, "moving into process %d", pd->pid);
    struct linux_batch *batch = linux_batch_new(pd, 0);
    size_t map = linux_batch_call(
        batch, SYS_mmap, address, size, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK | MAP_FIXED_NOREPLACE, -1, 0);
    int code = linux_batch_run(batch, error);
    if (code == 0)
        code = linux_batch_check(batch, map, "moving aside", error);
    if (code == 0 && (uint64_t)linux_batch_result(batch, map) != address)
        code = recap_fail(error, -EEXIST, "moving aside in process %d", pd->pid);
    linux_batch_free(batch);
    struct linux_stub stub;
    linux_stub_leader(&stub, &pd->threads[0], pd->vpid, pd->threads[0].home->ending, size);
    if (code == 0)
        code = linux_access_write(pd, address, stub.bytes, stub.length, error);
    if (code != 0)
        return code;
    batch = linux_batch_new(pd, 0);
    size_t protect =
        linux_batch_call(batch, SYS_mprotect, address, CODE_SIZE, PROT_READ | PROT_EXEC);
    code = linux_batch_run(batch, error);
    if (code == 0)
        code = linux_batch_check(batch, protect, "moving aside", error);
    linux_batch_free(batch);
    if (code != 0)
        return code;
    /* The padding of the vDSO goes with it, and is to be as it was. */
    static const uint8_t zeros[CODE_SIZE];
    for (size_t done = 0; code == 0 && done < foothold->dirtied; done += sizeof zeros) {
        size_t part = foothold->dirtied - done;
        code = linux_access_poke(pd, foothold->area + done, zeros,
                                 part < sizeof zeros ? part : sizeof zeros, error);
    }
    if (code != 0)
        return code;
    foothold->loop = address + stub.loop;
    foothold->tail = address + stub.tail;
    foothold->workshop = address + CODE_SIZE;
    foothold->workshop_size = size - CODE_SIZE;
    foothold->template.rbx = address;
    foothold->extents = 0;
    foothold->moved = true;
    foothold->dirtied = 0;
    return linux_foothold_settle(pd, error);
}

/* Keeps the lowest stretch that ends above `from`. */
static void consider(uint64_t from, uint64_t begin, uint64_t limit, uint64_t *start, uint64_t *end)
{
    if (limit > from && begin < *start) {
        *start = begin;
        *end = limit;
    }
}

bool linux_foothold_takes(const struct linux_pd *pd, uint64_t from, uint64_t *start, uint64_t *end)
{
    const struct linux_foothold *foothold = pd->foothold;
    uint64_t lowest = UINT64_MAX, limit = 0;
    if (!foothold || !foothold->standing)
        return false;
    consider(from, foothold->workshop - (foothold->moved ? CODE_SIZE : 0),
             foothold->workshop + foothold->workshop_size, &lowest, &limit);
    for (size_t i = 0; i < foothold->extents; i++)
        consider(from, foothold->extent[i].start, foothold->extent[i].end, &lowest, &limit);
    if (!limit)
        return false;
    *start = lowest;
    *end = limit;
    return true;
}

static bool find_in(struct linux_pd *pd, const struct linux_mapping *mapping, uint64_t *address)
{
    static const uint8_t instruction[] = {0x0f, 0x05};
    for (uint64_t page = mapping->start; page < mapping->end; page += 4096) {
        uint8_t bytes[4096 + 1];
        size_t length = page + sizeof bytes <= mapping->end ? sizeof bytes : mapping->end - page;
        if (linux_access_read(pd, page, bytes, length, NULL) != 0)
            continue;
        const uint8_t *found = memmem(bytes, length, instruction, sizeof instruction);
        if (found) {
            *address = page + (uint64_t)(found - bytes);
            return true;
        }
    }
    return false;
}

/* Finds a system call instruction in the process's code: the vDSO has some, and so has any program.
 */
static int find_syscall(struct linux_pd *pd, uint64_t *address, struct recap_error *error)
{
    struct linux_mappings mappings = {0};
    int code = linux_mappings_read(pd->proc, false, &mappings, error);
    if (code != 0)
        return code;
    bool found = false;
    for (int rest = 0; !found && rest < 2; rest++)
        for (size_t i = 0; !found && i < mappings.count; i++) {
            const struct linux_mapping *mapping = &mappings.items[i];
            bool vdso = mapping->name && strcmp(mapping->name, "[vdso]") == 0;
            uint64_t ours, ours_end;
            if (vdso == rest || !(mapping->protection & RECAP_PROT_EXECUTE) ||
                (linux_foothold_takes(pd, mapping->start, &ours, &ours_end) &&
                 ours <= mapping->start && mapping->end <= ours_end))
                continue;
            found = find_in(pd, mapping, address);
        }
    linux_mappings_clear(&mappings);
    return found ? 0
                 : recap_fail(error, -ENOENT, "finding a system call in the code of process %d",
                              pd->pid);
}

int linux_foothold_end_first(struct linux_pd *pd, int code, struct recap_error *error)
{
    struct linux_stopped stopped = {.stop = LINUX_STOP_TRAP};
    struct user_regs_struct r = pd->foothold->template;
    pid_t tid = pd->threads[0].tid;
    uint64_t instruction;
    int result = find_syscall(pd, &instruction, error);
    if (result < 0)
        return result;
    r.rip = instruction;
    r.rax = SYS_exit;
    r.rdi = (uint64_t)code;
    if (ptrace(PTRACE_SETREGS, tid, 0, &r) != 0)
        return recap_fail(error, -errno, "ending thread %d", tid);
    /* At its end it stops once more. */
    while (linux_stop_is_one(&stopped) && ptrace(PTRACE_CONT, tid, 0, 0) == 0)
        linux_stop_wait(pd, tid, 0, &stopped);
    if (stopped.stop != LINUX_STOP_GONE)
        return linux_stop_is_one(&stopped) ? recap_fail(error, -errno, "ending thread %d", tid)
                                           : linux_stop_say(pd, tid, &stopped, error);
    linux_stop_forget(pd, 0);
    result = linux_task_find(pd);
    if (result == 0 && pd->task != pd->threads[0].tid)
        result = -EIO;
    return result ? recap_fail(error, result, "ending thread %d", tid)
                  : linux_foothold_settle(pd, error);
}

int linux_foothold_vanish(struct linux_pd *pd, struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    pid_t tid = pd->threads[0].tid;
    uint64_t instruction, start, end;
    if (!linux_foothold_takes(pd, 0, &start, &end))
        return 0;
    int code = find_syscall(pd, &instruction, error);
    if (code != 0)
        return code;
    struct user_regs_struct r = foothold->template;
    r.rip = instruction;
    r.rax = SYS_munmap;
    r.rdi = start;
    r.rsi = end - start;
    if (ptrace(PTRACE_SETREGS, tid, 0, &r) != 0)
        return recap_fail(error, -errno, "leaving process %d", pd->pid);
    /* At the call's entry, and at its exit. */
    for (int stops = 0; stops < 2;) {
        struct linux_stopped stopped;
        if (ptrace(PTRACE_SYSCALL, tid, 0, 0) != 0)
            return recap_fail(error, -errno, "leaving process %d", pd->pid);
        linux_stop_wait(pd, tid, 0, &stopped);
        if (stopped.stop == LINUX_STOP_CALL)
            stops++;
        else if (stopped.stop != LINUX_STOP_TRAP)
            return recap_fail(error, -ESRCH, "leaving process %d", pd->pid);
    }
    if (ptrace(PTRACE_GETREGS, tid, 0, &r) != 0 || r.rax != 0)
        return recap_fail(error, -EIO, "leaving process %d", pd->pid);
    foothold->standing = false;
    return 0;
}
