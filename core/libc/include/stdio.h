/* stdio.h: for guests without a libc: formatting into a buffer, without floating point. */
#ifndef RECAP_CORE_LIBC_STDIO_H
#define RECAP_CORE_LIBC_STDIO_H

#include <stdarg.h>
#include <stddef.h>

int snprintf(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);

#endif
