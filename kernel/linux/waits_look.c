/* waits_look.c: which call a thread waits in that the kernel shows as restart_syscall.
 *
 * Where a running thread waits in the kernel says it, but only before it is stopped: so it is
 * looked for while the process is examined. What was seen then holds for a thread that is found at
 * the same place with the same arguments.
 */
#include "kernel/linux/waits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct seen {
    pid_t tid;
    uint64_t arguments[6];
    uint64_t stack, instruction;
    long call;
};

struct linux_waits {
    struct seen *items;
    size_t count;
    size_t room;
};

void linux_waits_free(struct linux_waits *waits)
{
    if (!waits)
        return;
    free(waits->items);
    free(waits);
}

/* Of the two that sleep, one has a clock where the other has an address. */
static long which_sleep(uint64_t first_argument)
{
    return (int32_t)first_argument == (int64_t)first_argument && (int64_t)first_argument < 4096
               ? SYS_clock_nanosleep
               : SYS_nanosleep;
}

/* The function that a restarted call waits in. A sleep waits right below the entry code. */
static long call_of(const char *function, uint64_t first_argument)
{
    if (strstr(function, "poll"))
        return SYS_poll;
    if (strstr(function, "futex"))
        return SYS_futex;
    if (strstr(function, "sleep") || strcmp(function, "do_syscall_64") == 0)
        return which_sleep(first_argument);
    return -1;
}

static bool parse(const char *text, struct seen *seen)
{
    long number;
    uint64_t *a = seen->arguments;
    return sscanf(text, "%ld %lx %lx %lx %lx %lx %lx %lx %lx", &number, &a[0], &a[1], &a[2], &a[3],
                  &a[4], &a[5], &seen->stack, &seen->instruction) == 9 &&
           number == SYS_restart_syscall;
}

static int add(struct linux_pd *pd, const struct seen *seen)
{
    struct linux_waits *waits = pd->waits;
    if (!waits)
        waits = pd->waits = calloc(1, sizeof *waits);
    if (!waits)
        return -ENOMEM;
    if (waits->count == waits->room) {
        size_t room = waits->room ? 2 * waits->room : 16;
        struct seen *items = reallocarray(waits->items, room, sizeof *items);
        if (!items)
            return -ENOMEM;
        waits->items = items;
        waits->room = room;
    }
    waits->items[waits->count++] = *seen;
    return 0;
}

int linux_wait_look(struct linux_pd *pd, pid_t tid)
{
    struct seen seen = {.tid = tid};
    char path[48], text[256];
    snprintf(path, sizeof path, "task/%d/syscall", tid);
    if (linux_procfs_read_into(pd->proc, path, text, sizeof text) < 0 || !parse(text, &seen))
        return 0;
    snprintf(path, sizeof path, "task/%d/wchan", tid);
    if (linux_procfs_read_into(pd->proc, path, text, sizeof text) < 0)
        return 0;
    seen.call = call_of(text, seen.arguments[0]);
    return seen.call < 0 ? 0 : add(pd, &seen);
}

long linux_wait_seen(const struct linux_pd *pd, pid_t tid, const struct user_regs_struct *r)
{
    const uint64_t arguments[6] = {r->rdi, r->rsi, r->rdx, r->r10, r->r8, r->r9};
    /* The newest that was seen of a thread is the last. */
    for (size_t i = pd->waits ? pd->waits->count : 0; i > 0; i--) {
        const struct seen *seen = &pd->waits->items[i - 1];
        if (seen->tid == tid && seen->stack == r->rsp && seen->instruction == r->rip &&
            memcmp(seen->arguments, arguments, sizeof arguments) == 0)
            return seen->call;
    }
    return -1;
}
