/* names.c: the names that files of an image have, and no others. */
#include "image/names.h"

#include <stdio.h>
#include <string.h>

bool image_decimal(const char *text, size_t length, uint64_t *number)
{
    uint64_t value = 0;
    if (!length || (length > 1 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
            return false;
    }
    *number = value;
    return true;
}

bool image_hex16(const char *text, uint64_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 16; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *number = value;
    return true;
}

static bool is(const char *name, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(name, expected, length) == 0;
}

enum image_file image_name_parse(const char *name, size_t length, uint64_t *id)
{
    static const char suffix[] = ".core", prefix[] = IMAGE_OBJECTS "/";
    size_t suffix_length = sizeof suffix - 1, prefix_length = sizeof prefix - 1;
    if (is(name, length, IMAGE_GRAPH))
        return IMAGE_FILE_GRAPH;
    if (is(name, length, IMAGE_MANIFEST))
        return IMAGE_FILE_MANIFEST;
    if (length > suffix_length &&
        memcmp(name + length - suffix_length, suffix, suffix_length) == 0 &&
        image_decimal(name, length - suffix_length, id))
        return IMAGE_FILE_CORE;
    if (length > prefix_length && memcmp(name, prefix, prefix_length) == 0 &&
        image_decimal(name + prefix_length, length - prefix_length, id))
        return IMAGE_FILE_OBJECT;
    return IMAGE_FILE_NONE;
}

void image_name_core(uint64_t id, char name[IMAGE_NAME_SIZE])
{
    snprintf(name, IMAGE_NAME_SIZE, "%llu.core", (unsigned long long)id);
}

void image_name_object(uint64_t id, char name[IMAGE_NAME_SIZE])
{
    snprintf(name, IMAGE_NAME_SIZE, IMAGE_OBJECTS "/%llu", (unsigned long long)id);
}
