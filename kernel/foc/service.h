/* service.h: what a component may ask core for, through the session of each of its threads.
 *
 * A call to the session's selector with the message tag's label FOC_SERVICE and, in the message
 * registers, the number of the function and its arguments. The answer's label is 0 or a negative
 * errno. Selectors are plain indices. Whatever core makes comes without the rights by which a
 * component could change what core knows of it: a gate's server right, a thread's special right.
 */
#ifndef RECAP_FOC_SERVICE_H
#define RECAP_FOC_SERVICE_H

enum { FOC_SERVICE = 0x5e55 };

/* The kernel keeps the low bits of a gate's label for the rights of the sender. */
enum { FOC_LABEL_STEP = 16 };

/* Selectors that every component starts with. */
enum {
    FOC_SELECTOR_THREAD = 3,
    FOC_SELECTOR_SESSION = 4,
    FOC_SELECTOR_LOG = 5,
    FOC_SELECTOR_FREE = 16, /* the first that is the component's own */
};

enum foc_function {
    FOC_MAKE_GATE = 1,  /* selector, thread's selector, label: bound to that thread */
    FOC_MAKE_IRQ,       /* selector, thread's selector, label */
    FOC_MAKE_SEMAPHORE, /* selector, count */
    FOC_MAKE_THREAD,    /* selector, selector of its session, ip, sp, priority */
    FOC_MAKE_MEMORY,    /* selector, bytes */
    FOC_ATTACH,         /* selector of memory, address: the whole of it, to read and write */
    FOC_RESERVE,        /* address, bytes: a new anonymous region */
    FOC_PUBLISH,        /* selector, name in the following words */
    FOC_FIND,           /* selector for it, name in the following words; -ENOENT: not there yet */
    FOC_EXIT,           /* ends the component */
};

#endif
