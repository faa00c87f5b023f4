/* service.h: what the sample components server and client say to each other. */
#ifndef RECAP_MACH_GUEST_SERVICE_H
#define RECAP_MACH_GUEST_SERVICE_H

#include "kernel/mach/guest/samples/sample.h"

/* Where the server's port is in its name space. */
enum { SERVICE_NAME = 0x1001 };
/* Ids of messages. */
enum { SERVICE_REQUEST = 500, SERVICE_REPLY = 600, SERVICE_ASIDE = 700 };

struct service_request {
    mach_msg_header_t header;
    mach_msg_type_t number_type;
    uint32_t number;
    mach_msg_type_t aside_type;
    mach_port_t aside; /* a send right to a second port of the client's */
};

/* The number that answers a request. */
static inline uint32_t service_answer(uint32_t number)
{
    return number * number + 7;
}

#endif
