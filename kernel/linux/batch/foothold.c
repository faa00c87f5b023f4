/* foothold.c: standing inside a process, and leaving it without a trace.
 *
 * Kill safety, in order: a thread's registers are first set to its way home, then its mask is
 * changed, then it is set to run; on the way back the mask comes first and the registers after. So
 * whenever its tracer dies, the thread finds either its own registers or a way to them.
 *
 * The workshop begins with a header of entries: the one that ends every batch (the leader rests in
 * it), one to extend the workshop, and one for each extent that unmaps it again. A leader whose
 * tracer died goes on from the first of them through the last.
 */
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/batch/batch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORKSHOP_SIZE (256 * 1024)
enum { ENTRY_LAST, ENTRY_EXTEND, ENTRY_UNMAP };
#define HEADER_SIZE 4096
/* Trap flag: a program that steps itself must not step our code. */
#define EFLAGS_TRAP 0x100

static uint64_t header_entry(const struct linux_pd *pd, size_t index)
{
    return pd->foothold->workshop + index * sizeof(struct linux_entry);
}

uint64_t linux_foothold_last(const struct linux_pd *pd)
{
    return header_entry(pd, ENTRY_LAST);
}

static struct linux_foothold *make(struct linux_pd *pd)
{
    if (!pd->foothold && (pd->foothold = calloc(1, sizeof *pd->foothold)))
        pd->foothold->memory = -1;
    return pd->foothold;
}

void linux_foothold_note(struct linux_pd *pd)
{
    struct linux_foothold *foothold = make(pd);
    if (!foothold)
        return;
    if (foothold->memory >= 0)
        close(foothold->memory);
    foothold->memory = openat(pd->proc, "mem", O_RDWR | O_CLOEXEC);
    foothold->noted = foothold->memory >= 0;
}

bool linux_foothold_has_changed(struct linux_pd *pd)
{
    struct linux_foothold *foothold = pd->foothold;
    char byte;
    if (!foothold->noted)
        return false;
    foothold->noted = false;
    /* Memory that nobody has any more reads as an empty file. The padding can be read. */
    if (pread(foothold->memory, &byte, 1, (off_t)foothold->area) != 0)
        return false;
    close(foothold->memory);
    foothold->memory = -1;
    return true;
}

int linux_foothold_find(struct linux_pd *pd, struct recap_error *error)
{
    struct linux_foothold *foothold = make(pd);
    if (!foothold)
        return recap_fail(error, -ENOMEM, "entering process %d", pd->pid);
    if (foothold->moved)
        return 0;
    return linux_access_padding(pd, &foothold->area, &foothold->area_size, error);
}

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

/* Sets a thread that was stopped by itself to run its stub at `stub`. */
static int send_away(struct linux_thread *thread, int signal, uint64_t way_home,
                     const struct user_regs_struct *registers, struct recap_error *error)
{
    struct user_regs_struct r = thread->home->stopped;
    uint64_t mask = signal ? ~BIT(signal) : UINT64_MAX;
    r.rip = way_home;
    r.orig_rax = UINT64_MAX;
    r.eflags &= ~(uint64_t)EFLAGS_TRAP;
    thread->home->ending = signal;
    thread->home->away = true;
    /* With its own mask a thread may go straight through the stub, too, unless the signal of its
     * stop calls would wait in the queue then. */
    bool direct = signal && !(thread->home->mask & BIT(signal));
    if (ptrace(PTRACE_SETREGS, thread->tid, 0, direct ? registers : &r) != 0 ||
        ptrace(PTRACE_SETSIGMASK, thread->tid, sizeof mask, &mask) != 0 ||
        (!direct && ptrace(PTRACE_SETREGS, thread->tid, 0, registers) != 0))
        return recap_fail(error, -errno, "setting the registers of thread %d", thread->tid);
    return 0;
}

/* Sets a thread that stands at the last stop of its stub back to where it was. */
static int bring_back(struct linux_pd *pd, struct linux_thread *thread, struct recap_error *error)
{
    struct linux_registers *home = thread->home;
    if (linux_stop_stepping(pd, home) && ptrace(PTRACE_INTERRUPT, thread->tid, 0, 0) == 0 &&
        ptrace(PTRACE_CONT, thread->tid, 0, home->signal) == 0) {
        /* Only on its way through signal delivery does a thread have its system call restarted. */
        struct linux_stopped stopped;
        home->signal = 0;
        linux_stop_wait(pd, thread->tid, 0, &stopped);
    }
    if (ptrace(PTRACE_SETSIGMASK, thread->tid, sizeof home->mask, &home->mask) != 0 ||
        ptrace(PTRACE_SETREGS, thread->tid, 0, &home->stopped) != 0)
        return recap_fail(error, -errno, "setting back the registers of thread %d", thread->tid);
    home->away = false;
    return 0;
}

static int write_header(struct linux_pd *pd, struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    uint64_t last = header_entry(pd, ENTRY_LAST);
    struct linux_entry entry = {
        .number = SYS_tgkill,
        .arguments = {(uint64_t)pd->vpid, (uint64_t)pd->threads[0].vtid,
                      (uint64_t)pd->threads[0].home->ending},
        .result = last + offsetof(struct linux_entry, spare),
        .next = foothold->extents ? header_entry(pd, ENTRY_UNMAP) : 0,
    };
    return linux_access_write(pd, last, &entry, sizeof entry, error);
}

static void hand_back_memory(struct linux_foothold *foothold)
{
    foothold->free = foothold->workshop + HEADER_SIZE;
    foothold->free_end = foothold->workshop + foothold->workshop_size;
}

int linux_foothold_settle(struct linux_pd *pd, struct recap_error *error)
{
    pd->foothold->batches = 0;
    hand_back_memory(pd->foothold);
    return write_header(pd, error);
}

int linux_foothold_stand(struct linux_pd *pd, struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    if (!pd->suspended)
        return recap_fail(error, -EINVAL, "process %d is not suspended", pd->pid);
    if (foothold->adrift)
        return recap_fail(error, -EIO, "acting inside process %d after a failure there", pd->pid);
    if (foothold->standing) {
        if (foothold->batches == 0)
            hand_back_memory(foothold);
        return 0;
    }
    struct linux_thread *leader = &pd->threads[0];
    int code = linux_stop_choose(pd, error);
    if (code != 0)
        return code;
    if (foothold->memory < 0)
        foothold->memory = openat(pd->proc, "mem", O_RDWR | O_CLOEXEC);
    struct linux_stub stub;
    linux_stub_leader(&stub, leader, pd->vpid, foothold->signal, WORKSHOP_SIZE);
    if (stub.length > foothold->area_size)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "there is no room for code in process %d", pd->pid);
    code = linux_access_poke(pd, foothold->area, stub.bytes, stub.length, error);
    if (code != 0)
        return code;
    foothold->used = stub.length;
    foothold->dirtied = stub.length;
    foothold->loop = foothold->area + stub.loop;
    foothold->tail = foothold->area + stub.tail;

    struct user_regs_struct r = leader->home->stopped;
    r.orig_rax = UINT64_MAX;
    r.eflags &= ~(uint64_t)EFLAGS_TRAP;
    r.rip = foothold->area;
    r.rax = SYS_mmap;
    r.rdi = 0;
    r.rsi = WORKSHOP_SIZE;
    r.rdx = PROT_READ | PROT_WRITE;
    /* Stack memory is not made of huge pages: touching one of these pages costs one page. */
    r.r10 = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK;
    r.r8 = UINT64_MAX;
    r.r9 = 0;
    r.rbx = UINT64_MAX;
    r.r12 = 0;
    code = send_away(leader, foothold->signal, foothold->area + stub.home, &r, error);
    if (code == 0)
        code = linux_stop_run(pd, 0, error);
    if (code != 0)
        return code;
    foothold->template = leader->home->there;
    foothold->template.orig_rax = UINT64_MAX;
    if ((int64_t)foothold->template.rbx < 0 && (int64_t)foothold->template.rbx > -4096) {
        code = (int)foothold->template.rbx;
        return recap_fail(error, code, "process %d has no room for %d KiB more", pd->pid,
                          WORKSHOP_SIZE / 1024);
    }
    foothold->workshop = foothold->template.rbx;
    foothold->workshop_size = WORKSHOP_SIZE;
    foothold->standing = true;
    foothold->extents = 0;
    return linux_foothold_settle(pd, error);
}

int linux_foothold_run(struct linux_pd *pd, size_t thread, uint64_t first,
                       struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    struct user_regs_struct r = foothold->template;
    r.rip = foothold->loop;
    r.r12 = first;
    if (ptrace(PTRACE_SETREGS, pd->threads[thread].tid, 0, &r) != 0) {
        foothold->adrift = true;
        return recap_fail(error, -errno, "setting the registers of process %d", pd->pid);
    }
    return linux_stop_run(pd, thread, error);
}

/* Maps a further extent, which the header unmaps from the moment on that it exists. */
static int extend(struct linux_pd *pd, size_t size, struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    size_t wanted = (size_t)WORKSHOP_SIZE << (foothold->extents + 1);
    /* What belongs where is the image's to say, outside of what was set aside. */
    if (foothold->moved || foothold->extents == LINUX_MOST_EXTENTS || size > SIZE_MAX - 4095)
        return recap_fail(error, -ENOMEM, "making room in process %d", pd->pid);
    if (wanted < size)
        wanted = (size + 4095) & ~(size_t)4095;
    uint64_t where = header_entry(pd, ENTRY_UNMAP + foothold->extents);
    uint64_t maker = header_entry(pd, ENTRY_EXTEND);
    struct linux_entry unmap = {
        .number = SYS_munmap,
        .arguments = {UINT64_MAX, wanted},
        .result = where + offsetof(struct linux_entry, spare),
    };
    struct linux_entry map = {
        .number = SYS_mmap,
        .arguments = {0, wanted, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, UINT64_MAX, 0},
        .result = where + offsetof(struct linux_entry, arguments),
        .next = header_entry(pd, ENTRY_LAST),
    };
    uint64_t before = foothold->extents ? where - sizeof unmap : header_entry(pd, ENTRY_LAST);
    int code = linux_access_write(pd, where, &unmap, sizeof unmap, error);
    if (code == 0)
        code = linux_access_write(pd, before + offsetof(struct linux_entry, next), &where,
                                  sizeof where, error);
    if (code == 0)
        code = linux_access_write(pd, maker, &map, sizeof map, error);
    if (code == 0)
        code = linux_foothold_run(pd, 0, maker, error);
    uint64_t address = 0;
    if (code == 0)
        code = linux_access_read(pd, map.result, &address, sizeof address, error);
    if (code != 0)
        return code;
    if ((int64_t)address < 0 && (int64_t)address > -4096)
        return recap_fail(error, (int)address, "making room in process %d", pd->pid);
    foothold->extent[foothold->extents++] =
        (struct linux_foothold_extent){address, address + wanted};
    foothold->free = address;
    foothold->free_end = address + wanted;
    return 0;
}

int linux_foothold_take(struct linux_pd *pd, size_t size, uint64_t *address,
                        struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    if (size > foothold->free_end - foothold->free) {
        int code = extend(pd, size, error);
        if (code != 0)
            return code;
    }
    *address = foothold->free;
    foothold->free += (size + 15) & ~(size_t)15;
    return 0;
}

size_t linux_foothold_room(const struct linux_pd *pd)
{
    return (pd->foothold->used + 15) & ~(size_t)15;
}

int linux_foothold_start(struct linux_pd *pd, size_t index, size_t place,
                         const struct linux_stub *stub, struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    struct linux_thread *thread = &pd->threads[index];
    int code = linux_access_poke(pd, foothold->area + place, stub->bytes, stub->length, error);
    if (code != 0)
        return code;
    if (place + stub->length > foothold->dirtied)
        foothold->dirtied = place + stub->length;
    struct user_regs_struct r = thread->home->stopped;
    r.orig_rax = UINT64_MAX;
    r.eflags &= ~(uint64_t)EFLAGS_TRAP;
    r.rip = foothold->area + place;
    code = send_away(thread, foothold->signal, foothold->area + place + stub->home, &r, error);
    return code ? code : linux_stop_go(pd, index, error);
}

int linux_foothold_finish(struct linux_pd *pd, size_t index, size_t count, int64_t *results,
                          struct recap_error *error)
{
    struct linux_thread *thread = &pd->threads[index];
    int code = linux_stop_arrive(pd, index, error);
    if (code != 0)
        return code;
    for (size_t i = 0; i < count; i++)
        results[i] = (int64_t)linux_stub_result(&thread->home->there, i);
    return bring_back(pd, thread, error);
}

/* Has the leader hand back the workshop. */
static int run_tail(struct linux_pd *pd, struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    struct user_regs_struct r = foothold->template;
    r.rip = foothold->extents ? foothold->loop : foothold->tail;
    r.r12 = header_entry(pd, ENTRY_UNMAP);
    if (ptrace(PTRACE_SETREGS, pd->threads[0].tid, 0, &r) != 0) {
        foothold->adrift = true;
        return recap_fail(error, -errno, "leaving process %d", pd->pid);
    }
    return linux_stop_run(pd, 0, error);
}

int linux_foothold_leave(struct linux_pd *pd, struct recap_error *error)
{
    struct linux_foothold *foothold = pd->foothold;
    struct recap_error ignored;
    /* A thread of a live process that cannot be set back goes home by itself once it is let go:
     * that is no failure. It needs its code for that. */
    if (!pd->created)
        error = &ignored;
    int code = foothold->standing && !foothold->adrift ? run_tail(pd, error) : 0;
    bool all_back = !foothold->adrift;
    for (size_t i = 0; i < pd->thread_count; i++) {
        if (!pd->threads[i].home->away || (i == 0 && foothold->adrift))
            continue;
        int back = bring_back(pd, &pd->threads[i], code == 0 ? error : NULL);
        code = code == 0 ? back : code;
        all_back = all_back && back == 0;
    }
    if (foothold->dirtied && all_back) {
        static const uint8_t zeros[2048];
        for (size_t done = 0; done < foothold->dirtied; done += sizeof zeros) {
            size_t part = foothold->dirtied - done;
            linux_access_poke(pd, foothold->area + done, zeros,
                              part < sizeof zeros ? part : sizeof zeros, NULL);
        }
        foothold->dirtied = 0;
    }
    foothold->standing = false;
    foothold->adrift = false;
    return pd->created ? code : 0;
}

void linux_foothold_free(struct linux_foothold *foothold)
{
    if (!foothold)
        return;
    if (foothold->memory >= 0)
        close(foothold->memory);
    free(foothold->children);
    free(foothold);
}
