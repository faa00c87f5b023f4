/* counter.c: a sample component that counts for ever, in memory and in registers.
 *
 * While it waits, the count and two numbers that follow from it are in integer registers, and two
 * sums on the stack of the floating-point unit, and nowhere else that is looked at. It holds two
 * ports of its own, and looks in every round whether they are what they were.
 */
#include "kernel/mach/guest/samples/sample.h"
#include "kernel/mach/guest/traps.h"
#include "mach_port.user.h"

#include <mach/notify.h>
#include <string.h>

/* What is in registers while the counter waits. The assembler below knows this layout. */
struct held {
    uint32_t count, square, mixed;
    uint32_t control; /* of the floating-point unit */
    long double thirds, halves;
};

struct wait {
    mach_msg_header_t *message;
    mach_msg_option_t option;
    mach_msg_size_t send_size, receive_size;
    mach_port_t port;
    mach_msg_timeout_t timeout;
    mach_port_t notify;
};

/* Enters the kernel as `wait` says with what `held` says in registers, and writes to `held` what is
 * in them then. The kernel's answer. */
mach_msg_return_t hold_and_wait(struct held *held, const struct wait *wait);

__asm__(".text\n"
        ".globl hold_and_wait\n"
        ".type hold_and_wait, @function\n"
        "hold_and_wait:\n"
        "        pushl   %ebp\n"
        "        movl    %esp, %ebp\n"
        "        pushl   %ebx\n"
        "        pushl   %esi\n"
        "        pushl   %edi\n"
        "        movl    8(%ebp), %eax\n"
        "        fldcw   12(%eax)\n"
        "        fldt    16(%eax)\n"
        "        fldt    28(%eax)\n"
        "        movl    12(%ebp), %edx\n"
        "        movl    $7, %ecx\n"
        "1:      pushl   -4(%edx,%ecx,4)\n"
        "        decl    %ecx\n"
        "        jnz     1b\n"
        "        movl    0(%eax), %ebx\n"
        "        movl    4(%eax), %esi\n"
        "        movl    8(%eax), %edi\n"
        "        call    mach_msg_trap\n"
        "        addl    $28, %esp\n"
        "        movl    8(%ebp), %edx\n"
        "        fstpt   28(%edx)\n"
        "        fstpt   16(%edx)\n"
        "        fnstcw  12(%edx)\n"
        "        movl    %ebx, 0(%edx)\n"
        "        movl    %esi, 4(%edx)\n"
        "        movl    %edi, 8(%edx)\n"
        "        popl    %edi\n"
        "        popl    %esi\n"
        "        popl    %ebx\n"
        "        popl    %ebp\n"
        "        ret\n"
        ".size hold_and_wait, . - hold_and_wait\n");

_Static_assert(sizeof(long double) == 12 && offsetof(struct held, control) == 12 &&
                   offsetof(struct held, thirds) == 16 && offsetof(struct held, halves) == 28,
               "the layout that the assembler knows");

/* Extended precision, as at the start of a task, but rounding towards zero. */
enum { CONTROL = 0x0f7f, SEND_REFERENCES = 3 };

/* Waits for the time of one count. A send-once right to the mailbox that somebody let go tells so
 * in a message; nothing else may come. */
static void wait_holding(struct held *held, mach_port_t mailbox)
{
    struct sample_received received;
    const struct wait wait = {&received.message.header,
                              MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                              0,
                              sizeof received,
                              mailbox,
                              SAMPLE_WAIT,
                              MACH_PORT_NULL};
    mach_msg_return_t result;
    while ((result = hold_and_wait(held, &wait)) == MACH_MSG_SUCCESS)
        sample_expect("the id of a message", (unsigned)received.message.header.msgh_id,
                      MACH_NOTIFY_SEND_ONCE);
    sample_expect("what ended the wait", (unsigned)result, MACH_RCV_TIMED_OUT);
}

/* 0 when they have equal bytes; padding is not looked at. */
static unsigned differ(long double one, long double other)
{
    return memcmp(&one, &other, 10) != 0;
}

static void look_at_ports(mach_port_t mailbox, mach_port_t spare)
{
    sample_expect_type("the mailbox's type", mailbox, MACH_PORT_TYPE_SEND_RECEIVE);
    sample_expect_type("the spare port's type", spare, MACH_PORT_TYPE_SEND_RECEIVE);
    sample_expect_references("the mailbox's references", mailbox, MACH_PORT_RIGHT_SEND,
                             SEND_REFERENCES);
    sample_expect("the name of the own task", task_self_trap(), sample_self);
    mach_port_deallocate(sample_self, sample_self);
}

void guest_main(int argc, char **argv)
{
    struct held held = {.control = CONTROL};
    uint32_t count = 0, mixed = 0;
    sample_start(argc, argv);
    mach_port_t mailbox = sample_receive_right();
    mach_port_t spare = sample_receive_right();
    sample_send_right(mailbox, SEND_REFERENCES);
    sample_send_right(spare, 1);
    for (;;) {
        long double thirds = held.thirds, halves = held.halves;
        wait_holding(&held, mailbox);
        sample_expect("the count in a register", held.count, count);
        sample_expect("the square in a register", held.square, count * count);
        sample_expect("the mixture in a register", held.mixed, mixed);
        sample_expect("the floating-point control word", held.control & 0xffff, CONTROL);
        sample_expect("the first sum in the floating-point unit", differ(held.thirds, thirds), 0);
        sample_expect("the second sum in the floating-point unit", differ(held.halves, halves), 0);
        sample_expect("the sum of halves", held.halves == (long double)count / 2, 1);
        look_at_ports(mailbox, spare);
        count++;
        mixed = mixed * 1664525 + 1013904223;
        held.count++;
        held.square = held.count * held.count;
        held.mixed = held.mixed * 1664525 + 1013904223;
        held.thirds += 1.0L / 3;
        held.halves += 0.5L;
        sample_count(count);
    }
}
