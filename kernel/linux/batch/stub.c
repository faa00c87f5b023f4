/* stub.c: the machine code that runs inside a target.
 *
 * Nothing here uses the stack. System calls change rax, rcx and r11 only, so the loop keeps its
 * state in rbx (the workshop) and r12 (the entry).
 */
#include "kernel/linux/batch/foothold.h"

#include <string.h>
#include <sys/syscall.h>

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

static void emit(struct linux_stub *stub, const void *bytes, size_t length)
{
    memcpy(stub->bytes + stub->length, bytes, length);
    stub->length += length;
}

#define EMIT(stub, ...)                                                                            \
    emit(stub, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/* Loads a constant without touching the flags. */
static void emit_load(struct linux_stub *stub, unsigned int reg, uint64_t value)
{
    uint8_t low = (uint8_t)(reg & 7);
    uint8_t extended = reg >= R8;
    if (value <= UINT32_MAX) {
        uint32_t small = (uint32_t)value;
        if (extended)
            EMIT(stub, 0x41);
        EMIT(stub, (uint8_t)(0xb8 + low));
        emit(stub, &small, sizeof small);
    } else if ((int64_t)value >= INT32_MIN && (int64_t)value < 0) {
        int32_t small = (int32_t)(int64_t)value;
        EMIT(stub, (uint8_t)(0x48 + extended), 0xc7, (uint8_t)(0xc0 + low));
        emit(stub, &small, sizeof small);
    } else {
        EMIT(stub, (uint8_t)(0x48 + extended), (uint8_t)(0xb8 + low));
        emit(stub, &value, sizeof value);
    }
}

static void emit_syscall(struct linux_stub *stub)
{
    EMIT(stub, 0x0f, 0x05);
}

/* The call that a tracer sees as a stop and that does nothing without one: the signal is one that
 * the process ignores, or none. */
static void emit_stop(struct linux_stub *stub, pid_t vpid, pid_t vtid, int signal)
{
    emit_load(stub, RAX, SYS_tgkill);
    emit_load(stub, RDI, (uint64_t)vpid);
    emit_load(stub, RSI, (uint64_t)vtid);
    emit_load(stub, RDX, (uint64_t)signal);
    emit_syscall(stub);
}

/* Restores the mask, the flags and all registers, and jumps to where the thread was. */
static void emit_way_home(struct linux_stub *stub, const struct linux_registers *home)
{
    const struct user_regs_struct *r = &home->home;
    stub->home = stub->length;
    emit_load(stub, RAX, SYS_rt_sigprocmask);
    emit_load(stub, RDI, 2);                  /* SIG_SETMASK as the kernel has it */
    EMIT(stub, 0x48, 0x8d, 0x35, 0, 0, 0, 0); /* lea rsi, [rip + mask] */
    size_t mask = stub->length;
    emit_load(stub, RDX, 0);
    emit_load(stub, R10, sizeof home->mask);
    emit_syscall(stub);

    const uint64_t values[16] = {
        [RCX] = r->rcx, [RDX] = r->rdx, [RBX] = r->rbx, [RBP] = r->rbp, [RSI] = r->rsi,
        [RDI] = r->rdi, [R8] = r->r8,   [R9] = r->r9,   [R10] = r->r10, [R11] = r->r11,
        [R12] = r->r12, [R13] = r->r13, [R14] = r->r14, [R15] = r->r15,
    };
    for (unsigned int i = 0; i < 16; i++)
        if (i != RAX && i != RSP)
            emit_load(stub, i, values[i]);
    /* The overflow flag by an addition, the other arithmetic flags by sahf, which leaves it alone.
     */
    EMIT(stub, 0xb0, (uint8_t)(r->eflags & 0x800 ? 0x7f : 0), 0x04, 1);
    EMIT(stub, 0xb4, (uint8_t)((r->eflags & 0xd5) | 2), 0x9e);
    EMIT(stub, (uint8_t)(r->eflags & 0x400 ? 0xfd : 0xfc));
    emit_load(stub, RAX, r->rax);
    EMIT(stub, 0xff, 0x25, 0, 0, 0, 0); /* jmp [rip + 0] */
    emit(stub, &r->rip, sizeof r->rip);
    int32_t distance = (int32_t)(stub->length - mask);
    memcpy(stub->bytes + mask - sizeof distance, &distance, sizeof distance);
    emit(stub, &home->mask, sizeof home->mask);
}

void linux_stub_leader(struct linux_stub *stub, const struct linux_thread *thread, pid_t vpid,
                       int signal, size_t size)
{
    stub->length = 0;
    emit_syscall(stub);
    EMIT(stub, 0x48, 0x89, 0xc3); /* mov rbx, rax */
    emit_stop(stub, vpid, thread->vtid, signal);
    EMIT(stub, 0xeb, 0); /* jmp tail */
    size_t jump = stub->length;
    stub->loop = stub->length;
    EMIT(stub, 0x49, 0x8b, 0x04, 0x24);     /* mov rax, [r12] */
    EMIT(stub, 0x49, 0x8b, 0x7c, 0x24, 8);  /* mov rdi, [r12 + 8] */
    EMIT(stub, 0x49, 0x8b, 0x74, 0x24, 16); /* mov rsi, [r12 + 16] */
    EMIT(stub, 0x49, 0x8b, 0x54, 0x24, 24); /* mov rdx, [r12 + 24] */
    EMIT(stub, 0x4d, 0x8b, 0x54, 0x24, 32); /* mov r10, [r12 + 32] */
    EMIT(stub, 0x4d, 0x8b, 0x44, 0x24, 40); /* mov r8, [r12 + 40] */
    EMIT(stub, 0x4d, 0x8b, 0x4c, 0x24, 48); /* mov r9, [r12 + 48] */
    emit_syscall(stub);
    EMIT(stub, 0x49, 0x8b, 0x4c, 0x24, 56);                       /* mov rcx, [r12 + 56] */
    EMIT(stub, 0x48, 0x89, 0x01);                                 /* mov [rcx], rax */
    EMIT(stub, 0x4d, 0x8b, 0x64, 0x24, 64);                       /* mov r12, [r12 + 64] */
    EMIT(stub, 0x4d, 0x85, 0xe4);                                 /* test r12, r12 */
    EMIT(stub, 0x75, (uint8_t)(stub->loop - (stub->length + 2))); /* jnz loop */
    stub->tail = stub->length;
    stub->bytes[jump - 1] = (uint8_t)(stub->tail - jump);
    emit_load(stub, RAX, SYS_munmap);
    EMIT(stub, 0x48, 0x89, 0xdf); /* mov rdi, rbx */
    emit_load(stub, RSI, size);
    emit_syscall(stub);
    emit_stop(stub, vpid, thread->vtid, signal);
    emit_way_home(stub, thread->home);
}

/* What an argument register still holds of the call before need not be loaded again. */
static void emit_call(struct linux_stub *stub, const struct linux_stub_call *calls, size_t index,
                      int argument_count)
{
    static const unsigned int arguments[6] = {RDI, RSI, RDX, R10, R8, R9};
    const struct linux_stub_call *call = &calls[index];
    for (int a = 0; a < argument_count; a++)
        if (index == 0 || call->arguments[a] != calls[index - 1].arguments[a])
            emit_load(stub, arguments[a], call->arguments[a]);
    emit_load(stub, RAX, (uint64_t)call->number);
    emit_syscall(stub);
}

void linux_stub_other(struct linux_stub *stub, const struct linux_thread *thread, pid_t vpid,
                      int signal, const struct linux_stub_call *calls, size_t count)
{
    /* Registers that system calls leave alone take the results. */
    static const uint8_t results[LINUX_STUB_CALLS][3] = {
        {0x48, 0x89, 0xc3}, {0x48, 0x89, 0xc5}, {0x49, 0x89, 0xc4}, {0x49, 0x89, 0xc5},
        {0x49, 0x89, 0xc6}, {0x49, 0x89, 0xc7}, {0x49, 0x89, 0xc1}, {0x49, 0x89, 0xc0},
    };
    stub->length = 0;
    stub->loop = 0;
    for (size_t i = 0; i < count; i++) {
        emit_call(stub, calls, i, i < LINUX_STUB_WIDE_CALLS ? 6 : 5);
        emit(stub, results[i], 3); /* mov RESULT, rax */
    }
    stub->tail = stub->length;
    emit_stop(stub, vpid, thread->vtid, signal);
    emit_way_home(stub, thread->home);
}

void linux_stub_alike(struct linux_stub *stub, const struct linux_thread *thread, pid_t vpid,
                      int signal, const struct linux_stub_call *calls, const int32_t *expected,
                      size_t count)
{
    stub->length = 0;
    stub->loop = 0;
    emit_load(stub, RBX, 0);
    for (size_t i = 0; i < count; i++) {
        emit_call(stub, calls, i, 6);
        if (expected[i]) {
            EMIT(stub, 0x48, 0x35); /* xor rax, EXPECTED */
            emit(stub, &expected[i], sizeof expected[i]);
        }
        EMIT(stub, 0x48, 0x09, 0xc3); /* or rbx, rax */
    }
    stub->tail = stub->length;
    emit_stop(stub, vpid, thread->vtid, signal);
    emit_way_home(stub, thread->home);
}

uint64_t linux_stub_result(const struct user_regs_struct *registers, size_t index)
{
    const uint64_t results[LINUX_STUB_CALLS] = {registers->rbx, registers->rbp, registers->r12,
                                                registers->r13, registers->r14, registers->r15,
                                                registers->r9,  registers->r8};
    return results[index];
}
