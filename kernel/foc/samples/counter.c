/* counter.c: counts in memory, in an integer register, on the x87 stack and in two SSE registers
 * at once; most of its time it is in the loop where only registers have the count.
 */
#include "component.h"

enum { TURNS = 200000, PAGES = 8, WORDS = 512 };

static uint64_t table[PAGES * WORDS];

void start(void)
{
    uint64_t total = 0, said = 0;
    for (uint64_t i = 0; i < PAGES * WORDS; i++)
        table[i] = i * 0x9e3779b97f4a7c15u;
    for (;;) {
        double in_sse = (double)total, in_x87 = (double)total, one = 1.0;
        uint64_t in_register = total, high = ~total, left = TURNS;
        __asm__ volatile("movq %[high], %%xmm9\n\t"
                         "fldl %[x87]\n\t"
                         "1: add $1, %[count]\n\t"
                         "addsd %[one], %[sse]\n\t"
                         "fld1\n\t"
                         "faddp\n\t"
                         "pause\n\t"
                         "dec %[left]\n\t"
                         "jnz 1b\n\t"
                         "fstpl %[x87]\n\t"
                         "movq %%xmm9, %[high]"
                         : [count] "+r"(in_register), [sse] "+x"(in_sse), [x87] "+m"(in_x87),
                           [left] "+r"(left), [high] "+r"(high)
                         : [one] "x"(one)
                         : "xmm9", "cc");
        expect("counter", high == ~total, "WRONG second SSE register");
        total += TURNS;
        expect("counter", in_register == total, "WRONG integer register");
        expect("counter", (uint64_t)in_sse == total, "WRONG SSE register");
        expect("counter", (uint64_t)in_x87 == total, "WRONG x87 register");
        for (uint64_t i = 0; i < PAGES * WORDS; i++)
            expect("counter", table[i] == i * 0x9e3779b97f4a7c15u + total - TURNS, "WRONG memory");
        for (uint64_t i = 0; i < PAGES * WORDS; i++)
            table[i] += TURNS;
        if (total / TURNS % 10 == 0)
            say("counter", "counted", ++said);
    }
}
