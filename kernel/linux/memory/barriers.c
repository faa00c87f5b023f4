/* barriers.c: for which of membarrier(2)'s expedited barriers an address space is registered.
 *
 * A program registers once, and from then on relies on the barriers: unregistered, they fail. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/reading.h"

#include <linux/membarrier.h>
#include <stddef.h>
#include <sys/syscall.h>

/* Linux 6.3. */
enum { GET_REGISTRATIONS = 1 << 9 };

static const struct {
    int command;
    const char *name;
} registrations[] = {
    {MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, "global"},
    {MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, "private"},
    {MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, "private_sync_core"},
    {MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, "private_rseq"},
};

enum { COUNT = sizeof registrations / sizeof registrations[0] };

void linux_barriers_ask(const struct linux_reading *reading, struct linux_barriers *asked)
{
    asked->registered_call = linux_batch_call(reading->batch, SYS_membarrier, GET_REGISTRATIONS);
    asked->known_call = linux_batch_call(reading->batch, SYS_membarrier, MEMBARRIER_CMD_QUERY);
}

void linux_barriers_record(const struct linux_reading *reading, const struct linux_barriers *asked,
                           struct recap_value *state)
{
    int64_t registered = linux_batch_result(reading->batch, asked->registered_call);
    /* A kernel that does not tell: for all that it has. One too many does no harm. */
    if (registered < 0)
        registered = linux_batch_result(reading->batch, asked->known_call);
    if (registered <= 0)
        return;
    struct recap_value *record = recap_put_record(reading->arena, state, "memory_barriers");
    for (size_t i = 0; i < COUNT; i++)
        if (registered & registrations[i].command)
            recap_put_number(reading->arena, record, registrations[i].name, 1);
}

void linux_barriers_set(struct linux_steps *steps, const struct recap_value *want)
{
    const struct recap_value *record = recap_member(want, "memory_barriers");
    for (size_t i = 0; i < COUNT; i++)
        if (recap_number_or(record, registrations[i].name, 0))
            linux_step(steps, "registering for memory barriers", SYS_membarrier,
                       registrations[i].command);
}
