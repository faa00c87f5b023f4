/* serial.h: the second serial line as a stream for core's server. */
#ifndef RECAP_FOC_GUEST_SERIAL_H
#define RECAP_FOC_GUEST_SERIAL_H

#include "core/stream.h"
#include "foc.h"

/* While it waits, the components of `foc` are served. NULL: there is no such line. */
struct core_stream *serial_open(struct foc *foc);

#endif
