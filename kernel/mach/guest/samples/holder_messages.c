/* holder_messages.c: the messages that wait in a port of the sample component holder: one of a
 * number with a send-once right for the answer, one with send rights, one with out-of-line memory.
 */
#include "kernel/mach/guest/samples/holder.h"
#include "kernel/mach/guest/traps.h"
#include "mach.user.h"
#include "mach_port.user.h"

#include <string.h>

enum { FIRST_ID = 800, PAGES_SIZE = 3 * 4096 };

struct rights_message {
    mach_msg_header_t header;
    mach_msg_type_t type;
    mach_port_t mailbox, carried;
};

struct memory_message {
    mach_msg_header_t header;
    mach_msg_type_t number_type;
    uint32_t number;
    mach_msg_type_long_t type;
    unsigned char *memory;
};

union any {
    mach_msg_header_t header;
    struct sample_received number;
    struct rights_message rights;
    struct memory_message memory;
};

static unsigned char pattern(unsigned turn, size_t offset)
{
    return (unsigned char)(turn * 31 + offset * 7 + offset / 4096);
}

static void send(mach_msg_header_t *header)
{
    mach_msg_return_t result =
        mach_msg_trap(header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, header->msgh_size, 0,
                      MACH_PORT_NULL, 0, MACH_PORT_NULL);
    sample_expect("queueing a message", (unsigned)result, MACH_MSG_SUCCESS);
}

static void queue_rights(const struct holder_ports *ports)
{
    struct rights_message message = {
        .header = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                   .msgh_size = sizeof message,
                   .msgh_remote_port = ports->queue,
                   .msgh_id = FIRST_ID + 1},
        .type = {.msgt_name = MACH_MSG_TYPE_MAKE_SEND,
                 .msgt_size = 32,
                 .msgt_number = 2,
                 .msgt_inline = TRUE},
        .mailbox = ports->mailbox,
        .carried = ports->carried};
    send(&message.header);
}

static void queue_memory(const struct holder_ports *ports)
{
    vm_address_t memory = 0;
    sample_expect("allocating memory",
                  (unsigned)vm_allocate(sample_self, &memory, PAGES_SIZE, TRUE), KERN_SUCCESS);
    struct memory_message message = {
        .header = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                   .msgh_size = sizeof message,
                   .msgh_remote_port = ports->queue,
                   .msgh_id = FIRST_ID + 2},
        .number_type = {.msgt_name = MACH_MSG_TYPE_INTEGER_32,
                        .msgt_size = 32,
                        .msgt_number = 1,
                        .msgt_inline = TRUE},
        .number = ports->turn,
        .type = {.msgtl_header = {.msgt_longform = TRUE, .msgt_deallocate = TRUE},
                 .msgtl_name = MACH_MSG_TYPE_BYTE,
                 .msgtl_size = 8,
                 .msgtl_number = PAGES_SIZE},
        .memory = (unsigned char *)memory};
    for (size_t i = 0; i < PAGES_SIZE; i++)
        message.memory[i] = pattern(ports->turn, i);
    send(&message.header);
}

void holder_queue(struct holder_ports *ports)
{
    struct sample_message number;
    ports->turn++;
    sample_fill(&number, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                ports->queue, ports->mailbox, FIRST_ID, ports->turn);
    send(&number.header);
    queue_rights(ports);
    queue_memory(ports);
}

/* The next message, which has to be the one that is due. */
static void take(struct holder_ports *ports, union any *message, unsigned index)
{
    memset(message, 0, sizeof *message);
    mach_msg_return_t result = mach_msg_trap(&message->header, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0,
                                             sizeof *message, ports->queue, 0, MACH_PORT_NULL);
    sample_expect("taking a message", (unsigned)result, MACH_MSG_SUCCESS);
    sample_expect("the id of a message", (unsigned)message->header.msgh_id, FIRST_ID + index);
    sample_expect("the sequence number of a message", message->header.msgh_seqno,
                  ports->sequence++);
    sample_expect("where a message was", message->header.msgh_local_port, ports->queue);
}

/* The send-once right for the answer leads to the mailbox: what is sent through it arrives there.
 */
static void take_number(struct holder_ports *ports)
{
    union any message;
    struct sample_message answer;
    take(ports, &message, 0);
    sample_expect("the number in a message", message.number.message.number, ports->turn);
    sample_expect_type("the right for the answer", message.header.msgh_remote_port,
                       MACH_PORT_TYPE_SEND_ONCE);
    sample_fill(&answer, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
                message.header.msgh_remote_port, MACH_PORT_NULL, FIRST_ID, ports->turn);
    send(&answer.header);
    sample_receive(ports->mailbox, FIRST_ID, ports->turn);
}

static void take_rights(struct holder_ports *ports)
{
    union any message;
    take(ports, &message, 1);
    sample_expect("the kind of carried rights", message.rights.type.msgt_name,
                  MACH_MSG_TYPE_PORT_SEND);
    sample_expect("the first carried right", message.rights.mailbox, ports->mailbox);
    sample_expect("the second carried right", message.rights.carried, ports->carried);
    sample_expect_type("the carried port's new type", ports->carried, MACH_PORT_TYPE_SEND_RECEIVE);
    for (unsigned i = 0; i < 2; i++) {
        mach_port_t port = i ? ports->carried : ports->mailbox;
        sample_expect("letting go of a carried right",
                      (unsigned)mach_port_mod_refs(sample_self, port, MACH_PORT_RIGHT_SEND, -1),
                      KERN_SUCCESS);
    }
}

static void take_memory(struct holder_ports *ports)
{
    union any message;
    take(ports, &message, 2);
    const struct memory_message *memory = &message.memory;
    unsigned wrong = 0;
    sample_expect("the number beside the memory", memory->number, ports->turn);
    sample_expect("the size of carried memory", memory->type.msgtl_number, PAGES_SIZE);
    for (size_t i = 0; i < PAGES_SIZE; i++)
        wrong += memory->memory[i] != pattern(ports->turn, i);
    sample_expect("the number of wrong bytes in carried memory", wrong, 0);
    sample_expect("letting go of carried memory",
                  (unsigned)vm_deallocate(sample_self, (vm_address_t)memory->memory, PAGES_SIZE),
                  KERN_SUCCESS);
}

void holder_take(struct holder_ports *ports)
{
    take_number(ports);
    take_rights(ports);
    take_memory(ports);
}
