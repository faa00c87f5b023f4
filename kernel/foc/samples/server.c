/* server.c: two gates with different labels to one thread; answers what the label asks for. It
 * takes its time, so that calls are under way most of the time.
 */
#include "component.h"

enum { ADD = 16, MULTIPLY = 17, ADD_LABEL = 0x40, MULTIPLY_LABEL = 0x50 };

static void make(unsigned selector, l4_umword_t label, const char *name)
{
    words()[1] = selector;
    words()[2] = FOC_SELECTOR_THREAD;
    words()[3] = label;
    expect("server", ask(FOC_MAKE_GATE, 4) == 0, "WRONG no gate");
    expect("server", publish(selector, name) == 0, "WRONG not published");
}

void start(void)
{
    uint64_t served = 0;
    l4_umword_t label;
    make(ADD, ADD_LABEL, "add");
    make(MULTIPLY, MULTIPLY_LABEL, "multiply");
    l4_msgtag_t tag =
        message(L4_INVALID_CAP, L4_SYSF_WAIT, l4_msgtag(0, 0, 0, 0), L4_IPC_NEVER, &label);
    for (;;) {
        uint64_t x = words()[0], y = words()[1];
        expect("server", !l4_msgtag_has_error(tag), "WRONG message");
        label &= ~(l4_umword_t)(FOC_LABEL_STEP - 1);
        expect("server", label == ADD_LABEL || label == MULTIPLY_LABEL, "WRONG label");
        pause_ms(20);
        if (++served % 20 == 0)
            say("server", "served", served / 20);
        words()[0] = label == ADD_LABEL ? x + y : x * y;
        tag = message(L4_INVALID_CAP, L4_SYSF_REPLY_AND_WAIT, l4_msgtag(0, 1, 0, 0), L4_IPC_NEVER,
                      &label);
    }
}
