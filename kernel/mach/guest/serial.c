/* serial.c: the serial line on which core talks to its client.
 *
 * Core drives the UART (a 16550) itself. The kernel's driver is not eight-bit clean (of two escape
 * bytes in a row it keeps one), drops what comes while its queue is full, and holds input back for
 * two clock ticks. Here the UART is asked: while the client is at it without a pause, and later
 * once a tick, so that an idle core costs nothing.
 */
#include "kernel/mach/guest/serial.h"
#include "kernel/mach/guest/traps.h"
#include "mach_i386.user.h"

#include <errno.h>
#include <mach/thread_switch.h>
#include <stdlib.h>

/* Registers of the UART, from its first port. */
enum { DATA = 0, INTERRUPTS = 1, FIFO = 2, LINE = 3, MODEM = 4, STATUS = 5, PORTS = 8 };
enum { STATUS_READY = 0x01, STATUS_EMPTY = 0x20 };
enum { LINE_EIGHT_BITS = 0x03, LINE_DIVISOR = 0x80 };
enum { FIFO_ON = 0xc7, FIFO_SIZE = 16, MODEM_ON = 0x03 };

/* How often an empty line is asked before core sleeps between questions. */
enum { PATIENCE = 20000 };
/* And how often for one more byte. */
enum { EAGERNESS = 200 };

struct serial {
    struct core_stream stream;
    unsigned short port;
};

static unsigned char in(unsigned short port)
{
    unsigned char value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
    return value;
}

static void out(unsigned short port, unsigned char value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

static ssize_t serial_read(struct core_stream *stream, void *buffer, size_t size)
{
    const struct serial *serial = (const struct serial *)(void *)stream;
    unsigned char *to = buffer;
    size_t got = 0;
    for (unsigned asked = 0; !(in(serial->port + STATUS) & STATUS_READY); asked++)
        if (asked < PATIENCE)
            swtch_pri(0);
        else
            thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1);
    /* The line gives the next few bytes soon: it is cheaper to wait for them here. */
    for (unsigned asked = 0; got < size && asked < EAGERNESS; asked++)
        if (in(serial->port + STATUS) & STATUS_READY) {
            to[got++] = in(serial->port + DATA);
            asked = 0;
        }
    return (ssize_t)got;
}

static int serial_write(struct core_stream *stream, const void *buffer, size_t size)
{
    const struct serial *serial = (const struct serial *)(void *)stream;
    const unsigned char *from = buffer;
    while (size) {
        while (!(in(serial->port + STATUS) & STATUS_EMPTY))
            swtch_pri(0);
        for (unsigned i = 0; size && i < FIFO_SIZE; i++, size--)
            out(serial->port + DATA, *from++);
    }
    return 0;
}

struct core_stream *serial_open(mach_port_t master, unsigned short port)
{
    mach_port_t permission;
    if (i386_io_perm_create(master, port, port + PORTS - 1, &permission) != KERN_SUCCESS ||
        i386_io_perm_modify(mach_task_self(), permission, TRUE) != KERN_SUCCESS)
        return NULL;
    struct serial *serial = calloc(1, sizeof *serial);
    if (!serial)
        return NULL;
    *serial = (struct serial){{.read = serial_read, .write = serial_write}, port};
    out(port + INTERRUPTS, 0);
    out(port + LINE, LINE_EIGHT_BITS | LINE_DIVISOR);
    out(port + DATA, 1);
    out(port + INTERRUPTS, 0);
    out(port + LINE, LINE_EIGHT_BITS);
    out(port + FIFO, FIFO_ON);
    out(port + MODEM, MODEM_ON);
    return &serial->stream;
}
