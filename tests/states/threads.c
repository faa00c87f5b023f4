/* threads.c: what each thread has for itself, tried in a second one. */
#include "newer.h"
#include "states.h"

#include <sys/prctl.h>

static int set_option(struct held *held)
{
    const long *n = held->state->numbers;
    return prctl((int)n[0], n[1], n[2], 0, 0);
}

/* ... as the result of {, , , option} */
static void read_option(struct held *held, char text[STATE_TEXT])
{
    int value = prctl((int)held->state->numbers[3], 0, 0, 0, 0);
    state_say(text, value >= 0, "%d", value);
}

static const struct state states[] = {
    {.name = "PR_SET_TIMERSLACK",
     .set = set_option,
     .read = read_option,
     .numbers = {PR_SET_TIMERSLACK, 12345, 0, PR_GET_TIMERSLACK}},
};

STATE_FAMILY(threads_family, "threads", states, .by_thread = true);
