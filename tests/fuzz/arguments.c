/* arguments.c: numbers and bindings from the command line: what is accepted is written back. */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A number that is accepted is its own decimal notation, leading zeros aside. */
static void check_number(const char *text)
{
    uint64_t number;
    char back[24];
    if (!parse_number(text, &number))
        return;
    snprintf(back, sizeof back, "%" PRIu64, number);
    while (*text == '0' && text[1])
        text++;
    if (strcmp(text, back) != 0)
        abort();
}

static void check_binding(const char *text)
{
    struct recap_binding binding;
    if (!parse_binding(text, &binding))
        return;
    const char *object = binding.spec, *digits = text;
    char *end;
    if (binding.at.pd && (strtoull(text, &end, 10) != binding.at.pd || *end != ':'))
        abort();
    if (binding.at.pd)
        digits = end + 1;
    if (object <= text || object >= text + strlen(text) || object[-1] != '=' ||
        binding.at.selector == RECAP_NO_SELECTOR ||
        strtoull(digits, &end, 10) != binding.at.selector || end != object - 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_number(text);
    check_binding(text);
    free(text);
    return 0;
}
