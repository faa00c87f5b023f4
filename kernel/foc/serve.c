/* serve.c: what reaches core from its components: page faults, exceptions, sessions. */
#include "foc.h"
#include "service.h"

#include <errno.h>
#include <l4/sys/ipc.h>
#include <stdlib.h>
#include <string.h>

static void reply(long label)
{
    l4_ipc_send(L4_INVALID_CAP | L4_SYSF_REPLY, l4_utcb(), l4_msgtag(label, 0, 0, 0),
                L4_IPC_BOTH_TIMEOUT_0);
}

static void page_fault(struct foc_thread *thread)
{
    uint64_t address = l4_utcb_mr()->mr[0];
    bool write = address & 2;
    if (foc_page_fault(thread->pd, address & ~7ull, write))
        reply(0);
    else
        thread->crashed = "it touched memory that it has not got"; /* it waits for ever */
}

static void exception(struct foc_thread *thread, const uint8_t *extended)
{
    l4_exc_regs_t registers;
    memcpy(&registers, l4_utcb_mr()->mr, sizeof registers);
    memcpy(thread->extended, extended, foc_fpu_size());
    foc_parked(thread, &registers);
    /* One that was to be parked and was still in a system call when core gave up. */
    if (!thread->crashed && !thread->pd->foc->stopped && thread->pd->runs &&
        l4_utcb_exc_is_ex_regs_exception(&registers))
        foc_unpark(thread);
}

static void session(struct foc_thread *thread, l4_msgtag_t tag)
{
    l4_umword_t words[L4_UTCB_GENERIC_DATA_SIZE];
    unsigned count = l4_msgtag_words(tag);
    if (count > L4_UTCB_GENERIC_DATA_SIZE)
        count = L4_UTCB_GENERIC_DATA_SIZE;
    memcpy(words, l4_utcb_mr()->mr, count * sizeof *words);
    long answer = foc_session(thread, words, count);
    /* A component that asked for its end is no more. */
    if (words[0] != FOC_EXIT)
        reply(answer);
}

static struct foc_thread *caller(const struct foc *foc, l4_umword_t label)
{
    const struct foc_object *object = (const struct foc_object *)(label & ~3ul);
    for (size_t i = 0; i < foc->object_count; i++)
        if (foc->objects[i] == object && object->kind == FOC_SESSION)
            return foc_thread(object->pd, object->thread);
    return NULL;
}

bool foc_serve(struct foc *foc, unsigned microseconds)
{
    static uint8_t *extended;
    if (!extended && !(extended = aligned_alloc(64, (foc_fpu_size() + 63) / 64 * 64)))
        return false;
    memset(extended, 0, foc_fpu_size());
    l4_utcb_br()->bdr = L4_UTCB_INHERIT_FPU;
    l4_timeout_t timeout = L4_IPC_BOTH_TIMEOUT_0;
    if (microseconds)
        timeout.p.rcv = l4_timeout_from_us(microseconds);
    struct foc_message message = {
        .destination = L4_INVALID_CAP | L4_SYSF_WAIT, .timeouts = timeout.raw, .save = extended};
    foc_ipc(&message);
    l4_msgtag_t tag = {.raw = (l4_mword_t)message.tag};
    l4_utcb_br()->bdr = 0;
    if (l4_msgtag_has_error(tag))
        return false;
    /* An answer goes to whoever came last, so nothing else may be answered. */
    struct foc_thread *thread = caller(foc, message.label);
    if (!thread)
        foc->interrupt |= message.label == FOC_INTERRUPT;
    else if (l4_msgtag_is_page_fault(tag))
        page_fault(thread);
    else if (l4_msgtag_is_exception(tag))
        exception(thread, extended);
    else if (l4_msgtag_label(tag) == FOC_SERVICE)
        session(thread, tag);
    else
        reply(-ENOSYS);
    return true;
}
