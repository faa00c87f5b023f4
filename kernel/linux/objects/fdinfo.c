/* fdinfo.c: reading what /proc/PID/fdinfo/N says of a description. */
#include "kernel/linux/objects/fdinfo.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *linux_fdinfo_next(const char *text)
{
    const char *end = strchr(text, '\n');
    return end && end[1] ? end + 1 : NULL;
}

const char *linux_fdinfo_text(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line; line = linux_fdinfo_next(line)) {
        if (strncmp(line, name, length) != 0 || line[length] != ':')
            continue;
        const char *value = line + length + 1;
        return value + strspn(value, " \t");
    }
    return NULL;
}

bool linux_fdinfo_number(const char *text, const char *name, int base, uint64_t *value)
{
    const char *digits = linux_fdinfo_text(text, name);
    if (!digits)
        return false;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(digits, &end, base);
    if (end == digits || errno)
        return false;
    *value = number;
    return true;
}

bool linux_fdinfo_pair(const char *text, const char *name, int64_t *first, int64_t *second)
{
    const char *pair = linux_fdinfo_text(text, name);
    long long a, b;
    if (!pair || sscanf(pair, "(%lld, %lld)", &a, &b) != 2)
        return false;
    *first = a;
    *second = b;
    return true;
}
