/* objects.h: the kinds of kernel object behind a port, as the kernel numbers them. */
#ifndef RECAP_KERNEL_MACH_OBJECTS_H
#define RECAP_KERNEL_MACH_OBJECTS_H

#include "kernel/mach/mach.h"

enum mach_object {
    OBJECT_NONE = 0,
    OBJECT_THREAD = 1,
    OBJECT_TASK = 2,
    OBJECT_HOST = 3,
    OBJECT_HOST_PRIV = 4,
};

#endif
