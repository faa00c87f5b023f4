/* fpu.c: a message that takes extended registers along, or brings them.
 *
 * With the exception of a thread the kernel hands its extended registers to the thread that
 * receives it, and with the answer those of the one that answers; so between the system call and
 * the instruction that saves or loads them nothing may run that uses them. Core's own state is then
 * the initial one: it has nothing in those registers across a function call.
 */
#include "foc.h"

#include <cpuid.h>
#include <stddef.h>
#include <string.h>

static size_t fpu_size = 512; /* FXSAVE */
/* Whether XSAVE is used; read by the instructions below. */
unsigned foc_fpu_xsave __attribute__((visibility("hidden")));
static const unsigned default_mxcsr __attribute__((used)) = 0x1f80;

void foc_fpu_init(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return;
    __cpuid_count(0xd, 0, a, b, c, d);
    foc_fpu_xsave = 1;
    fpu_size = b; /* of the components that are enabled */
}

size_t foc_fpu_size(void)
{
    return fpu_size;
}

bool foc_fpu_valid(const uint8_t *extended, size_t size)
{
    enum { MXCSR = 24, MXCSR_KNOWN = 0xffff, HEADER = 512, HEADER_SIZE = 64 };
    uint32_t mxcsr;
    if (size != fpu_size)
        return false;
    memcpy(&mxcsr, extended + MXCSR, sizeof mxcsr);
    if (mxcsr & ~(uint32_t)MXCSR_KNOWN)
        return false;
    if (!foc_fpu_xsave)
        return true;
    /* Only components that are enabled, in the standard format, and nothing in reserved bytes. */
    uint64_t present, enabled;
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    enabled = (uint64_t)high << 32 | low;
    memcpy(&present, extended + HEADER, sizeof present);
    for (size_t i = sizeof present; i < HEADER_SIZE; i++)
        if (extended[HEADER + i])
            return false;
    return !(present & ~enabled);
}

_Static_assert(offsetof(struct foc_message, destination) == 0, "read by foc_ipc");
_Static_assert(offsetof(struct foc_message, tag) == 8, "read by foc_ipc");
_Static_assert(offsetof(struct foc_message, label) == 16, "read by foc_ipc");
_Static_assert(offsetof(struct foc_message, timeouts) == 24, "read by foc_ipc");
_Static_assert(offsetof(struct foc_message, load) == 32, "read by foc_ipc");
_Static_assert(offsetof(struct foc_message, save) == 40, "read by foc_ipc");

__asm__(".text\n"
        ".global foc_ipc\n"
        ".type foc_ipc, @function\n"
        "foc_ipc:\n"
        "   push %rbx\n"
        "   push %rbp\n"
        "   push %r12\n"
        "   push %r13\n"
        "   push %r14\n"
        "   push %r15\n"
        "   mov %rdi, %rbx\n"
        "   mov foc_fpu_xsave(%rip), %ebp\n"
        "   mov 32(%rbx), %rcx\n"
        "   test %rcx, %rcx\n"
        "   jz 2f\n"
        "   test %ebp, %ebp\n"
        "   jz 1f\n"
        "   mov $-1, %eax\n"
        "   mov $-1, %edx\n"
        "   xrstor64 (%rcx)\n"
        "   jmp 2f\n"
        "1: fxrstor64 (%rcx)\n"
        "2: mov 0(%rbx), %rdx\n"
        "   mov 8(%rbx), %rax\n"
        "   mov 16(%rbx), %rsi\n"
        "   mov 24(%rbx), %r8\n"
        "   xor %edi, %edi\n"
        "   syscall\n"
        "   mov %rax, 8(%rbx)\n"
        "   mov %rsi, 16(%rbx)\n"
        "   mov 40(%rbx), %rcx\n"
        "   test %rcx, %rcx\n"
        "   jz 4f\n"
        "   test %ebp, %ebp\n"
        "   jz 3f\n"
        "   mov $-1, %eax\n"
        "   mov $-1, %edx\n"
        "   xsave64 (%rcx)\n"
        "   jmp 4f\n"
        "3: fxsave64 (%rcx)\n"
        "4: fninit\n"
        "   ldmxcsr default_mxcsr(%rip)\n"
        "   pop %r15\n"
        "   pop %r14\n"
        "   pop %r13\n"
        "   pop %r12\n"
        "   pop %rbp\n"
        "   pop %rbx\n"
        "   ret\n"
        ".size foc_ipc, . - foc_ipc\n");
