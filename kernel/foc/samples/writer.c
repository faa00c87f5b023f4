/* writer.c: writes numbers to memory that the reader has attached too, and tells by semaphores. */
#include "component.h"
#include <l4/sys/irq.h>
#include <l4/sys/semaphore.h>

enum { MEMORY = 16, FULL, EMPTY, ADDRESS = 0x20000000, SIZE = 0x4000, PLACES = SIZE / 8 };

static void semaphore(unsigned selector, int down)
{
    words()[0] = down ? L4_SEMAPHORE_OP_DOWN : L4_IRQ_OP_TRIGGER;
    l4_msgtag_t tag =
        message(cap_at(selector), down ? L4_SYSF_CALL : L4_SYSF_SEND,
                l4_msgtag(down ? L4_PROTO_SEMAPHORE : L4_PROTO_IRQ, 1, 0, 0), L4_IPC_NEVER, 0);
    expect("writer", !l4_msgtag_has_error(tag), "WRONG semaphore");
}

static void make(unsigned selector, unsigned function, uint64_t size, const char *name)
{
    words()[1] = selector;
    words()[2] = size;
    expect("writer", ask(function, 3) == 0, "WRONG object");
    expect("writer", publish(selector, name) == 0, "WRONG not published");
}

void start(void)
{
    volatile uint64_t *shared = (volatile uint64_t *)ADDRESS;
    make(MEMORY, FOC_MAKE_MEMORY, SIZE, "memory");
    make(FULL, FOC_MAKE_SEMAPHORE, 0, "full");
    make(EMPTY, FOC_MAKE_SEMAPHORE, 4, "empty");
    words()[1] = MEMORY;
    words()[2] = ADDRESS;
    expect("writer", ask(FOC_ATTACH, 3) == 0, "WRONG not attached");
    for (uint64_t n = 0;; n++) {
        semaphore(EMPTY, 1);
        shared[n % PLACES] = n * n;
        semaphore(FULL, 0);
        if (n % 50 == 49)
            say("writer", "wrote", n / 50);
    }
}
