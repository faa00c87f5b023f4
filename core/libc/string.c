/* string.c: memory and text, for guests without a libc. */
#include <string.h>

#include <stdio.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    return memmove(to, from, size);
}

/* Word by word where both sides allow it: whole pages go through here. */
void *memmove(void *to, const void *from, size_t size)
{
    typedef size_t __attribute__((may_alias)) word;
    unsigned char *d = to;
    const unsigned char *s = from;
    if (d <= s || d >= s + size) {
        if ((((size_t)d | (size_t)s) & (sizeof(word) - 1)) == 0)
            for (; size >= sizeof(word); size -= sizeof(word)) {
                *(word *)d = *(const word *)s;
                d += sizeof(word);
                s += sizeof(word);
            }
        while (size--)
            *d++ = *s++;
    } else {
        while (size--)
            d[size] = s[size];
    }
    return to;
}

void *memset(void *to, int byte, size_t size)
{
    for (unsigned char *d = to; size--;)
        *d++ = (unsigned char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *m = a, *n = b;
    for (; size; size--, m++, n++)
        if (*m != *n)
            return *m < *n ? -1 : 1;
    return 0;
}

void *memchr(const void *in, int byte, size_t size)
{
    for (const unsigned char *at = in; size--; at++)
        if (*at == (unsigned char)byte)
            return (void *)(size_t)at;
    return NULL;
}

size_t strlen(const char *text)
{
    const char *end = text;
    while (*end)
        end++;
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    return end ? (size_t)(end - text) : size;
}

int strncmp(const char *a, const char *b, size_t size)
{
    for (; size; size--, a++, b++) {
        if (*a != *b)
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        if (!*a)
            break;
    }
    return 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, (size_t)-1);
}

char *strchr(const char *in, int byte)
{
    return memchr(in, byte, strlen(in) + 1);
}

const char *strerror(int code)
{
    static char text[32];
    snprintf(text, sizeof text, "error %d", code);
    return text;
}
