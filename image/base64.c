/* base64.c: bytes as text within JSON. */
#include "image/json.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t json_base64_length(size_t size)
{
    return (size + 2) / 3 * 4;
}

void json_base64_encode(const void *data, size_t size, char *out)
{
    const unsigned char *from = data;
    for (; size >= 3; size -= 3, from += 3) {
        uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)from[1] << 8 | from[2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *out++ = alphabet[bits >> shift & 63];
    }
    if (!size)
        return;
    uint32_t bits = (uint32_t)from[0] << 16 | (size == 2 ? (uint32_t)from[1] << 8 : 0);
    *out++ = alphabet[bits >> 18];
    *out++ = alphabet[bits >> 12 & 63];
    *out++ = size == 2 ? alphabet[bits >> 6 & 63] : '=';
    *out = '=';
}

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int json_base64_decode(const char *text, size_t length, struct recap_arena *arena,
                       const void **data, size_t *size)
{
    if (length % 4)
        return -EINVAL;
    size_t padding = length ? (size_t)(text[length - 1] == '=') + (text[length - 2] == '=') : 0;
    size_t bytes = length / 4 * 3 - padding;
    unsigned char *out = recap_arena_alloc(arena, bytes + 1);
    if (!out)
        return -ENOMEM;
    size_t used = 0;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t bits = 0;
        size_t digits = i + 4 == length ? 4 - padding : 4;
        for (size_t k = 0; k < 4; k++) {
            int value = k < digits ? digit(text[i + k]) : 0;
            if (value < 0 || (k >= digits && text[i + k] != '='))
                return -EINVAL;
            bits = bits << 6 | (uint32_t)value;
        }
        for (size_t k = 0; k < digits - 1; k++)
            out[used++] = (unsigned char)(bits >> (16 - 8 * k));
        /* Bits that stand for no byte are zero: each content has one text. */
        if ((digits == 3 && (bits & 0xff)) || (digits == 2 && (bits & 0xffff)))
            return -EINVAL;
    }
    *data = out;
    *size = bytes;
    return 0;
}
