/* fitting.h: how a system call fails in practice. */
#ifndef RECAP_TESTS_FITTING_H
#define RECAP_TESTS_FITTING_H

#include <stdint.h>

/* An errno with which the system call fails on a machine that is short of memory, descriptors or
 * disk, or when a signal comes; 0 for a call that has no way to fail. `second` is its second
 * argument. */
int fitting_errno(long number, uint64_t second);

#endif
