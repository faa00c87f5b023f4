/* holder.h: the messages that wait in a port of the sample component holder. */
#ifndef RECAP_MACH_GUEST_HOLDER_H
#define RECAP_MACH_GUEST_HOLDER_H

#include "kernel/mach/guest/samples/sample.h"

/* So many wait, and so many send-once rights to the mailbox are in them. */
enum { HOLDER_MESSAGES = 3, HOLDER_ONCE_CARRIED = 1 };

struct holder_ports {
    mach_port_t queue;   /* where they wait */
    mach_port_t mailbox; /* a send right and a send-once right to it are carried */
    mach_port_t carried; /* the only send right to it is carried */
    unsigned sequence;   /* of the queue's next message */
    unsigned turn;       /* how often they were queued */
};

/* Queues all messages. */
void holder_queue(struct holder_ports *ports);
/* Takes them out and checks all that they carry; there are as many references and rights
 * afterwards as there were before they were queued. */
void holder_take(struct holder_ports *ports);

#endif
