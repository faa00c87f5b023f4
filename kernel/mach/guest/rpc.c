/* rpc.c: what the stubs that MIG makes want, for tasks of which one thread calls the kernel. */
#include "kernel/mach/guest/traps.h"
#include "mach.user.h"

#include <mach/mig_support.h>

static mach_port_t reply_port;

mach_port_t mach_task_self(void)
{
    static mach_port_t self;
    if (!self)
        self = task_self_trap();
    return self;
}

mach_port_t mig_get_reply_port(void)
{
    if (!reply_port)
        reply_port = mach_reply_port();
    return reply_port;
}

/* After a reply that went wrong: what comes late must not be taken for another's. */
void mig_dealloc_reply_port(mach_port_t port)
{
    if (port == reply_port)
        reply_port = MACH_PORT_NULL;
}

void mig_put_reply_port(mach_port_t port)
{
    (void)port;
}

vm_size_t mig_strncpy(char *to, const char *from, vm_size_t size)
{
    vm_size_t length = strnlen(from, size - 1);
    memcpy(to, from, length);
    memset(to + length, 0, size - length);
    return length;
}

mach_msg_return_t mach_msg(mach_msg_header_t *message, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t receive_size,
                           mach_port_t receive_name, mach_msg_timeout_t timeout, mach_port_t notify)
{
    return mach_msg_trap(message, option, send_size, receive_size, receive_name, timeout, notify);
}

void mig_allocate(vm_address_t *address, vm_size_t size)
{
    *address = 0;
    vm_allocate(mach_task_self(), address, size, TRUE);
}

void mig_deallocate(vm_address_t address, vm_size_t size)
{
    vm_deallocate(mach_task_self(), address, size);
}
