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

bool parse_binding(const char *text, recap_selector *selector, const char **object)
{
    /* 2^64 has 20 digits; a longer number is none that we know. */
    char digits[24];
    const char *sign = strchr(text, '=');
    size_t length = sign ? (size_t)(sign - text) : 0;
    if (!sign || length >= sizeof digits || !sign[1])
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    uint64_t number;
    if (!parse_number(digits, &number) || number == RECAP_NO_SELECTOR)
        return false;
    *selector = number;
    *object = sign + 1;
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

recap_selector argument_selector(const struct argp_state *state, const char *text)
{
    uint64_t number = 0;
    if (!parse_number(text, &number) || number == RECAP_NO_SELECTOR)
        argp_error(state, "\"%s\" is not a selector", text);
    return number;
}
