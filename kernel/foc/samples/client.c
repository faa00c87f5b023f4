/* client.c: calls the server by both gates and checks each answer. */
#include "component.h"

enum { ADD = 16, MULTIPLY = 17 };

static uint64_t compute(unsigned selector, uint64_t x, uint64_t y)
{
    words()[0] = x;
    words()[1] = y;
    l4_msgtag_t tag =
        message(cap_at(selector), L4_SYSF_CALL, l4_msgtag(0, 2, 0, 0), L4_IPC_NEVER, 0);
    expect("client", !l4_msgtag_has_error(tag) && l4_msgtag_words(tag) == 1, "WRONG answer");
    return words()[0];
}

void start(void)
{
    find(ADD, "add");
    find(MULTIPLY, "multiply");
    for (uint64_t n = 1;; n++) {
        expect("client", compute(ADD, n, 7) == n + 7, "WRONG sum");
        expect("client", compute(MULTIPLY, n, 7) == n * 7, "WRONG product");
        pause_ms(50);
        if (n % 10 == 0)
            say("client", "asked", n / 10);
    }
}
