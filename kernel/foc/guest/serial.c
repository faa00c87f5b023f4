/* serial.c: a 16550 at 0x2f8: interrupts say when something came, bytes are moved by hand. */
#include "serial.h"

#include <errno.h>
#include <l4/re/env.h>
#include <l4/sys/factory.h>
#include <l4/sys/icu.h>
#include <l4/sys/irq.h>
#include <l4/sys/rcv_endpoint.h>
#include <l4/util/port_io.h>
#include <stdlib.h>

enum {
    PORT = 0x2f8,
    PORTS_ORDER = 3,
    INTERRUPT = 3,
    DATA = PORT,
    INTERRUPTS = PORT + 1,
    FIFO = PORT + 2,
    LINE = PORT + 3,
    MODEM = PORT + 4,
    STATUS = PORT + 5,
};
enum { RECEIVED = 0x01, EMPTY = 0x20 };
enum { FIFO_SIZE = 16 }; /* bytes of the FIFO */
enum { PAUSE_US = 2000, SILENT_US = 30 * 1000 * 1000 };

struct serial {
    struct core_stream base;
    struct foc *foc;
    l4_cap_idx_t interrupt;
};

static ssize_t receive(struct core_stream *stream, void *buffer, size_t size)
{
    struct serial *serial = (struct serial *)stream;
    uint8_t *to = buffer;
    size_t got = 0;
    for (unsigned silent = 0; silent < SILENT_US;) {
        while (got < size && (l4util_in8(STATUS) & RECEIVED))
            to[got++] = l4util_in8(DATA);
        if (got)
            return (ssize_t)got;
        if (serial->foc->interrupt) {
            serial->foc->interrupt = false;
            l4_irq_unmask(serial->interrupt);
        }
        foc_reap(serial->foc);
        silent += foc_serve(serial->foc, PAUSE_US) ? 0 : PAUSE_US;
    }
    return -ETIMEDOUT;
}

static int transmit(struct core_stream *stream, const void *buffer, size_t size)
{
    struct serial *serial = (struct serial *)stream;
    const uint8_t *from = buffer;
    unsigned waited = 0;
    for (size_t sent = 0; sent < size;) {
        if (l4util_in8(STATUS) & EMPTY) {
            for (unsigned i = 0; i < FIFO_SIZE && sent < size; i++)
                l4util_out8(from[sent++], DATA);
            waited = 0;
        } else if (!foc_serve(serial->foc, PAUSE_US) && (waited += PAUSE_US) > SILENT_US) {
            return -ETIMEDOUT;
        }
    }
    return 0;
}

/* The interrupt only shortens waiting: without it the line is looked at in turns. */
static void attach(struct serial *serial)
{
    l4_cap_idx_t icu = l4re_env_get_cap("icu");
    serial->interrupt = foc_selector();
    if (icu == L4_INVALID_CAP ||
        l4_msgtag_label(l4_factory_create_irq(serial->foc->factory, serial->interrupt)) < 0)
        return;
    l4_rcv_ep_bind_thread(serial->interrupt, l4re_env()->main_thread, FOC_INTERRUPT);
    if (l4_msgtag_label(l4_icu_bind(icu, INTERRUPT, serial->interrupt)) >= 0)
        l4_irq_unmask(serial->interrupt);
}

struct core_stream *serial_open(struct foc *foc)
{
    struct serial *serial = calloc(1, sizeof *serial);
    l4_cap_idx_t sigma0 = l4re_env_get_cap("sigma0");
    if (!serial || sigma0 == L4_INVALID_CAP || l4util_ioport_map(sigma0, PORT, PORTS_ORDER) < 0) {
        free(serial);
        return NULL;
    }
    *serial = (struct serial){.base = {.read = receive, .write = transmit}, .foc = foc};
    l4util_out8(0x00, INTERRUPTS);
    l4util_out8(0x80, LINE); /* the divisor: 115200 */
    l4util_out8(0x01, DATA);
    l4util_out8(0x00, INTERRUPTS);
    l4util_out8(0x03, LINE); /* 8 bits, no parity */
    l4util_out8(0x07, FIFO); /* on and empty; an interrupt for each byte */
    l4util_out8(0x0b, MODEM);
    attach(serial);
    l4util_out8(0x01, INTERRUPTS);
    return &serial->base;
}
