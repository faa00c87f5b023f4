/* main.c: the core task of a GNU Mach machine.
 *
 * The boot script starts it with the ports of the machine and of the tasks that it is to know:
 *     core $(core=task-create) host=${host-port} device=${device-port} kernel=${kernel-task}
 *          NAME=${TASK} ... $(task-resume)
 */
#include "core/server.h"
#include "kernel/mach/guest/serial.h"
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"

#include <mach/thread_switch.h>
#include <stdio.h>

void guest_main(int count, char **words);

static void say(const char *what)
{
    char line[640];
    snprintf(line, sizeof line, "core: %s\n", what);
    mach_print(line);
}

static void __attribute__((noreturn)) wait_for_ever(void)
{
    for (;;)
        thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1000);
}

void guest_main(int count, char **words)
{
    struct recap_error error = {0};
    struct recap_kernel *kernel;
    struct core_stream *line;
    if (mach_open(count - 1, words + 1, &kernel, &error) < 0) {
        say(error.what);
        wait_for_ever();
    }
    line = serial_open(mach_device_master(kernel), SERIAL_COM2);
    if (!line) {
        say("the kernel does not let core at the serial line");
        wait_for_ever();
    }
    say("ready");
    for (;;)
        core_serve(kernel, line, NULL);
}
