/* traps.h: the kernel's traps; mach_msg_trap is in <mach/message.h>. */
#ifndef RECAP_MACH_GUEST_TRAPS_H
#define RECAP_MACH_GUEST_TRAPS_H

#include <mach/message.h>
#include <mach/std_types.h>

mach_port_t mach_reply_port(void);
mach_port_t mach_thread_self(void);
/* Each call of the trap adds a user reference to the name: the other asks once. */
mach_port_t task_self_trap(void);
mach_port_t mach_task_self(void);
mach_port_t mach_host_self(void);
void mach_print(const char *text);
/* Lets others run: at once, for a time. */
boolean_t swtch_pri(int priority);
kern_return_t thread_switch(mach_port_t thread, int option, mach_msg_timeout_t milliseconds);

#endif
