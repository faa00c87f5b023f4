/* client.c: a sample component that asks the server for ever and checks each answer.
 *
 * The third word of its command line is the server's task, which the boot script gave it: it takes
 * a send right to the server's port out of that task and lets go of the task.
 */
#include "kernel/mach/guest/samples/service.h"
#include "kernel/mach/guest/traps.h"
#include "mach_port.user.h"

#include <string.h>

enum { PATIENCE = 100, SEND_REFERENCES = 2 };

/* The server may not have come so far yet. */
static mach_port_t find_service(mach_port_t server)
{
    mach_port_t service = MACH_PORT_NULL;
    mach_msg_type_name_t type;
    kern_return_t why = KERN_INVALID_NAME;
    for (unsigned asked = 0; why != KERN_SUCCESS && asked < PATIENCE; asked++) {
        if (asked)
            sample_sleep(SAMPLE_WAIT);
        why =
            mach_port_extract_right(server, SERVICE_NAME, MACH_MSG_TYPE_MAKE_SEND, &service, &type);
    }
    sample_expect("finding the service", (unsigned)why, KERN_SUCCESS);
    sample_expect("letting go of the server's task",
                  (unsigned)mach_port_deallocate(sample_self, server), KERN_SUCCESS);
    mach_port_mod_refs(sample_self, service, MACH_PORT_RIGHT_SEND, SEND_REFERENCES - 1);
    return service;
}

static void ask(mach_port_t service, mach_port_t replies, mach_port_t aside, uint32_t number)
{
    union {
        struct service_request request;
        struct sample_received reply;
    } both;
    memset(&both, 0, sizeof both);
    both.request = (struct service_request){
        .header = {.msgh_bits =
                       MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE) |
                       MACH_MSGH_BITS_COMPLEX,
                   .msgh_size = sizeof both.request,
                   .msgh_remote_port = service,
                   .msgh_local_port = replies,
                   .msgh_id = SERVICE_REQUEST},
        .number_type = {.msgt_name = MACH_MSG_TYPE_INTEGER_32,
                        .msgt_size = 32,
                        .msgt_number = 1,
                        .msgt_inline = TRUE},
        .number = number,
        .aside_type = {.msgt_name = MACH_MSG_TYPE_MAKE_SEND,
                       .msgt_size = 32,
                       .msgt_number = 1,
                       .msgt_inline = TRUE},
        .aside = aside};
    sample_expect("asking",
                  (unsigned)mach_msg_trap(&both.request.header, MACH_SEND_MSG | MACH_RCV_MSG,
                                          sizeof both.request, sizeof both, replies,
                                          MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
                  MACH_MSG_SUCCESS);
    sample_expect("the id of an answer", (unsigned)both.reply.message.header.msgh_id,
                  SERVICE_REPLY);
    sample_expect("an answer", both.reply.message.number, service_answer(number));
}

void guest_main(int argc, char **argv)
{
    sample_start(argc, argv);
    mach_port_t service = find_service(sample_number(argc, argv, 2));
    mach_port_t replies = sample_receive_right();
    mach_port_t aside = sample_receive_right();
    for (uint32_t number = 1;; number++) {
        ask(service, replies, aside, number);
        sample_receive(aside, SERVICE_ASIDE, number);
        sample_expect_references("the references to the service", service, MACH_PORT_RIGHT_SEND,
                                 SEND_REFERENCES);
        sample_expect_type("the replies' type", replies, MACH_PORT_TYPE_RECEIVE);
        sample_count(number);
        sample_sleep(SAMPLE_WAIT);
    }
}
