/* world.c: stopping every component that core made, and letting them go on.
 *
 * All of them, not only those that are checkpointed: a call under way is broken off to have the
 * caller's registers, and its answer would be lost if the partner gave it meanwhile.
 *
 *   1  every thread gets an exception as soon as it is outside the kernel
 *   2  those that wait inside the kernel have their wait broken off, if they made it by the ten
 *      bytes below, after which everything is known to make it anew; else nothing is stopped
 *   3  UTCBs are read, triggered interrupts that nobody took yet are taken note of
 *
 * Going on: calls under way are made again, empty, to partners that stand in a receive of core's
 * making, so that the answer is owed again; interrupts are triggered again; then all run.
 */
#include "foc.h"

#include <errno.h>
#include <l4/sys/ipc.h>
#include <l4/sys/irq.h>
#include <l4/sys/thread.h>
#include <string.h>

/* mov %r9,%rax; mov %r10,%rdx; xor %esi,%esi; syscall: r9 is the tag, r10 destination and flags. */
static const uint8_t again[] = {0x4c, 0x89, 0xc8, 0x4c, 0x89, 0xd2, 0x31, 0xf6, 0x0f, 0x05};

#define FOC_EACH_THREAD(foc, pd, thread)                                                           \
    for (struct foc_pd *pd = (foc)->pds; pd; pd = pd->next)                                        \
        for (struct foc_thread *thread = pd->threads; thread; thread = thread->next)

static bool has_to_park(const struct foc_thread *thread)
{
    return thread->started && !thread->parked && !thread->crashed;
}

static bool all_parked(struct foc *foc, unsigned milliseconds)
{
    for (unsigned quiet = 0; quiet <= milliseconds;) {
        bool waiting = false;
        FOC_EACH_THREAD (foc, pd, thread)
            waiting |= has_to_park(thread);
        if (!waiting)
            return true;
        quiet += !foc_serve(foc, 1000);
    }
    return false;
}

static void trigger(struct foc_thread *thread, unsigned long also)
{
    l4_thread_ex_regs(thread->object->cap, ~0ul, ~0ul, L4_THREAD_EX_REGS_TRIGGER_EXCEPTION | also);
}

static bool made_to_be_repeated(struct foc_thread *thread, uint64_t ip)
{
    uint8_t code[sizeof again];
    return foc_copy(thread->pd, ip - sizeof again, code, sizeof code, false) == 0 &&
           memcmp(code, again, sizeof again) == 0;
}

/* Whether every thread that waits inside the kernel can have its wait broken off. */
static int look_at_waits(struct foc *foc, struct recap_error *error)
{
    FOC_EACH_THREAD (foc, pd, thread) {
        l4_addr_t ip = ~0ul, sp = ~0ul;
        l4_umword_t flags = 0;
        if (!has_to_park(thread))
            continue;
        l4_thread_ex_regs_ret(thread->object->cap, &ip, &sp, &flags);
        if (!made_to_be_repeated(thread, ip)) {
            recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                         "thread %llu of PD %llu (%s) waits in a system call at 0x%lx that cannot "
                         "be made again",
                         (unsigned long long)thread->id, (unsigned long long)pd->id, pd->name, ip);
            return recap_error_remedy(error, "make it by the instructions in recap-foc(7), or try "
                                             "again when it does not wait");
        }
    }
    return 0;
}

static uint64_t ipc_error_of(const struct foc_thread *thread)
{
    uint64_t value;
    memcpy(&value, thread->utcb + L4_UTCB_THREAD_REGS_OFFSET, sizeof value);
    return value & L4_IPC_ERROR_MASK;
}

/* A wait that was broken off will be made again. */
static void prepare_again(struct foc_thread *thread)
{
    l4_exc_regs_t *registers = &thread->registers;
    l4_msgtag_t tag = {.raw = (l4_mword_t)registers->rax};
    if (!made_to_be_repeated(thread, registers->ip) || !l4_msgtag_has_error(tag))
        return;
    uint64_t failed = ipc_error_of(thread);
    if (failed != L4_IPC_RECANCELED && failed != L4_IPC_SECANCELED)
        return;
    registers->ip -= sizeof again;
    uint64_t sends = L4_SYSF_SEND | L4_SYSF_REPLY;
    struct foc_object *partner = foc_behind(thread->pd, registers->r10 >> L4_CAP_SHIFT);
    bool blocks_itself = partner && partner->kind == FOC_SEMAPHORE;
    if (failed == L4_IPC_SECANCELED || blocks_itself) {
        thread->wait = FOC_SENDS;
    } else if ((registers->r10 & L4_SYSF_SEND) && !(registers->r10 & L4_SYSF_OPEN_WAIT)) {
        thread->wait = FOC_CALLS;
        registers->r9 = (uint64_t)l4_msgtag(0, 0, 0, 0).raw;
    } else {
        thread->wait = FOC_RECEIVES;
        registers->r10 &= ~sends;
    }
}

/* Has a parked thread take one message; false: there was none. */
static bool receive_one(struct foc_thread *thread, bool wait, l4_umword_t *label)
{
    l4_exc_regs_t registers = {.rdx = L4_INVALID_CAP | L4_SYSF_WAIT,
                               .r8 = wait ? L4_IPC_NEVER.raw : L4_IPC_BOTH_TIMEOUT_0.raw};
    if (foc_run_stub(thread, FOC_STUB_IPC, &registers, NULL) < 0)
        return false;
    l4_msgtag_t tag = {.raw = (l4_mword_t)registers.rax};
    *label = registers.rsi;
    return !l4_msgtag_has_error(tag);
}

static struct foc_object *bound_with(struct foc *foc, recap_badge thread, l4_umword_t label)
{
    for (size_t i = 0; i < foc->object_count; i++) {
        struct foc_object *object = foc->objects[i];
        if (object && object->kind == FOC_IRQ && object->bound == thread && object->label == label)
            return object;
    }
    return NULL;
}

static bool has_interrupts(const struct foc *foc, recap_badge thread)
{
    for (size_t i = 0; i < foc->object_count; i++)
        if (foc->objects[i] && foc->objects[i]->kind == FOC_IRQ && foc->objects[i]->bound == thread)
            return true;
    return false;
}

/* With every thread parked, the only messages that still wait are interrupts. */
static void note_interrupts(struct foc *foc, struct foc_thread *thread)
{
    l4_umword_t label;
    while (has_interrupts(foc, thread->object->badge) && receive_one(thread, false, &label)) {
        struct foc_object *object = bound_with(foc, thread->object->badge, label);
        if (object)
            object->pending = true;
    }
}

int foc_stop_world(struct foc *foc, struct recap_error *error)
{
    enum { OUTSIDE = 5, INSIDE = 2000 }; /* milliseconds without any news */
    if (foc->stopped++)
        return 0;
    FOC_EACH_THREAD (foc, pd, thread)
        if (has_to_park(thread))
            trigger(thread, 0);
    int result = all_parked(foc, OUTSIDE) ? 0 : look_at_waits(foc, error);
    if (result == 0) {
        FOC_EACH_THREAD (foc, pd, thread)
            if (has_to_park(thread))
                trigger(thread, L4_THREAD_EX_REGS_CANCEL);
        if (!all_parked(foc, INSIDE))
            result = recap_fail(error, -ETIMEDOUT, "stopping the components");
    }
    FOC_EACH_THREAD (foc, pd, thread) {
        if (result < 0 || !thread->parked || thread->crashed || !pd->runs)
            continue;
        result = foc_utcb_copy(thread, false, error);
        if (result == 0)
            prepare_again(thread);
    }
    FOC_EACH_THREAD (foc, pd, thread)
        if (result == 0 && thread->parked && !thread->crashed && pd->runs)
            note_interrupts(foc, thread);
    if (result < 0)
        foc_start_world(foc);
    return result;
}

/* Makes a broken-off call again: its partner then owes the answer as it did. */
static void call_again(struct foc *foc, struct foc_thread *thread)
{
    struct foc_object *partner = foc_behind(thread->pd, thread->registers.r10 >> L4_CAP_SHIFT);
    if (partner && partner->kind == FOC_GATE)
        partner = foc_object(foc, partner->bound);
    struct foc_thread *server =
        partner && partner->kind == FOC_THREAD ? foc_thread(partner->pd, partner->thread) : NULL;
    l4_umword_t label;
    foc_utcb_copy(thread, true, NULL);
    foc_unpark(thread);
    if (server && server->parked && !server->crashed)
        receive_one(server, true, &label);
}

static bool family_runs(const struct foc *foc, uint64_t family)
{
    for (const struct foc_pd *pd = foc->pds; pd; pd = pd->next)
        if (pd->family == family && pd->runs)
            return true;
    return false;
}

void foc_go_on(struct foc *foc)
{
    if (foc->stopped)
        return;
    /* Calls first, while no other message can be on its way to their partners; also of PDs that
     * were restored together with one that starts now. */
    FOC_EACH_THREAD (foc, pd, thread)
        if (thread->parked && !thread->crashed && thread->wait == FOC_CALLS &&
            family_runs(foc, pd->family))
            call_again(foc, thread);
    for (size_t i = 0; i < foc->object_count; i++) {
        struct foc_object *object = foc->objects[i];
        const struct foc_object *bound = object ? foc_object(foc, object->bound) : NULL;
        if (!object || !object->pending || !bound || !bound->pd->runs)
            continue;
        object->pending = false;
        l4_irq_trigger(object->cap);
    }
    FOC_EACH_THREAD (foc, pd, thread)
        if (thread->parked && pd->runs && !thread->crashed) {
            foc_utcb_copy(thread, true, NULL);
            foc_unpark(thread);
        }
}

void foc_start_world(struct foc *foc)
{
    foc->stopped--;
    foc_go_on(foc);
}
