/* threads.c: a sample component with threads that wait in different ways, and one that computes.
 *
 * The first thread wakes the others in turn by messages and expects from each the answer that is
 * due: one waits for a message without a limit of time, one with a limit that it mostly reaches,
 * one sends a request and waits for the answer in the same system call.
 */
#include "kernel/mach/guest/samples/sample.h"
#include "kernel/mach/guest/traps.h"
#include "mach.user.h"
#include "mach_port.user.h"

#include <mach/machine/thread_status.h>
#include <string.h>

enum { STACK_SIZE = 16 * 1024, SHORT_WAIT = 30, STEPS = 200000 };
/* Ids of messages; what a thread answers has its own. */
enum { WAKE = 900, PATIENT = 901, IMPATIENT = 902, ASKER = 903, COMPUTED = 904 };

struct ports {
    mach_port_t patient, impatient; /* where they wait */
    mach_port_t requests, replies;  /* the asker's */
    mach_port_t computing;          /* the computing thread looks here for a message */
    mach_port_t done;               /* the first thread's */
};

static struct ports ports;
static volatile unsigned time_outs;

/* The next message at a port, or what ended the wait instead. */
static mach_msg_return_t next(mach_port_t port, mach_msg_option_t option,
                              mach_msg_timeout_t timeout, uint32_t *number)
{
    struct sample_received received;
    memset(&received, 0, sizeof received);
    mach_msg_return_t result = mach_msg_trap(&received.message.header, MACH_RCV_MSG | option, 0,
                                             sizeof received, port, timeout, MACH_PORT_NULL);
    if (result == MACH_MSG_SUCCESS) {
        sample_expect("what wakes a thread", (unsigned)received.message.header.msgh_id, WAKE);
        *number = received.message.number;
    }
    return result;
}

static void patient(void)
{
    for (uint32_t round = 1, number = 0;; round++) {
        mach_msg_return_t result = next(ports.patient, 0, MACH_MSG_TIMEOUT_NONE, &number);
        sample_expect("the end of waiting without a limit", (unsigned)result, MACH_MSG_SUCCESS);
        sample_expect("the patient thread's round", number, round);
        sample_send(ports.done, PATIENT, number);
    }
}

static void impatient(void)
{
    for (uint32_t round = 1, number = 0;; round++) {
        mach_msg_return_t result;
        while ((result = next(ports.impatient, MACH_RCV_TIMEOUT, SHORT_WAIT, &number)) ==
               MACH_RCV_TIMED_OUT)
            time_outs++;
        sample_expect("the end of waiting with a limit", (unsigned)result, MACH_MSG_SUCCESS);
        sample_expect("the impatient thread's round", number, round);
        sample_send(ports.done, IMPATIENT, number);
    }
}

static void asker(void)
{
    for (uint32_t round = 1;; round++) {
        struct sample_received both;
        memset(&both, 0, sizeof both);
        sample_fill(&both.message,
                    MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                    ports.requests, ports.replies, ASKER, round);
        mach_msg_return_t result =
            mach_msg_trap(&both.message.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof both.message,
                          sizeof both, ports.replies, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
        sample_expect("the end of asking", (unsigned)result, MACH_MSG_SUCCESS);
        sample_expect("the id of an answer", (unsigned)both.message.header.msgh_id, WAKE);
        sample_expect("the number of an answer", both.message.number, round + 1);
        sample_send(ports.done, ASKER, round);
    }
}

/* The same steps from the same start come to the same end, whatever happens in between. */
static uint32_t compute(void)
{
    uint32_t value = 1;
    for (unsigned i = 0; i < STEPS; i++)
        value = (value ^ i) * 2654435761U + (value >> 15);
    return value;
}

static void computing(void)
{
    uint32_t first = compute();
    for (uint32_t number = 0;;) {
        sample_expect("what was computed", compute(), first);
        if (next(ports.computing, MACH_RCV_TIMEOUT, 1, &number) == MACH_MSG_SUCCESS)
            sample_send(ports.done, COMPUTED, number);
    }
}

static void start(void (*function)(void))
{
    vm_address_t stack = 0;
    mach_port_t thread = MACH_PORT_NULL;
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    kern_return_t why = vm_allocate(sample_self, &stack, STACK_SIZE, TRUE);
    if (why == KERN_SUCCESS)
        why = thread_create(sample_self, &thread);
    if (why == KERN_SUCCESS)
        why = thread_get_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&state, &count);
    state.eip = (int)function;
    state.uesp = (int)(stack + STACK_SIZE - 20); /* as after a call: 16 bytes aligned, minus 4 */
    state.ebp = 0;
    if (why == KERN_SUCCESS)
        why = thread_set_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&state, count);
    if (why == KERN_SUCCESS)
        why = thread_resume(thread);
    sample_expect("starting a thread", (unsigned)why, KERN_SUCCESS);
}

/* Waits for the asker's request and answers it. */
static void answer(uint32_t round)
{
    struct sample_received request;
    struct sample_message reply;
    memset(&request, 0, sizeof request);
    sample_expect("receiving a request",
                  (unsigned)mach_msg_trap(&request.message.header, MACH_RCV_MSG, 0, sizeof request,
                                          ports.requests, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
                  MACH_MSG_SUCCESS);
    sample_expect("the id of a request", (unsigned)request.message.header.msgh_id, ASKER);
    sample_expect("the number of a request", request.message.number, round);
    sample_fill(&reply, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
                request.message.header.msgh_remote_port, MACH_PORT_NULL, WAKE, round + 1);
    sample_expect("answering a request",
                  (unsigned)mach_msg_trap(&reply.header, MACH_SEND_MSG, sizeof reply, 0,
                                          MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL),
                  MACH_MSG_SUCCESS);
}

/* Nothing comes unasked, and the time of one count goes by. */
static void rest(void)
{
    uint32_t number;
    sample_expect("the end of resting",
                  (unsigned)next(ports.done, MACH_RCV_TIMEOUT, SAMPLE_WAIT, &number),
                  MACH_RCV_TIMED_OUT);
}

void guest_main(int argc, char **argv)
{
    sample_start(argc, argv);
    mach_port_t *const all = (mach_port_t *)&ports;
    for (unsigned i = 0; i < sizeof ports / sizeof *all; i++) {
        all[i] = sample_receive_right();
        sample_send_right(all[i], 1);
    }
    void (*const functions[])(void) = {patient, impatient, asker, computing};
    for (unsigned i = 0; i < sizeof functions / sizeof *functions; i++)
        start(functions[i]);
    for (uint32_t round = 1;; round++) {
        unsigned before = time_outs;
        rest();
        sample_expect("whether waiting with a limit ended", time_outs != before, TRUE);
        sample_send(ports.patient, WAKE, round);
        sample_receive(ports.done, PATIENT, round);
        sample_send(ports.impatient, WAKE, round);
        sample_receive(ports.done, IMPATIENT, round);
        answer(round);
        sample_receive(ports.done, ASKER, round);
        sample_send(ports.computing, WAKE, round);
        sample_receive(ports.done, COMPUTED, round);
        sample_count(round);
    }
}
