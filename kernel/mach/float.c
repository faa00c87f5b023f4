/* float.c: floating-point registers into a thread.
 *
 * thread_set_state takes them, but this kernel does not mark what it took as valid, and the thread
 * finds its registers cleared when it first uses them. So the thread loads them itself, before it
 * gets its own registers: from a page that its task has for that moment.
 */
#include "kernel/mach/guest/traps.h"
#include "kernel/mach/mach.h"
#include "mach.user.h"

#include <errno.h>
#include <mach/thread_status.h>
#include <string.h>

enum {
    PAGE = 4096,
    STATE = 512,
    STATE_SIZE = 108,
    DONE = 1024,
    STACK = PAGE - 64,
    PATIENCE = 100000
};

/* With the page's address in ebx:
 *     frstor STATE(%ebx); movl $1, DONE(%ebx); pushl $0; pushl $0; 1: movl $-59, %eax;
 *     lcall $7, $0; jmp 1b
 * The last is swtch_pri: others run until the thread is stopped. */
static const unsigned char code[] = {
    0xdd, 0xa3, STATE & 0xff, STATE >> 8, 0,    0,                   /* frstor */
    0xc7, 0x83, DONE & 0xff,  DONE >> 8,  0,    0,    1,    0, 0, 0, /* movl */
    0x6a, 0x00, 0x6a,         0x00,                                  /* pushl, pushl */
    0xb8, 0xc5, 0xff,         0xff,       0xff,                      /* movl */
    0x9a, 0x00, 0x00,         0x00,       0x00, 0x07, 0x00,          /* lcall */
    0xeb, 0xf2,                                                      /* jmp */
};

/* Lets the thread, and nothing else of its task, run until it has loaded them. */
static int run(struct mach_pd *pd, mach_port_t thread, vm_address_t page, struct recap_error *error)
{
    unsigned done = 0;
    int result = 0;
    kern_return_t why = thread_resume(thread);
    if (why == KERN_SUCCESS)
        why = task_resume(pd->task);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "running a new thread");
    for (unsigned i = 0; result == 0 && !done && i < PATIENCE; i++) {
        swtch_pri(0);
        result = mach_read(&pd->pd, page + DONE, &done, sizeof done, error);
    }
    task_suspend(pd->task);
    thread_suspend(thread);
    thread_abort(thread);
    return result || done ? result : recap_fail(error, -ETIMEDOUT, "loading registers");
}

int mach_load_float(struct mach_pd *pd, mach_port_t thread, const void *state,
                    struct recap_error *error)
{
    struct i386_thread_state registers;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    unsigned char content[STATE + STATE_SIZE] = {0};
    vm_address_t page = 0;
    kern_return_t why =
        thread_get_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&registers, &count);
    if (why == KERN_SUCCESS)
        why = vm_allocate(pd->task, &page, PAGE, TRUE);
    if (why != KERN_SUCCESS)
        return mach_fail(error, why, "loading registers");
    memcpy(content, code, sizeof code);
    memcpy(content + STATE, state, STATE_SIZE);
    int result = mach_write(&pd->pd, page, content, sizeof content, error);
    registers.ebx = registers.eip = page;
    registers.uesp = page + STACK;
    if (result == 0) {
        why = thread_set_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&registers, count);
        result = why == KERN_SUCCESS ? run(pd, thread, page, error)
                                     : mach_fail(error, why, "loading registers");
    }
    vm_deallocate(pd->task, page, PAGE);
    return result;
}
