/* process.c: what a process has as a whole. */
#include "newer.h"
#include "states.h"

#include <sys/prctl.h>

/* {option, value}, read by the option after it. */
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
    {.name = "PR_SET_THP_DISABLE",
     .set = set_option,
     .read = read_option,
     .numbers = {PR_SET_THP_DISABLE, 1, 0, PR_GET_THP_DISABLE},
     .alone = true},
};

STATE_FAMILY(process_family, "process", states);
