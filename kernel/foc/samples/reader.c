/* reader.c: reads what the writer wrote, in order. */
#include "component.h"
#include <l4/sys/irq.h>
#include <l4/sys/semaphore.h>

enum { MEMORY = 16, FULL, EMPTY, ADDRESS = 0x28000000, SIZE = 0x4000, PLACES = SIZE / 8 };

static void semaphore(unsigned selector, int down)
{
    words()[0] = down ? L4_SEMAPHORE_OP_DOWN : L4_IRQ_OP_TRIGGER;
    l4_msgtag_t tag =
        message(cap_at(selector), down ? L4_SYSF_CALL : L4_SYSF_SEND,
                l4_msgtag(down ? L4_PROTO_SEMAPHORE : L4_PROTO_IRQ, 1, 0, 0), L4_IPC_NEVER, 0);
    expect("reader", !l4_msgtag_has_error(tag), "WRONG semaphore");
}

void start(void)
{
    volatile uint64_t *shared = (volatile uint64_t *)ADDRESS;
    find(MEMORY, "memory");
    find(FULL, "full");
    find(EMPTY, "empty");
    words()[1] = MEMORY;
    words()[2] = ADDRESS;
    expect("reader", ask(FOC_ATTACH, 3) == 0, "WRONG not attached");
    for (uint64_t n = 0;; n++) {
        semaphore(FULL, 1);
        expect("reader", shared[n % PLACES] == n * n, "WRONG content");
        if (n % 10 == 9)
            pause_ms(20);
        semaphore(EMPTY, 0);
        if (n % 50 == 49)
            say("reader", "read", n / 50);
    }
}
