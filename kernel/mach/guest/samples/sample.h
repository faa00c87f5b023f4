/* sample.h: what the sample components share: counting aloud, and ending when something is wrong.
 */
#ifndef RECAP_MACH_GUEST_SAMPLE_H
#define RECAP_MACH_GUEST_SAMPLE_H

#include <mach/message.h>
#include <mach/port.h>
#include <stdint.h>

enum { SAMPLE_WAIT = 100 }; /* milliseconds between two counts */

/* The sample's own task port, asked for once: each time gives one more reference. */
extern mach_port_t sample_self;

/* The second word of the command line is what the sample calls itself. */
void sample_start(int argc, char **argv);
/* The number in the word of the command line at `index`. */
unsigned sample_number(int argc, char **argv, int index);
/* Says on the console `NAME: N`. */
void sample_count(unsigned number);
/* Says on the console what is wrong, and ends the task, unless `is` is as it should be. */
void sample_expect(const char *what, unsigned is, unsigned should);
/* Lets others run for so many milliseconds. */
void sample_sleep(unsigned milliseconds);

/* A new receive right. */
mach_port_t sample_receive_right(void);
/* A send right at the same name as the receive right, with so many references. */
void sample_send_right(mach_port_t port, unsigned references);
void sample_expect_type(const char *what, mach_port_t name, mach_port_type_t should);
void sample_expect_references(const char *what, mach_port_t name, mach_port_right_t right,
                              unsigned should);

/* A message of one number. */
struct sample_message {
    mach_msg_header_t header;
    mach_msg_type_t type;
    uint32_t number;
};
/* Room for such a message as it is received, or for a notification. */
struct sample_received {
    struct sample_message message;
    uint32_t room[16];
};

/* Fills in all but the ports' use: `bits` as of MACH_MSGH_BITS. */
void sample_fill(struct sample_message *message, mach_msg_bits_t bits, mach_port_t to,
                 mach_port_t reply, int id, uint32_t number);
/* Sends one to a port to which a send right is held. */
void sample_send(mach_port_t to, int id, uint32_t number);
/* Waits for one at `port`, and expects that id and that number. */
void sample_receive(mach_port_t port, int id, uint32_t number);

/* What the entry in traps.S calls. */
void guest_main(int argc, char **argv);

#endif
