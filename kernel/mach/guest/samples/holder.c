/* holder.c: a sample component that holds something of every kind, and looks for ever whether it
 * does.
 *
 * A port with messages waiting in it, which carry rights and memory; send rights with several
 * references, also as the only right at a name; send-once rights; a port set with members; a dead
 * name. Every so many counts it takes the messages out, checks what they carry, and queues them
 * again.
 */
#include "kernel/mach/guest/samples/holder.h"
#include "kernel/mach/guest/traps.h"
#include "mach.user.h"
#include "mach_port.user.h"

enum { QUEUE_LIMIT = 9, SEND_REFERENCES = 5, DEAD_REFERENCES = 3, MEMBERS = 2, ONCE = 2 };
enum { TURN = 20 }; /* counts between two looks into the queue */

struct holding {
    struct holder_ports ports;
    mach_port_t set, members[MEMBERS];
    mach_port_t once[ONCE]; /* send-once rights to ports.mailbox */
    mach_port_t dead;
    unsigned names; /* so many in all */
};

static mach_port_t make_once(mach_port_t port)
{
    mach_port_t once = MACH_PORT_NULL;
    mach_msg_type_name_t type;
    sample_expect("making a send-once right",
                  (unsigned)mach_port_extract_right(sample_self, port, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                                    &once, &type),
                  KERN_SUCCESS);
    return once;
}

static void make_set(struct holding *holding)
{
    sample_expect(
        "allocating a port set",
        (unsigned)mach_port_allocate(sample_self, MACH_PORT_RIGHT_PORT_SET, &holding->set),
        KERN_SUCCESS);
    for (unsigned i = 0; i < MEMBERS; i++) {
        holding->members[i] = sample_receive_right();
        sample_expect(
            "entering a member",
            (unsigned)mach_port_move_member(sample_self, holding->members[i], holding->set),
            KERN_SUCCESS);
    }
}

/* The name of a port that is no more. */
static mach_port_t make_dead(void)
{
    mach_port_t dead = sample_receive_right();
    sample_send_right(dead, DEAD_REFERENCES);
    sample_expect("ending a port",
                  (unsigned)mach_port_mod_refs(sample_self, dead, MACH_PORT_RIGHT_RECEIVE, -1),
                  KERN_SUCCESS);
    return dead;
}

static unsigned count_names(void)
{
    mach_port_name_t *names;
    mach_port_type_t *types;
    mach_msg_type_number_t count, type_count;
    sample_expect("listing the names",
                  (unsigned)mach_port_names(sample_self, &names, &count, &types, &type_count),
                  KERN_SUCCESS);
    vm_deallocate(sample_self, (vm_address_t)names, count * sizeof *names);
    vm_deallocate(sample_self, (vm_address_t)types, type_count * sizeof *types);
    return count;
}

static void look_at_set(const struct holding *holding)
{
    mach_port_name_t *members;
    mach_msg_type_number_t count = 0;
    unsigned found = 0;
    sample_expect("listing the members",
                  (unsigned)mach_port_get_set_status(sample_self, holding->set, &members, &count),
                  KERN_SUCCESS);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < MEMBERS; j++)
            if (members[i] == holding->members[j])
                found |= 1U << j;
    vm_deallocate(sample_self, (vm_address_t)members, count * sizeof *members);
    sample_expect("the number of members", count, MEMBERS);
    sample_expect("the members", found, (1U << MEMBERS) - 1);
    for (unsigned i = 0; i < MEMBERS; i++) {
        mach_port_status_t status;
        mach_port_get_receive_status(sample_self, holding->members[i], &status);
        sample_expect("the set of a member", status.mps_pset, holding->set);
    }
}

static void look_at_queue(const struct holder_ports *ports)
{
    mach_port_status_t status = {0};
    sample_expect("asking for the queue",
                  (unsigned)mach_port_get_receive_status(sample_self, ports->queue, &status),
                  KERN_SUCCESS);
    sample_expect("the waiting messages", status.mps_msgcount, HOLDER_MESSAGES);
    sample_expect("the queue's limit", status.mps_qlimit, QUEUE_LIMIT);
    sample_expect("the queue's sequence number", status.mps_seqno, ports->sequence);
    sample_expect("whether there are send rights to the queue", (unsigned)status.mps_srights, TRUE);
    sample_expect("the queue's make-send count", status.mps_mscount, 1);
}

static void look(const struct holding *holding)
{
    const struct holder_ports *ports = &holding->ports;
    mach_port_status_t status = {0};
    sample_expect("the number of names", count_names(), holding->names);
    sample_expect_type("the queue's type", ports->queue, MACH_PORT_TYPE_SEND_RECEIVE);
    sample_expect_type("the carried port's type", ports->carried, MACH_PORT_TYPE_RECEIVE);
    sample_expect_type("the mailbox's type", ports->mailbox, MACH_PORT_TYPE_SEND_RECEIVE);
    sample_expect_references("the mailbox's references", ports->mailbox, MACH_PORT_RIGHT_SEND,
                             SEND_REFERENCES);
    mach_port_get_receive_status(sample_self, ports->mailbox, &status);
    sample_expect("the send-once rights to the mailbox", status.mps_sorights,
                  ONCE + HOLDER_ONCE_CARRIED);
    for (unsigned i = 0; i < ONCE; i++)
        sample_expect_type("a send-once right's type", holding->once[i], MACH_PORT_TYPE_SEND_ONCE);
    sample_expect_type("the dead name's type", holding->dead, MACH_PORT_TYPE_DEAD_NAME);
    sample_expect_references("the dead name's references", holding->dead, MACH_PORT_RIGHT_DEAD_NAME,
                             DEAD_REFERENCES);
    sample_expect_type("the port set's type", holding->set, MACH_PORT_TYPE_PORT_SET);
    look_at_set(holding);
    look_at_queue(ports);
}

void guest_main(int argc, char **argv)
{
    static struct holding holding;
    sample_start(argc, argv);
    holding.ports.mailbox = sample_receive_right();
    sample_send_right(holding.ports.mailbox, SEND_REFERENCES);
    holding.ports.carried = sample_receive_right();
    holding.ports.queue = sample_receive_right();
    sample_send_right(holding.ports.queue, 1);
    sample_expect("limiting the queue",
                  (unsigned)mach_port_set_qlimit(sample_self, holding.ports.queue, QUEUE_LIMIT),
                  KERN_SUCCESS);
    make_set(&holding);
    holding.dead = make_dead();
    for (unsigned i = 0; i < ONCE; i++)
        holding.once[i] = make_once(holding.ports.mailbox);
    holder_queue(&holding.ports);
    holding.names = count_names();
    for (unsigned count = 1;; count++) {
        look(&holding);
        if (count % TURN == 0) {
            holder_take(&holding.ports);
            holder_queue(&holding.ports);
        }
        sample_count(count);
        sample_sleep(SAMPLE_WAIT);
    }
}
