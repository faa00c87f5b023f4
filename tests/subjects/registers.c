/* registers.c: threads that keep every register busy, and never make a system call meanwhile.
 *
 * Each spins in code that holds patterns in all general, vector and mask registers that the
 * processor has, and compares them with each other all the time. A register that came back with
 * another value, or a rounding mode that was lost, ends the spin.
 */
#include "subject.h"

#include <immintrin.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum level { SSE, AVX, AVX512, LEVELS };
static const char *const level_names[] = {"SSE", "AVX", "AVX-512"};

struct spinner {
    _Alignas(64) uint8_t pattern[32][64];
    _Alignas(64) uint8_t found[32][64];
    pthread_t thread;
    long rounds;
    uint64_t masks[8], found_masks[8];
    enum level level;
    volatile int finish;
};

static struct spinner spinners[2 * LEVELS];

static bool has(enum level level)
{
    return level == SSE || (level == AVX && __builtin_cpu_supports("avx2")) ||
           (level == AVX512 && __builtin_cpu_supports("avx512bw"));
}

/* Spins until *finish, with rbx and r12 to r15 as counters that have to stay equal. */
#define SPIN                                                                                       \
    "xor %%ebx, %%ebx\n xor %%r12d, %%r12d\n xor %%r13d, %%r13d\n"                                 \
    "mov $0x123456789abcdef, %%r14\n mov $0xfedcba987654321, %%r15\n"                              \
    "mov $0x1111, %%r8d\n mov $0x2222, %%r9d\n mov $0x3333, %%r10d\n mov $0x4444, %%r11d\n"        \
    "1: inc %%rbx\n inc %%r12\n inc %%r13\n add %%r14, %%r15\n sub %%r14, %%r15\n"                 \
    "cmp %%rbx, %%r12\n jne 2f\n cmp %%rbx, %%r13\n jne 2f\n"                                      \
    "cmp $0x1111, %%r8d\n jne 2f\n cmp $0x2222, %%r9d\n jne 2f\n"                                  \
    "cmp $0x3333, %%r10d\n jne 2f\n cmp $0x4444, %%r11d\n jne 2f\n"                                \
    "cmpl $0, (%[finish])\n je 1b\n jmp 3f\n"                                                      \
    "2: mov $0, %%ebx\n 3:\n"

/* The formatter takes these for nested calls. */
/* clang-format off */
#define MOVE_VECTORS_16(op, reg, at, load)                                                         \
    MOVE(op, reg, 0, at, load) MOVE(op, reg, 1, at, load)                                          \
    MOVE(op, reg, 2, at, load) MOVE(op, reg, 3, at, load)                                          \
    MOVE(op, reg, 4, at, load) MOVE(op, reg, 5, at, load)                                          \
    MOVE(op, reg, 6, at, load) MOVE(op, reg, 7, at, load)                                          \
    MOVE(op, reg, 8, at, load) MOVE(op, reg, 9, at, load)                                          \
    MOVE(op, reg, 10, at, load) MOVE(op, reg, 11, at, load)                                        \
    MOVE(op, reg, 12, at, load) MOVE(op, reg, 13, at, load)                                        \
    MOVE(op, reg, 14, at, load) MOVE(op, reg, 15, at, load)
#define MOVE_VECTORS_32(op, reg, at, load)                                                         \
    MOVE_VECTORS_16(op, reg, at, load)                                                             \
    MOVE(op, reg, 16, at, load) MOVE(op, reg, 17, at, load)                                        \
    MOVE(op, reg, 18, at, load) MOVE(op, reg, 19, at, load)                                        \
    MOVE(op, reg, 20, at, load) MOVE(op, reg, 21, at, load)                                        \
    MOVE(op, reg, 22, at, load) MOVE(op, reg, 23, at, load)                                        \
    MOVE(op, reg, 24, at, load) MOVE(op, reg, 25, at, load)                                        \
    MOVE(op, reg, 26, at, load) MOVE(op, reg, 27, at, load)                                        \
    MOVE(op, reg, 28, at, load) MOVE(op, reg, 29, at, load)                                        \
    MOVE(op, reg, 30, at, load) MOVE(op, reg, 31, at, load)
/* clang-format on */
#define MOVE(op, reg, n, at, load) MOVE_##load(op, reg, n, at)
#define MOVE_in(op, reg, n, at) op " " #n "*64(%[" at "]), %%" reg #n "\n"
#define MOVE_out(op, reg, n, at) op " %%" reg #n ", " #n "*64(%[" at "])\n"

#define MASKS(DIRECTION)                                                                           \
    DIRECTION(1) DIRECTION(2) DIRECTION(3) DIRECTION(4) DIRECTION(5) DIRECTION(6) DIRECTION(7)
#define MASK_IN(n) "kmovq " #n "*8(%[masks]), %%k" #n "\n"
#define MASK_OUT(n) "kmovq %%k" #n ", " #n "*8(%[found_masks])\n"

#define VECTORS_LOW                                                                                \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

#define SPIN_IN(before, after, ...)                                                                \
    __asm__ volatile(before SPIN after "mov %%rbx, %[rounds]\n"                                    \
                     : [rounds] "=m"(s->rounds)                                                    \
                     : [pattern] "r"(s->pattern), [found] "r"(s->found), [masks] "r"(s->masks),    \
                       [found_masks] "r"(s->found_masks), [finish] "r"(&s->finish)                 \
                     : "rbx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",      \
                       "cc", __VA_ARGS__)

static void spin_sse(struct spinner *s)
{
    SPIN_IN(MOVE_VECTORS_16("movdqu", "xmm", "pattern", in),
            MOVE_VECTORS_16("movdqu", "xmm", "found", out), VECTORS_LOW);
}

__attribute__((target("avx2"))) static void spin_avx(struct spinner *s)
{
    SPIN_IN(MOVE_VECTORS_16("vmovdqu", "ymm", "pattern", in),
            MOVE_VECTORS_16("vmovdqu", "ymm", "found", out) "vzeroupper\n", VECTORS_LOW);
}

__attribute__((target("avx512bw"))) static void spin_avx512(struct spinner *s)
{
    SPIN_IN(MOVE_VECTORS_32("vmovdqu64", "zmm", "pattern", in) MASKS(MASK_IN),
            MOVE_VECTORS_32("vmovdqu64", "zmm", "found", out) MASKS(MASK_OUT) "vzeroupper\n",
            VECTORS_LOW, "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23",
            "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2",
            "k3", "k4", "k5", "k6", "k7");
}

static unsigned int control(void)
{
    uint16_t x87;
    __asm__ volatile("fnstcw %0" : "=m"(x87));
    return _mm_getcsr() << 16 ^ x87;
}

static void *spin(void *argument)
{
    static void (*const spins[])(struct spinner *) = {spin_sse, spin_avx, spin_avx512};
    struct spinner *s = argument;
    /* Rounding down, and in one precision only: what no thread starts with. */
    uint16_t x87 = 0x47f;
    __asm__ volatile("fldcw %0" ::"m"(x87));
    _mm_setcsr((_mm_getcsr() & ~0x6000u) | 0x2000u);
    unsigned int before = control();
    spins[s->level](s);
    subject_check(control() == before, "the floating-point controls of a thread changed");
    return NULL;
}

static void check(const struct spinner *s)
{
    static const int widths[] = {16, 32, 64}, counts[] = {16, 16, 32};
    const char *name = level_names[s->level];
    subject_check(s->rounds > 0, "%s: a general register changed", name);
    for (int i = 0; i < counts[s->level]; i++)
        subject_check(memcmp(s->pattern[i], s->found[i], (size_t)widths[s->level]) == 0,
                      "%s: vector register %d changed", name, i);
    for (int i = 1; s->level == AVX512 && i < 8; i++)
        subject_check(s->masks[i] == s->found_masks[i], "%s: mask register %d changed", name, i);
}

int main(void)
{
    for (int i = 0; i < 2 * LEVELS; i++) {
        struct spinner *s = &spinners[i];
        s->level = (enum level)(i % LEVELS);
        for (int r = 0; r < 32; r++)
            for (int b = 0; b < 64; b++)
                s->pattern[r][b] = (uint8_t)(i * 37 + r * 64 + b + 1);
        for (int r = 0; r < 8; r++)
            s->masks[r] = UINT64_C(0x0123456789abcdef) * (uint64_t)(i + r + 1);
        if (has(s->level))
            subject_need(pthread_create(&s->thread, NULL, spin, s) == 0, "pthread_create");
    }
    usleep(100000);
    subject_ready();
    subject_wait_go();
    usleep(50000);
    for (int i = 0; i < 2 * LEVELS; i++) {
        spinners[i].finish = 1;
        if (!has(spinners[i].level))
            continue;
        pthread_join(spinners[i].thread, NULL);
        check(&spinners[i]);
    }
    return subject_done();
}
