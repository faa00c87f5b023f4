/* threads.c: three threads, an interrupt and semaphores: the first triggers, the second takes the
 * interrupt and raises a semaphore, the third takes that and counts. One semaphore is never empty.
 */
#include "component.h"
#include <l4/sys/irq.h>
#include <l4/sys/semaphore.h>

enum {
    IRQ = 16,
    SEMAPHORE,
    SPARE,
    SECOND,
    THIRD,
    SECOND_SESSION,
    THIRD_SESSION,
    IRQ_LABEL = 0x120,
    COUNT = 5,
    STACK = 4096,
};

static uint8_t stacks[2][STACK] __attribute__((aligned(16)));
static volatile uint64_t triggered, taken, counted;

static long semaphore(unsigned selector, int down, l4_timeout_t timeouts)
{
    words()[0] = down ? L4_SEMAPHORE_OP_DOWN : L4_IRQ_OP_TRIGGER;
    l4_msgtag_t tag =
        message(cap_at(selector), down ? L4_SYSF_CALL : L4_SYSF_SEND,
                l4_msgtag(down ? L4_PROTO_SEMAPHORE : L4_PROTO_IRQ, 1, 0, 0), timeouts, 0);
    return l4_msgtag_has_error(tag) ? -1 : l4_msgtag_label(tag);
}

static void second(void)
{
    for (;;) {
        l4_umword_t label;
        l4_msgtag_t tag =
            message(L4_INVALID_CAP, L4_SYSF_WAIT, l4_msgtag(0, 0, 0, 0), L4_IPC_NEVER, &label);
        expect("threads", !l4_msgtag_has_error(tag) && label == IRQ_LABEL, "WRONG interrupt");
        taken++;
        semaphore(SEMAPHORE, 0, L4_IPC_NEVER);
    }
}

static void third(void)
{
    for (;;) {
        expect("threads", semaphore(SEMAPHORE, 1, L4_IPC_NEVER) >= 0, "WRONG semaphore");
        counted++;
    }
}

static void make_thread(unsigned selector, unsigned session, void (*run)(void), uint8_t *stack)
{
    words()[1] = selector;
    words()[2] = session;
    words()[3] = (l4_umword_t)run;
    words()[4] = (l4_umword_t)stack + STACK - 8;
    words()[5] = 3;
    expect("threads", ask(FOC_MAKE_THREAD, 6) == 0, "WRONG no thread");
}

static void make_semaphore(unsigned selector, unsigned count)
{
    words()[1] = selector;
    words()[2] = count;
    expect("threads", ask(FOC_MAKE_SEMAPHORE, 3) == 0, "WRONG no semaphore");
}

/* Takes the spare one empty and fills it again. */
static void check_spare(void)
{
    for (int i = 0; i < COUNT; i++)
        expect("threads", semaphore(SPARE, 1, L4_IPC_BOTH_TIMEOUT_0) >= 0, "WRONG count, too low");
    expect("threads", semaphore(SPARE, 1, L4_IPC_BOTH_TIMEOUT_0) < 0, "WRONG count, too high");
    for (int i = 0; i < COUNT; i++)
        semaphore(SPARE, 0, L4_IPC_NEVER);
}

void start(void)
{
    make_semaphore(SEMAPHORE, 0);
    make_semaphore(SPARE, COUNT);
    make_thread(SECOND, SECOND_SESSION, second, stacks[0]);
    make_thread(THIRD, THIRD_SESSION, third, stacks[1]);
    words()[1] = IRQ;
    words()[2] = SECOND;
    words()[3] = IRQ_LABEL;
    expect("threads", ask(FOC_MAKE_IRQ, 4) == 0, "WRONG no interrupt");
    for (;;) {
        triggered++;
        semaphore(IRQ, 0, L4_IPC_NEVER);
        pause_ms(20);
        expect("threads", taken == triggered && counted == triggered, "WRONG counts");
        check_spare();
        if (triggered % 20 == 0)
            say("threads", "triggered", triggered / 20);
    }
}
