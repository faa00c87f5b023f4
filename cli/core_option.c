/* core_option.c: --core ADDRESS: which core a command works through. */
#include "cli/command.h"

#include <stdlib.h>

static const char *given;

void core_address_set(const char *address)
{
    given = address;
}

const char *core_address(void)
{
    const char *address = given ? given : getenv("RECAP_CORE");
    return address && *address ? address : NULL;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    (void)state;
    if (key != OPTION_CORE)
        return ARGP_ERR_UNKNOWN;
    core_address_set(text);
    return 0;
}

/* Told by `recap --help`, for it goes before the command as well. */
static const struct argp_option options[] = {
    {"core", OPTION_CORE, "ADDRESS", OPTION_HIDDEN, NULL, 0}, {0}};
static const struct argp parser = {options, parse, NULL, NULL, NULL, NULL, NULL};
const struct argp_child core_option[] = {{&parser, 0, NULL, 0}, {0}};
