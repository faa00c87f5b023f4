/* fdinfo.h: reading what /proc/PID/fdinfo/N says of a description. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FDINFO_H
#define RECAP_KERNEL_LINUX_OBJECTS_FDINFO_H

#include <stdbool.h>
#include <stdint.h>

/* The text after "NAME:" and blanks, in the first line at or after `text` that starts with NAME;
 * NULL without one. The value ends with its line. */
const char *linux_fdinfo_text(const char *text, const char *name);
/* The same as a number of that base; false without such a line or without digits there. */
bool linux_fdinfo_number(const char *text, const char *name, int base, uint64_t *value);
/* Two numbers as in "(3, 250000000)", the form of struct timespec there. */
bool linux_fdinfo_pair(const char *text, const char *name, int64_t *first, int64_t *second);
/* The start of the line after the one that `text` is in; NULL at the end. */
const char *linux_fdinfo_next(const char *text);

#endif
