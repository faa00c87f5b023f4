/* arguments.c: numbers, selectors and bindings on the command line. */
#include "cli/command.h"

#include <limits.h>
#include <string.h>

bool parse_number(const char *text, uint64_t *number)
{
    uint64_t value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    }
    *number = value;
    return true;
}

/* The first `length` bytes of `text` as a number, as parse_number has it. */
static bool parse_digits(const char *text, size_t length, uint64_t *number)
{
    /* 2^64 has 20 digits; a longer number is none that we know. */
    char digits[24];
    if (length >= sizeof digits)
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    return parse_number(digits, number);
}

static bool parse_place_within(const char *text, size_t length, struct recap_place *place)
{
    struct recap_place parsed = {0};
    const char *colon = memchr(text, ':', length);
    size_t skip = colon ? (size_t)(colon - text) + 1 : 0;
    if (colon && (!parse_digits(text, skip - 1, &parsed.pd) || !parsed.pd))
        return false;
    if (!parse_digits(text + skip, length - skip, &parsed.selector) ||
        parsed.selector == RECAP_NO_SELECTOR)
        return false;
    *place = parsed;
    return true;
}

bool parse_place(const char *text, struct recap_place *place)
{
    return parse_place_within(text, strlen(text), place);
}

bool parse_binding(const char *text, struct recap_binding *binding)
{
    const char *sign = strchr(text, '=');
    if (!sign || !sign[1] || !parse_place_within(text, (size_t)(sign - text), &binding->at))
        return false;
    binding->spec = sign + 1;
    return true;
}

bool is_pid(const char *text)
{
    uint64_t number;
    return parse_number(text, &number) && number > 0 && number <= INT_MAX;
}

uint64_t argument_pid(const struct argp_state *state, const char *text)
{
    uint64_t number = 0;
    if (!parse_number(text, &number) || number == 0 || number > INT_MAX)
        argp_error(state, "\"%s\" is not a process id", text);
    return number;
}

struct recap_place argument_place(const struct argp_state *state, const char *text)
{
    struct recap_place place = {0};
    if (!parse_place(text, &place))
        argp_error(state, "\"%s\" is not a selector; write SELECTOR or PD:SELECTOR", text);
    return place;
}

recap_selector argument_selector(const struct argp_state *state, const char *text)
{
    uint64_t number = 0;
    if (!parse_number(text, &number) || number == RECAP_NO_SELECTOR)
        argp_error(state, "\"%s\" is not a selector", text);
    return number;
}
