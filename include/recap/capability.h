/* capability.h: what a capability is to Recap, the same on every kernel. */
#ifndef RECAP_CAPABILITY_H
#define RECAP_CAPABILITY_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Index into a capability space: a descriptor number, a port name, a capability index. */
typedef uint64_t recap_selector;
/* No selector: the answer to "which one next" at the end of a capability space. */
#define RECAP_NO_SELECTOR UINT64_MAX

/* Core's number for an object. Two capabilities have equal badges iff the kernel says that they
 * refer to the same object. 0 is no object: the badge of the invalid capability. */
typedef uint64_t recap_badge;

/* What a capability permits. A kernel uses those that it knows. */
enum recap_right {
    RECAP_RIGHT_READ = 1 << 0,
    RECAP_RIGHT_WRITE = 1 << 1,
    RECAP_RIGHT_PATH = 1 << 2, /* names a place in the file system and permits nothing else */
    RECAP_RIGHT_SEND = 1 << 3,
    RECAP_RIGHT_RECEIVE = 1 << 4,
    RECAP_RIGHT_SEND_ONCE = 1 << 5,
    RECAP_RIGHT_PORT_SET = 1 << 6,
    RECAP_RIGHT_DEAD_NAME = 1 << 7,
    RECAP_RIGHT_DELETE = 1 << 8,
    RECAP_RIGHT_SPECIAL = 1 << 9,
};

/* Flags of the slot and not of the object. */
enum recap_slot_flag {
    RECAP_SLOT_CLOSE_ON_EXEC = 1 << 0,
};

struct recap_cap {
    recap_badge badge;   /* 0: the selector is unused */
    const char *kind;    /* the kind of object: static text such as "eventfd" */
    uint32_t rights;     /* enum recap_right */
    uint32_t slot_flags; /* enum recap_slot_flag */
    uint32_t references; /* user references that the slot counts; 1 on kernels without them */
};

#ifdef __cplusplus
}
#endif
#endif
