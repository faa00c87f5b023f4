/* layout.c: what the kernel says in /proc about an address space: where code, data, heap, stack,
 * arguments and environment are, the auxiliary vector, and the file of the program.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Which field of /proc/PID/stat, counted as proc(5) does. */
static const struct {
    const char *name;
    int field;
    size_t offset; /* in struct prctl_mm_map */
} bounds[] = {
    {"start_code", 26, offsetof(struct prctl_mm_map, start_code)},
    {"end_code", 27, offsetof(struct prctl_mm_map, end_code)},
    {"start_stack", 28, offsetof(struct prctl_mm_map, start_stack)},
    {"start_data", 45, offsetof(struct prctl_mm_map, start_data)},
    {"end_data", 46, offsetof(struct prctl_mm_map, end_data)},
    {"start_heap", 47, offsetof(struct prctl_mm_map, start_brk)},
    {"arguments_start", 48, offsetof(struct prctl_mm_map, arg_start)},
    {"arguments_end", 49, offsetof(struct prctl_mm_map, arg_end)},
    {"environment_start", 50, offsetof(struct prctl_mm_map, env_start)},
    {"environment_end", 51, offsetof(struct prctl_mm_map, env_end)},
};

enum { BOUND_COUNT = sizeof bounds / sizeof bounds[0] };

void linux_layout_ask(const struct linux_reading *reading, struct linux_layout *asked)
{
    /* Address 0 is refused, and the refusal says where the heap ends. */
    asked->brk_call = linux_batch_call(reading->batch, SYS_brk, 0);
}

const char *linux_stat_field(const char *stat, int field)
{
    /* The name in field 2 may hold anything, but ends at the last parenthesis. */
    const char *at = strrchr(stat, ')');
    for (int i = 2; at && i < field; i++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at;
}

int linux_layout_record(const struct linux_reading *reading, const struct linux_layout *asked,
                        const char *stat, struct recap_value *state, struct recap_error *error)
{
    struct recap_arena *arena = reading->arena;
    char *auxv;
    size_t length;
    int result = linux_procfs_read(reading->pd->proc, "auxv", &auxv, &length);
    if (result < 0)
        return recap_fail(error, result, "reading the auxiliary vector of process %d",
                          reading->pd->pid);
    struct recap_value *record = recap_put_record(arena, state, "layout");
    recap_put_bytes(arena, record, "auxiliary_vector", auxv, length);
    free(auxv);
    for (int i = 0; i < BOUND_COUNT; i++) {
        const char *text = linux_stat_field(stat, bounds[i].field);
        if (!text)
            return recap_fail(error, -EBADMSG, "reading /proc/%d/stat", reading->pd->pid);
        recap_put_hex(arena, record, bounds[i].name, strtoull(text, NULL, 10));
    }
    recap_put_hex(arena, record, "end_heap",
                  (uint64_t)linux_batch_result(reading->batch, asked->brk_call));
    return 0;
}

/* Gives the target a descriptor of its own for `fd`, which is taken over; it has to close its own.
 */
static int lend(struct linux_pd *pd, int fd, int *lent, struct recap_error *error)
{
    __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps = linux_steps_new(pd, 0);
    if (!steps) {
        close(fd);
        return recap_fail(error, -ENOMEM, "setting the layout");
    }
    size_t call = linux_step(steps, "keeping the program's file", SYS_fcntl, 0, F_DUPFD_CLOEXEC, 0);
    linux_steps_send(steps, fd, call, 0);
    int result = linux_steps_run(&steps, 1, error);
    if (result == 0)
        *lent = (int)linux_batch_result(linux_steps_batch(steps), call);
    return result;
}

static int set_map(struct linux_pd *pd, struct prctl_mm_map *map, const void *auxv,
                   struct recap_error *error)
{
    __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps = linux_steps_new(pd, 0);
    if (!steps)
        return recap_fail(error, -ENOMEM, "setting the layout");
    struct linux_batch *batch = linux_steps_batch(steps);
    map->auxv = (void *)linux_batch_put(batch, auxv, map->auxv_size);
    uint64_t at = linux_batch_put(batch, map, sizeof *map);
    linux_step(steps, "setting the layout", SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, at, sizeof *map);
    linux_step(steps, "closing the program's file", SYS_close, map->exe_fd);
    return linux_steps_run(&steps, 1, error);
}

int linux_layout_set(struct linux_pd *pd, const struct recap_creation *creation,
                     const struct recap_value *want, struct recap_error *error)
{
    const struct recap_value *record = recap_member(want, "layout");
    struct prctl_mm_map map = {0};
    const void *auxv;
    size_t length;
    uint64_t heap;
    bool whole = recap_get_bytes(record, "auxiliary_vector", &auxv, &length) == 0 &&
                 length <= UINT32_MAX && recap_get_hex(record, "end_heap", &heap) == 0;
    for (int i = 0; whole && i < BOUND_COUNT; i++) {
        uint64_t value = 0;
        whole = recap_get_hex(record, bounds[i].name, &value) == 0;
        memcpy((char *)&map + bounds[i].offset, &value, sizeof value);
    }
    if (!whole)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the layout is malformed");
    map.brk = heap;
    map.auxv_size = (uint32_t)length;
    int program, lent = -1;
    int result = linux_place_open(pd->kernel, creation, want, "program", O_RDONLY, &program, error);
    if (result < 0)
        return result;
    result = lend(pd, program, &lent, error);
    map.exe_fd = (uint32_t)lent;
    return result ? result : set_map(pd, &map, auxv, error);
}
