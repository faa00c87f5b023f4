/* format.c: formatted text into a buffer, for guests without a libc.
 *
 * Flags - and 0, width, precision (numbers or *), lengths hh h l ll z j t, conversions
 * d i u x X o p s c %. Anything else is copied as it is, so that it is seen.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct sink {
    char *to;
    size_t size;
    size_t length; /* of the whole text, also what did not fit */
};

struct conversion {
    bool left, zero;
    int width;
    int precision; /* -1: none given */
    int length;    /* -2 hh, -1 h, 0, 1 l, 2 ll j, 3 z t */
};

static void put(struct sink *sink, char c)
{
    if (sink->length + 1 < sink->size)
        sink->to[sink->length] = c;
    sink->length++;
}

static void put_padded(struct sink *sink, const struct conversion *how, const char *sign,
                       size_t zeros, const char *text, size_t length)
{
    size_t all = strlen(sign) + zeros + length;
    size_t blanks = how->width > 0 && (size_t)how->width > all ? (size_t)how->width - all : 0;
    for (size_t i = 0; !how->left && i < blanks; i++)
        put(sink, ' ');
    while (*sign)
        put(sink, *sign++);
    while (zeros--)
        put(sink, '0');
    for (size_t i = 0; i < length; i++)
        put(sink, text[i]);
    for (size_t i = 0; how->left && i < blanks; i++)
        put(sink, ' ');
}

static void put_number(struct sink *sink, const struct conversion *how, uint64_t value,
                       const char *sign, unsigned base, bool upper)
{
    char digits[24], *at = digits + sizeof digits;
    for (; value; value /= base)
        *--at = (upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
    if (at == digits + sizeof digits && how->precision != 0)
        *--at = '0';
    size_t length = (size_t)(digits + sizeof digits - at), zeros = 0;
    if (how->precision >= 0)
        zeros = (size_t)how->precision > length ? (size_t)how->precision - length : 0;
    else if (how->zero && !how->left && how->width > 0 &&
             (size_t)how->width > length + strlen(sign))
        zeros = (size_t)how->width - length - strlen(sign);
    put_padded(sink, how, sign, zeros, at, length);
}

static int64_t take_signed(const struct conversion *how, va_list *arguments)
{
    switch (how->length) {
    case -2:
        return (signed char)va_arg(*arguments, int);
    case -1:
        return (short)va_arg(*arguments, int);
    case 1:
        return va_arg(*arguments, long);
    case 2:
        return va_arg(*arguments, long long);
    case 3:
        return va_arg(*arguments, ptrdiff_t);
    default:
        return va_arg(*arguments, int);
    }
}

static uint64_t take_unsigned(const struct conversion *how, va_list *arguments)
{
    switch (how->length) {
    case -2:
        return (unsigned char)va_arg(*arguments, unsigned);
    case -1:
        return (unsigned short)va_arg(*arguments, unsigned);
    case 1:
        return va_arg(*arguments, unsigned long);
    case 2:
        return va_arg(*arguments, unsigned long long);
    case 3:
        return va_arg(*arguments, size_t);
    default:
        return va_arg(*arguments, unsigned);
    }
}

static const char *read_count(const char *at, int *count, va_list *arguments)
{
    if (*at == '*') {
        *count = va_arg(*arguments, int);
        return at + 1;
    }
    for (*count = 0; *at >= '0' && *at <= '9'; at++)
        *count = *count * 10 + (*at - '0');
    return at;
}

/* What stands between % and the conversion. */
static const char *read_conversion(const char *at, struct conversion *how, va_list *arguments)
{
    *how = (struct conversion){.precision = -1};
    for (; *at == '-' || *at == '0'; at++) {
        how->left |= *at == '-';
        how->zero |= *at == '0';
    }
    at = read_count(at, &how->width, arguments);
    if (how->width < 0) {
        how->left = true;
        how->width = -how->width;
    }
    if (*at == '.')
        at = read_count(at + 1, &how->precision, arguments);
    for (;; at++)
        if (*at == 'h')
            how->length--;
        else if (*at == 'l')
            how->length++;
        else if (*at == 'z' || *at == 't')
            how->length = 3;
        else if (*at == 'j')
            how->length = 2;
        else
            return at;
}

static void put_text(struct sink *sink, const struct conversion *how, const char *text)
{
    if (!text)
        text = "(null)";
    size_t length = how->precision >= 0 ? strnlen(text, (size_t)how->precision) : strlen(text);
    put_padded(sink, how, "", 0, text, length);
}

static void convert(struct sink *sink, const struct conversion *how, char what, va_list *arguments)
{
    char c;
    switch (what) {
    case 'd':
    case 'i': {
        int64_t value = take_signed(how, arguments);
        put_number(sink, how, value < 0 ? 0 - (uint64_t)value : (uint64_t)value,
                   value < 0 ? "-" : "", 10, false);
        break;
    }
    case 'u':
        put_number(sink, how, take_unsigned(how, arguments), "", 10, false);
        break;
    case 'o':
        put_number(sink, how, take_unsigned(how, arguments), "", 8, false);
        break;
    case 'x':
    case 'X':
        put_number(sink, how, take_unsigned(how, arguments), "", 16, what == 'X');
        break;
    case 'p':
        put_number(sink, how, (uintptr_t)va_arg(*arguments, void *), "0x", 16, false);
        break;
    case 'c':
        c = (char)va_arg(*arguments, int);
        put_padded(sink, how, "", 0, &c, 1);
        break;
    case 's':
        put_text(sink, how, va_arg(*arguments, const char *));
        break;
    default:
        put(sink, '%');
        if (what != '%' && what)
            put(sink, what);
    }
}

int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments)
{
    struct sink sink = {.to = buffer, .size = size};
    va_list left;
    va_copy(left, arguments);
    for (const char *at = format; *at; at++) {
        struct conversion how;
        if (*at != '%') {
            put(&sink, *at);
            continue;
        }
        at = read_conversion(at + 1, &how, &left);
        convert(&sink, &how, *at, &left);
        if (!*at)
            break;
    }
    va_end(left);
    if (size)
        buffer[sink.length < size ? sink.length : size - 1] = '\0';
    return (int)sink.length;
}

int snprintf(char *buffer, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(buffer, size, format, arguments);
    va_end(arguments);
    return length;
}
