/* sys/types.h: for guests without a libc. */
#ifndef RECAP_FREESTANDING_SYS_TYPES_H
#define RECAP_FREESTANDING_SYS_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef __PTRDIFF_TYPE__ ssize_t;
typedef int64_t off_t;
typedef int pid_t;

#endif
