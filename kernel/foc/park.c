/* park.c: a thread stands in an exception that core has not answered: it is parked.
 *
 * The exception brought its registers, all of them; the answer sets them. Core answers by the
 * thread's own capability, any time later. UTCBs the kernel maps to nobody else, so a parked
 * thread copies its own: it runs a few instructions of core's and traps again.
 */
#include "foc.h"

#include <errno.h>
#include <l4/sys/ipc.h>
#include <string.h>

/* rep movsb; ud2. At 8: syscall; ud2. */
static const uint8_t code[] = {0xf3, 0xa4, 0x0f, 0x0b, 0x0f, 0x0b,
                               0x0f, 0x0b, 0x0f, 0x05, 0x0f, 0x0b};

uint8_t *foc_stub_make(void)
{
    uint8_t *page = foc_pages(FOC_PAGE);
    return page ? memcpy(page, code, sizeof code) : NULL;
}

void foc_parked(struct foc_thread *thread, const l4_exc_regs_t *registers)
{
    bool in_stub = registers->ip >= FOC_STUB && registers->ip < FOC_STUB + FOC_PAGE;
    thread->registers = *registers;
    thread->parked = true;
    thread->started = true;
    if (!l4_utcb_exc_is_ex_regs_exception(registers) && !in_stub)
        thread->crashed = "it raised an exception of its own";
}

/* Answers the exception. */
static void answer(struct foc_thread *thread, const l4_exc_regs_t *registers)
{
    memcpy(l4_utcb_mr()->mr, registers, sizeof *registers);
    struct foc_message message = {
        .destination = thread->object->cap | L4_SYSF_SEND,
        .tag = l4_msgtag(0, L4_UTCB_EXCEPTION_REGS_SIZE, 0, L4_MSGTAG_TRANSFER_FPU).raw,
        .timeouts = L4_IPC_BOTH_TIMEOUT_0.raw,
        .load = thread->extended,
    };
    thread->parked = false;
    foc_ipc(&message);
}

void foc_unpark(struct foc_thread *thread)
{
    thread->registers.trapno = 0;
    thread->wait = FOC_RUNS;
    answer(thread, &thread->registers);
}

int foc_run_stub(struct foc_thread *thread, uint64_t entry, l4_exc_regs_t *registers,
                 struct recap_error *error)
{
    enum { ROUNDS = 2000, ROUND = 1000 };
    l4_exc_regs_t own = thread->registers;
    registers->ip = entry;
    registers->sp = own.sp;
    registers->flags = 0x202;
    registers->ss = own.ss;
    registers->fs_base = own.fs_base;
    registers->gs_base = own.gs_base;
    registers->ds = own.ds;
    registers->es = own.es;
    registers->fs = own.fs;
    registers->gs = own.gs;
    answer(thread, registers);
    for (int round = 0; !thread->parked && round < ROUNDS; round++)
        foc_serve(thread->pd->foc, ROUND);
    if (!thread->parked)
        return recap_fail(error, -ETIMEDOUT, "acting inside thread %llu of PD %llu",
                          (unsigned long long)thread->id, (unsigned long long)thread->pd->id);
    *registers = thread->registers;
    thread->registers = own;
    return 0;
}

int foc_utcb_copy(struct foc_thread *thread, bool write, struct recap_error *error)
{
    uint64_t utcb = FOC_UTCBS + (thread->id - 1) * L4_UTCB_OFFSET;
    l4_exc_regs_t registers = {.rcx = sizeof thread->utcb,
                               .rdi = write ? utcb : FOC_SCRATCH,
                               .rsi = write ? FOC_SCRATCH : utcb};
    if (write)
        memcpy(thread->pd->scratch, thread->utcb, sizeof thread->utcb);
    int result = foc_run_stub(thread, FOC_STUB_COPY, &registers, error);
    if (result == 0 && !write)
        memcpy(thread->utcb, thread->pd->scratch, sizeof thread->utcb);
    return result;
}
