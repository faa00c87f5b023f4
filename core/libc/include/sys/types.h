/* sys/types.h: for guests without a libc. */
#ifndef RECAP_CORE_LIBC_SYS_TYPES_H
#define RECAP_CORE_LIBC_SYS_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef __PTRDIFF_TYPE__ ssize_t;
typedef int64_t off_t;
typedef int pid_t;

#endif
