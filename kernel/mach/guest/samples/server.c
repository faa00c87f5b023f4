/* server.c: a sample component that answers requests, each of which it expects to follow the last.
 *
 * Its port is at a name that the client knows. Every request carries a send right to a second port
 * of the client's, to which the server sends a message before it answers.
 */
#include "kernel/mach/guest/samples/service.h"
#include "kernel/mach/guest/traps.h"
#include "mach_port.user.h"

#include <string.h>

static void receive(struct service_request *request)
{
    struct {
        struct service_request request;
        uint32_t room[8];
    } received;
    memset(&received, 0, sizeof received);
    mach_msg_return_t result =
        mach_msg_trap(&received.request.header, MACH_RCV_MSG, 0, sizeof received, SERVICE_NAME,
                      MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
    sample_expect("receiving a request", (unsigned)result, MACH_MSG_SUCCESS);
    *request = received.request;
}

static void answer(const struct service_request *request, uint32_t served)
{
    struct sample_message reply;
    sample_fill(&reply, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
                request->header.msgh_remote_port, MACH_PORT_NULL, SERVICE_REPLY,
                service_answer(served));
    sample_expect("answering",
                  (unsigned)mach_msg_trap(&reply.header, MACH_SEND_MSG, sizeof reply, 0,
                                          MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
                  MACH_MSG_SUCCESS);
}

void guest_main(int argc, char **argv)
{
    sample_start(argc, argv);
    sample_expect(
        "allocating the service",
        (unsigned)mach_port_allocate_name(sample_self, MACH_PORT_RIGHT_RECEIVE, SERVICE_NAME),
        KERN_SUCCESS);
    for (uint32_t served = 1;; served++) {
        struct service_request request;
        receive(&request);
        sample_expect("the id of a request", (unsigned)request.header.msgh_id, SERVICE_REQUEST);
        sample_expect("the number of a request", request.number, served);
        sample_expect("what a request carries", request.aside_type.msgt_name,
                      MACH_MSG_TYPE_PORT_SEND);
        sample_expect_type("the service's type", SERVICE_NAME, MACH_PORT_TYPE_RECEIVE);
        sample_send(request.aside, SERVICE_ASIDE, served);
        sample_expect("letting go of what a request carried",
                      (unsigned)mach_port_deallocate(sample_self, request.aside), KERN_SUCCESS);
        answer(&request, served);
        sample_count(served);
    }
}
