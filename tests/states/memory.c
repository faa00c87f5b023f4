/* memory.c: what the kernel keeps for a mapping, or for all later ones. */
#include "newer.h"
#include "states.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <linux/mman.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SIZE = 4 << 20 };

/* A mapping of its own, of the size of huge pages. */
static int open_mapping(struct held *held)
{
    void *memory = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    char *start = (char *)(((uintptr_t)memory + SIZE - 1) & ~((uintptr_t)SIZE - 1));
    held->memory = mmap(start, SIZE / 2, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return held->memory == MAP_FAILED ? -1 : 0;
}

static int advise(struct held *held)
{
    return madvise(held->memory, SIZE / 2, (int)held->state->numbers[0]);
}

/* A line of the mapping in smaps: its flags, or where it begins with `name`. */
static void read_line(struct held *held, const char *name, char text[STATE_TEXT])
{
    FILE *file = fopen("/proc/self/smaps", "re");
    char *line = NULL;
    size_t capacity = 0;
    bool inside = false;
    snprintf(text, STATE_TEXT, "none");
    while (file && getline(&line, &capacity, file) > 0) {
        unsigned long start, end;
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            inside = start <= (uintptr_t)held->memory && (uintptr_t)held->memory < end;
        if (inside && strncmp(line, name, strlen(name)) == 0)
            snprintf(text, STATE_TEXT, "%.*s", (int)strcspn(line, "\n"), line);
    }
    free(line);
    if (file)
        fclose(file);
}

static void read_flags(struct held *held, char text[STATE_TEXT])
{
    read_line(held, "VmFlags:", text);
}

static int lock(struct held *held)
{
    return (int)syscall(SYS_mlock2, held->memory, 65536, MLOCK_ONFAULT);
}

static int lock_later(struct held *held)
{
    return mlockall((int)held->state->numbers[0]);
}

/* The flags of a mapping made now. */
static void read_later(struct held *held, char text[STATE_TEXT])
{
    void *kept = held->memory;
    held->memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    read_flags(held, text);
    munmap(held->memory, 4096);
    held->memory = kept;
}

static int protect(struct held *held)
{
    return mprotect(held->memory, 65536, PROT_READ | PROT_EXEC);
}

static int name_memory(struct held *held)
{
    return prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, held->memory, SIZE / 2, "a name");
}

static void read_memory_name(struct held *held, char text[STATE_TEXT])
{
    char start[32];
    snprintf(start, sizeof start, "%lx-", (unsigned long)held->memory);
    read_line(held, start, text);
}

static int seal(struct held *held)
{
    return (int)syscall(SYS_mseal, held->memory, SIZE / 2, 0);
}

static int guard(struct held *held)
{
    return madvise((char *)held->memory + 8192, 4096, MADV_GUARD_INSTALL);
}

/* Whether the kernel itself cannot read there. */
static void read_guard(struct held *held, char text[STATE_TEXT])
{
    int ends[2];
    if (pipe(ends) != 0)
        return;
    ssize_t written = write(ends[1], (char *)held->memory + 8192, 1);
    state_say(text, written == 1, "readable");
    close(ends[0]);
    close(ends[1]);
}

/* {mode}, of the thread, or of the mapping */
static int set_policy(struct held *held)
{
    const unsigned long nodes = 1;
    return (int)syscall(SYS_set_mempolicy, held->state->numbers[0], &nodes, 8 * sizeof nodes);
}

static int bind_memory(struct held *held)
{
    const unsigned long nodes = 1;
    long mode = held->state->numbers[0];
    return (int)syscall(SYS_mbind, held->memory, SIZE / 2, mode, mode == MPOL_LOCAL ? NULL : &nodes,
                        8 * sizeof nodes, 0);
}

static void read_policy(struct held *held, char text[STATE_TEXT])
{
    int mode = -1;
    unsigned long nodes[16] = {0};
    long flags = held->memory ? MPOL_F_ADDR : 0;
    bool answered =
        syscall(SYS_get_mempolicy, &mode, nodes, 8 * sizeof nodes, held->memory, flags) == 0;
    state_say(text, answered, "mode %d, nodes %#lx", mode, nodes[0]);
}

static int take_key(struct held *held)
{
    held->number = syscall(SYS_pkey_alloc, 0, 0);
    return held->number < 0 ? -1 : 0;
}

/* Only a key that was taken can be given to memory. */
static void read_key(struct held *held, char text[STATE_TEXT])
{
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool taken =
        held->number > 0 && syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, held->number) == 0;
    munmap(page, 4096);
    state_say(text, true, taken ? "taken" : "not taken");
}

static int protect_by_key(struct held *held)
{
    long key = syscall(SYS_pkey_alloc, 0, 0);
    return key < 0 ? -1 : (int)syscall(SYS_pkey_mprotect, held->memory, 4096, PROT_READ, key);
}

static void read_key_of(struct held *held, char text[STATE_TEXT])
{
    read_line(held, "ProtectionKey:", text);
}

/* {flags}: a mapping that is not there before. */
static int map(struct held *held)
{
    int flags = (int)held->state->numbers[0];
    if (!(flags & (MAP_SHARED | MAP_DROPPABLE)))
        flags |= MAP_PRIVATE;
    held->memory = mmap(NULL, 65536, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    return held->memory == MAP_FAILED ? -1 : 0;
}

static int make_ring(struct held *held)
{
    return (int)syscall(SYS_io_setup, 4, &held->memory);
}

static void read_ring(struct held *held, char text[STATE_TEXT])
{
    state_say(text, true, held->memory ? "a ring" : "none");
}

#define POLICY(mode)                                                                               \
    .name = #mode, .open = open_mapping, .set = bind_memory, .read = read_policy,                  \
    .numbers = {(mode)}
#define MAPPING(flags) .name = #flags, .set = map, .read = read_flags, .numbers = {(flags)}
#define ADVICE(advice)                                                                             \
    .name = #advice, .open = open_mapping, .set = advise, .read = read_flags, .numbers = {(advice)}

static const struct state states[] = {
    {ADVICE(MADV_HUGEPAGE)},
    {ADVICE(MADV_NOHUGEPAGE)},
    {ADVICE(MADV_DONTFORK)},
    {ADVICE(MADV_WIPEONFORK)},
    {ADVICE(MADV_DONTDUMP)},
    {ADVICE(MADV_MERGEABLE)},
    {ADVICE(MADV_RANDOM)},
    {ADVICE(MADV_SEQUENTIAL)},
    {.name = "MADV_GUARD_INSTALL",
     .open = open_mapping,
     .set = guard,
     .read = read_guard,
     .since = "6.13"},
    {.name = "PROT_EXEC",
     .claims = "PROT_EXEC PROT_READ PROT_WRITE PROT_NONE __NR_mprotect",
     .open = open_mapping,
     .set = protect,
     .read = read_flags},
    {.name = "MLOCK_ONFAULT",
     .claims = "MLOCK_ONFAULT __NR_mlock2 __NR_mlock status:VmLck",
     .open = open_mapping,
     .set = lock,
     .read = read_flags},
    {.name = "MCL_FUTURE",
     .claims = "MCL_FUTURE __NR_mlockall",
     .set = lock_later,
     .read = read_later,
     .numbers = {MCL_FUTURE},
     .alone = true},
    {.name = "MCL_ONFAULT",
     .set = lock_later,
     .read = read_later,
     .numbers = {MCL_FUTURE | MCL_ONFAULT},
     .alone = true},
    {.name = "PR_SET_VMA_ANON_NAME",
     .claims = "PR_SET_VMA PR_SET_VMA_ANON_NAME",
     .open = open_mapping,
     .set = name_memory,
     .read = read_memory_name,
     .may_lack = "a kernel with names for memory"},
    {.name = "mseal",
     .claims = "__NR_mseal",
     .open = open_mapping,
     .set = seal,
     .read = read_flags,
     .since = "6.10",
     .alone = true},
    {.name = "set_mempolicy",
     .claims = "__NR_set_mempolicy",
     .set = set_policy,
     .read = read_policy,
     .numbers = {MPOL_PREFERRED},
     .alone = true},
    {POLICY(MPOL_PREFERRED)},
    {POLICY(MPOL_BIND), .claims = "__NR_mbind MPOL_BIND self:numa_maps thread-self:numa_maps"},
    {POLICY(MPOL_INTERLEAVE)},
    {POLICY(MPOL_LOCAL)},
    {POLICY(MPOL_PREFERRED_MANY)},
    {.name = "MPOL_F_STATIC_NODES",
     .open = open_mapping,
     .set = bind_memory,
     .read = read_policy,
     .numbers = {MPOL_BIND | MPOL_F_STATIC_NODES}},
    {.name = "MPOL_F_RELATIVE_NODES",
     .open = open_mapping,
     .set = bind_memory,
     .read = read_policy,
     .numbers = {MPOL_INTERLEAVE | MPOL_F_RELATIVE_NODES}},
    {.name = "pkey_alloc",
     .claims = "__NR_pkey_alloc",
     .set = take_key,
     .read = read_key,
     .may_lack = "a processor with protection keys",
     .limit = "Which protection keys"},
    {.name = "pkey_mprotect",
     .claims = "__NR_pkey_mprotect",
     .open = open_mapping,
     .set = protect_by_key,
     .read = read_key_of,
     .may_lack = "a processor with protection keys",
     .refused = "protection key"},
    {MAPPING(MAP_NORESERVE)},
    {MAPPING(MAP_GROWSDOWN)},
    {MAPPING(MAP_DROPPABLE), .since = "6.11"},
    {MAPPING(MAP_LOCKED)},
    {MAPPING(MAP_SHARED)},
    {.name = "io_setup",
     .claims = "__NR_io_setup",
     .set = make_ring,
     .read = read_ring,
     .refused = "asynchronous input and output"},
};

STATE_FAMILY(memory_family, "memory", states);
