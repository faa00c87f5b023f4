/* measure.h: recap-core measure PROGRAM: prints what Native PD costs on the first component. */
#ifndef RECAP_FOC_GUEST_MEASURE_H
#define RECAP_FOC_GUEST_MEASURE_H

#include "foc.h"

enum { FOC_SELECTOR = 4 }; /* one that every component has in use */

void measure(struct foc *foc);

#endif
