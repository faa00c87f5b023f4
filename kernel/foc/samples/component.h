/* component.h: the little that a sample component needs: messages, core's session, the console.
 *
 * Messages are made by ten bytes that core knows: it can break a wait off and have it made again,
 * because everything that the call needs is still in registers.
 */
#ifndef RECAP_FOC_SAMPLES_COMPONENT_H
#define RECAP_FOC_SAMPLES_COMPONENT_H

#include "service.h"
#include <l4/sys/ipc.h>
#include <l4/sys/vcon.h>
#include <stdint.h>

static inline l4_cap_idx_t cap_at(unsigned selector)
{
    return (l4_cap_idx_t)selector << L4_CAP_SHIFT;
}

static inline l4_msgtag_t message(l4_cap_idx_t destination, unsigned flags, l4_msgtag_t tag,
                                  l4_timeout_t timeouts, l4_umword_t *label)
{
    register uint64_t r8 __asm__("r8") = timeouts.raw;
    register uint64_t r9 __asm__("r9") = (uint64_t)tag.raw;
    register uint64_t r10 __asm__("r10") = destination | flags;
    uint64_t rax, rsi;
    __asm__ volatile("mov %%r9, %%rax\n\t"
                     "mov %%r10, %%rdx\n\t"
                     "xor %%esi, %%esi\n\t"
                     "syscall"
                     : "=&a"(rax), "=&S"(rsi), "+r"(r8), "+r"(r9), "+r"(r10)
                     :
                     : "rcx", "rdx", "rdi", "r11", "r15", "memory", "cc");
    if (label)
        *label = rsi;
    return (l4_msgtag_t){.raw = (l4_mword_t)rax};
}

static inline l4_umword_t *words(void)
{
    return l4_utcb_mr()->mr;
}

static inline long ask(unsigned function, unsigned count)
{
    words()[0] = function;
    l4_msgtag_t tag = message(cap_at(FOC_SELECTOR_SESSION), L4_SYSF_CALL,
                              l4_msgtag(FOC_SERVICE, count, 0, 0), L4_IPC_NEVER, 0);
    return l4_msgtag_has_error(tag) ? -1 : l4_msgtag_label(tag);
}

static inline void put_name(const char *name)
{
    char *to = (char *)&words()[2];
    for (int i = 0; i < 32; i++)
        to[i] = 0;
    for (int i = 0; name[i] && i < 31; i++)
        to[i] = name[i];
}

static inline long publish(unsigned selector, const char *name)
{
    words()[1] = selector;
    put_name(name);
    return ask(FOC_PUBLISH, 6);
}

static inline void pause_ms(unsigned milliseconds)
{
    l4_timeout_t timeout = L4_IPC_NEVER;
    timeout.p.rcv = l4_timeout_from_us(milliseconds * 1000);
    message(L4_INVALID_CAP, L4_SYSF_RECV, l4_msgtag(0, 0, 0, 0), timeout, 0);
}

/* Waits until somebody has published it. */
static inline void find(unsigned selector, const char *name)
{
    for (;;) {
        words()[1] = selector;
        put_name(name);
        if (ask(FOC_FIND, 6) == 0)
            return;
        pause_ms(20);
    }
}

/* "NAME: TEXT NUMBER" on the console. */
static inline void say(const char *name, const char *text, uint64_t number)
{
    char line[96], digits[20];
    unsigned at = 0, count = 0;
    for (; *name; name++)
        line[at++] = *name;
    line[at++] = ':';
    line[at++] = ' ';
    for (; *text && at < 64; text++)
        line[at++] = *text;
    line[at++] = ' ';
    do
        digits[count++] = (char)('0' + number % 10);
    while (number /= 10);
    while (count)
        line[at++] = digits[--count];
    line[at++] = '\n';
    char *to = (char *)&words()[2];
    for (unsigned i = 0; i < at; i++)
        to[i] = line[i];
    words()[0] = L4_VCON_WRITE_OP;
    words()[1] = at;
    message(cap_at(FOC_SELECTOR_LOG), L4_SYSF_SEND, l4_msgtag(L4_PROTO_LOG, 2 + (at + 7) / 8, 0, 0),
            L4_IPC_NEVER, 0);
}

/* What a sample found wrong it says for ever; a test looks for it. */
static inline void expect(const char *name, int holds, const char *what)
{
    if (holds)
        return;
    for (;;) {
        say(name, what, 0);
        pause_ms(500);
    }
}

void start(void) __attribute__((noreturn));

#endif
