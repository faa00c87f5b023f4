/* sample.c: what the sample components share: counting aloud, and ending when something is wrong.
 */
#include "kernel/mach/guest/samples/sample.h"
#include "kernel/mach/guest/traps.h"
#include "mach.user.h"
#include "mach_port.user.h"

#include <mach/thread_switch.h>
#include <stdio.h>
#include <string.h>

/* A peer that does not answer for so many milliseconds never will. */
enum { PATIENCE = 20000 };

mach_port_t sample_self;
static char name[32];

void sample_start(int argc, char **argv)
{
    snprintf(name, sizeof name, "%s", argv[argc > 1 ? 1 : 0]);
    sample_self = mach_task_self();
}

unsigned sample_number(int argc, char **argv, int index)
{
    unsigned number = 0;
    sample_expect("the number of words on the command line", argc > index, 1);
    for (const char *digit = argv[index]; *digit >= '0' && *digit <= '9'; digit++)
        number = number * 10 + (unsigned)(*digit - '0');
    return number;
}

void sample_count(unsigned number)
{
    char line[64];
    snprintf(line, sizeof line, "%s: %u\n", name, number);
    mach_print(line);
}

void sample_expect(const char *what, unsigned is, unsigned should)
{
    char line[200];
    if (is == should)
        return;
    snprintf(line, sizeof line, "%s: WRONG %s is 0x%x and not 0x%x\n", name, what, is, should);
    mach_print(line);
    task_terminate(sample_self);
    for (;;)
        sample_sleep(SAMPLE_WAIT);
}

void sample_sleep(unsigned milliseconds)
{
    thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, milliseconds);
}

mach_port_t sample_receive_right(void)
{
    mach_port_t port = MACH_PORT_NULL;
    sample_expect("allocating a receive right",
                  (unsigned)mach_port_allocate(sample_self, MACH_PORT_RIGHT_RECEIVE, &port),
                  KERN_SUCCESS);
    return port;
}

void sample_send_right(mach_port_t port, unsigned references)
{
    kern_return_t why = mach_port_insert_right(sample_self, port, port, MACH_MSG_TYPE_MAKE_SEND);
    if (why == KERN_SUCCESS && references > 1)
        why = mach_port_mod_refs(sample_self, port, MACH_PORT_RIGHT_SEND,
                                 (mach_port_delta_t)references - 1);
    sample_expect("making a send right", (unsigned)why, KERN_SUCCESS);
}

void sample_expect_type(const char *what, mach_port_t port, mach_port_type_t should)
{
    mach_port_type_t type = 0;
    mach_port_type(sample_self, port, &type);
    sample_expect(what, type, should);
}

void sample_expect_references(const char *what, mach_port_t port, mach_port_right_t right,
                              unsigned should)
{
    mach_port_urefs_t references = 0;
    mach_port_get_refs(sample_self, port, right, &references);
    sample_expect(what, references, should);
}

void sample_fill(struct sample_message *message, mach_msg_bits_t bits, mach_port_t to,
                 mach_port_t reply, int id, uint32_t number)
{
    *message = (struct sample_message){.header = {.msgh_bits = bits,
                                                  .msgh_size = sizeof *message,
                                                  .msgh_remote_port = to,
                                                  .msgh_local_port = reply,
                                                  .msgh_id = id},
                                       .type = {.msgt_name = MACH_MSG_TYPE_INTEGER_32,
                                                .msgt_size = 32,
                                                .msgt_number = 1,
                                                .msgt_inline = TRUE},
                                       .number = number};
}

void sample_send(mach_port_t to, int id, uint32_t number)
{
    struct sample_message message;
    sample_fill(&message, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), to, MACH_PORT_NULL, id,
                number);
    sample_expect("sending",
                  (unsigned)mach_msg_trap(&message.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT,
                                          sizeof message, 0, MACH_PORT_NULL, PATIENCE,
                                          MACH_PORT_NULL),
                  MACH_MSG_SUCCESS);
}

void sample_receive(mach_port_t port, int id, uint32_t number)
{
    struct sample_received received;
    memset(&received, 0, sizeof received);
    sample_expect("receiving",
                  (unsigned)mach_msg_trap(&received.message.header, MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                                          0, sizeof received, port, PATIENCE, MACH_PORT_NULL),
                  MACH_MSG_SUCCESS);
    sample_expect("a received id", (unsigned)received.message.header.msgh_id, (unsigned)id);
    sample_expect("a received number", received.message.number, number);
}
