/* serial.h: the serial line on which core talks to its client. */
#ifndef RECAP_MACH_GUEST_SERIAL_H
#define RECAP_MACH_GUEST_SERIAL_H

#include "core/stream.h"
#include <mach/std_types.h>

enum { SERIAL_COM2 = 0x2f8 };

/* The line behind the UART at I/O port `port`; `master` is the machine's device master port. NULL
 * when the kernel does not let core at it. */
struct core_stream *serial_open(mach_port_t master, unsigned short port);

#endif
