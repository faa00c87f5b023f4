/* signals.h: how the kernel lays out what it says about signals. */
#ifndef RECAP_KERNEL_LINUX_THREADS_SIGNALS_H
#define RECAP_KERNEL_LINUX_THREADS_SIGNALS_H

#include <stdint.h>

enum {
    LINUX_SIGNALS = 64,
    /* Of a siginfo with SI_TIMER: where the kernel keeps a number of its own. */
    LINUX_SIGINFO_TIMER_PRIVATE = 32,
};

/* The kernel's own struct sigaction, unlike the C library's. */
struct linux_action {
    uint64_t handler;
    uint64_t flags;
    uint64_t restorer;
    uint64_t mask;
};

#endif
