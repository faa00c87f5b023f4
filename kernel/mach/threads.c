/* threads.c: registers, and what a thread is doing in the kernel.
 *
 * A suspended thread that waits in mach_msg is taken out by thread_abort. What the trap returns
 * then says which phase it was in: the kernel, not a guess. Its registers are set back such that it
 * enters the trap again as it goes on, here and where it is restored: it waits on the same port
 * with its whole timeout. A thread that had sent and was waiting for the answer must not send
 * again: the option word, in the trap's arguments on its stack, loses MACH_SEND_MSG. By the calling
 * convention those words belong to the function that is called. thread_switch begins anew, too.
 */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "mach.user.h"
#include "mach_host.user.h"

#include <errno.h>
#include <mach/thread_info.h>
#include <mach/thread_status.h>
#include <stdlib.h>
#include <string.h>

/* lcall $7, $0, and the numbers of the traps in which a thread may wait. */
static const unsigned char trap_code[] = {0x9a, 0x00, 0x00, 0x00, 0x00, 0x07, 0x00};
#define TRAP_MACH_MSG ((unsigned)-25)
#define TRAP_THREAD_SWITCH ((unsigned)-61)

int mach_thread_list(struct mach_pd *pd, mach_port_t **threads, size_t *count,
                     struct recap_error *error)
{
    thread_array_t given;
    mach_msg_type_number_t given_count;
    kern_return_t why = task_threads(pd->task, &given, &given_count);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "listing the threads of PD %llu",
                         (unsigned long long)pd->pd.id);
    mach_port_t *list = calloc(given_count + 1, sizeof *list);
    int result = list ? 0 : recap_fail(error, -ENOMEM, "listing threads");
    for (mach_msg_type_number_t i = 0; i < given_count; i++) {
        int kept = mach_keep(mach_of(pd->pd.kernel), given[i], error);
        if (list)
            list[i] = given[i];
        result = result ? result : kept;
    }
    if (given_count)
        vm_deallocate(mach_task_self(), (vm_address_t)given, given_count * sizeof *given);
    if (result < 0) {
        free(list);
        return result;
    }
    *threads = list;
    *count = given_count;
    return 0;
}

static kern_return_t get_registers(mach_port_t thread, struct i386_thread_state *state)
{
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    return thread_get_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)state, &count);
}

static kern_return_t set_registers(mach_port_t thread, const struct i386_thread_state *state)
{
    struct i386_thread_state copy = *state;
    return thread_set_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&copy,
                            i386_THREAD_STATE_COUNT);
}

/* Whether the registers are those of a thread that is in one of those traps. */
static bool in_trap(struct mach_pd *pd, const struct i386_thread_state *state)
{
    unsigned char code[sizeof trap_code];
    return (state->eax == TRAP_MACH_MSG || state->eax == TRAP_THREAD_SWITCH) &&
           state->eip >= sizeof code &&
           mach_read(&pd->pd, state->eip - sizeof code, code, sizeof code, NULL) == 0 &&
           memcmp(code, trap_code, sizeof code) == 0;
}

/* The thread had sent: it is only to receive when it enters the trap again. */
static int receive_only(struct mach_pd *pd, const struct i386_thread_state *state,
                        struct recap_error *error)
{
    mach_msg_option_t option;
    uint64_t at = (uint64_t)state->uesp + 2 * sizeof option; /* behind return address, message */
    int result = mach_read(&pd->pd, at, &option, sizeof option, error);
    if (result < 0 || !(option & MACH_SEND_MSG))
        return result;
    option &= ~MACH_SEND_MSG;
    return mach_write(&pd->pd, at, &option, sizeof option, error);
}

static int settle_one(struct mach_pd *pd, mach_port_t thread, struct recap_error *error)
{
    struct i386_thread_state before, after;
    kern_return_t why = get_registers(thread, &before);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "reading registers");
    bool was_in = in_trap(pd, &before);
    why = thread_abort(thread);
    if (why == KERN_SUCCESS)
        why = get_registers(thread, &after);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "taking a thread out of the kernel");
    bool waited = before.eax == TRAP_THREAD_SWITCH || after.eax == MACH_RCV_INTERRUPTED ||
                  after.eax == MACH_SEND_INTERRUPTED;
    if (!was_in || after.eip != before.eip || !waited)
        return 0;
    if (before.eax == TRAP_MACH_MSG && after.eax == MACH_RCV_INTERRUPTED) {
        int result = receive_only(pd, &after, error);
        if (result < 0)
            return result;
    }
    after.eip -= sizeof trap_code;
    after.eax = before.eax;
    why = set_registers(thread, &after);
    return why == KERN_SUCCESS ? 0 : mach_fail(error, why, "setting registers");
}

int mach_settle(struct mach_pd *pd, struct recap_error *error)
{
    mach_port_t *threads;
    size_t count;
    int result = mach_thread_list(pd, &threads, &count, error);
    if (result < 0)
        return result;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = settle_one(pd, threads[i], error);
    free(threads);
    return result;
}

static int add_thread(struct mach_pd *pd, mach_port_t port, uint64_t id, struct recap_graph *graph,
                      struct recap_pd_image *image, struct recap_error *error)
{
    struct i386_thread_state registers;
    struct i386_float_state extended;
    struct thread_basic_info info;
    struct recap_arena *arena = graph->arena;
    mach_msg_type_number_t float_count = i386_FLOAT_STATE_COUNT, count = THREAD_BASIC_INFO_COUNT;
    memset(&extended, 0, sizeof extended);
    kern_return_t why = get_registers(port, &registers);
    if (why == KERN_SUCCESS)
        why = thread_get_state(port, i386_FLOAT_STATE, (thread_state_t)&extended, &float_count);
    if (why == KERN_SUCCESS)
        why = thread_info(port, THREAD_BASIC_INFO, (thread_info_t)&info, &count);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "reading thread %llu of PD %llu", (unsigned long long)id,
                         (unsigned long long)pd->pd.id);
    if ((registers.fs && registers.fs != registers.ds) ||
        (registers.gs && registers.gs != registers.ds))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "thread %llu of PD %llu uses a segment of its own",
                            (unsigned long long)id, (unsigned long long)pd->pd.id);
    struct recap_thread *thread = recap_graph_add_thread(graph, image);
    if (!thread)
        return recap_fail(error, -ENOMEM, "reading threads");
    *thread =
        (struct recap_thread){.id = id,
                              .registers = recap_arena_copy(arena, &registers, sizeof registers),
                              .registers_length = sizeof registers,
                              .extended = recap_arena_copy(arena, &extended, sizeof extended),
                              .extended_length = sizeof extended,
                              .state = recap_record(arena)};
    recap_put_number(arena, thread->state, "base_priority", info.base_priority);
    recap_put_number(arena, thread->state, "suspended", info.suspend_count);
    return recap_arena_failed(arena) ? recap_fail(error, -ENOMEM, "reading threads") : 0;
}

int mach_threads(struct recap_pd *handle, struct recap_graph *graph, struct recap_pd_image *image,
                 struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    mach_port_t *threads;
    size_t count;
    int result = mach_thread_list(pd, &threads, &count, error);
    if (result < 0)
        return result;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = add_thread(pd, threads[i], i + 1, graph, image, error);
    free(threads);
    return result;
}

static int set_thread(struct mach_pd *pd, size_t index, const struct recap_thread *thread,
                      struct recap_error *error)
{
    struct i386_thread_state registers;
    struct i386_float_state extended;
    int64_t suspended = recap_number_or(thread->state, "suspended", 0);
    int64_t priority = recap_number_or(thread->state, "base_priority", -1);
    if (thread->registers_length != sizeof registers ||
        thread->extended_length != sizeof extended || suspended < 0 || suspended > INT16_MAX ||
        priority < 0 || priority > INT16_MAX)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "thread %llu of PD %llu is damaged",
                            (unsigned long long)thread->id, (unsigned long long)pd->pd.id);
    memcpy(&registers, thread->registers, sizeof registers);
    memcpy(&extended, thread->extended, sizeof extended);
    int result = extended.initialized
                     ? mach_load_float(pd, pd->threads[index], extended.hw_state, error)
                     : 0;
    if (result < 0)
        return result;
    kern_return_t why = set_registers(pd->threads[index], &registers);
    if (why == KERN_SUCCESS)
        why = thread_priority(pd->threads[index], (int)priority, FALSE);
    pd->held[index] = (unsigned)suspended;
    return why == KERN_SUCCESS
               ? 0
               : mach_fail(error, why, "setting thread %llu of PD %llu",
                           (unsigned long long)thread->id, (unsigned long long)pd->pd.id);
}

int mach_threads_set(struct recap_pd *handle, const struct recap_graph *graph,
                     const struct recap_pd_image *image, struct recap_error *error)
{
    struct mach_pd *pd = mach_pd_of(handle);
    (void)graph;
    int result = 0;
    for (size_t i = 0; result == 0 && i < pd->thread_count; i++)
        result = set_thread(pd, i, &image->threads[i], error);
    return result;
}
