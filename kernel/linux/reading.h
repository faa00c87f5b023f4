/* reading.h: one thread whose state is read, one concern per file.
 *
 * Reading has two steps, so that one batch per thread serves all concerns: *_ask appends remote
 * calls, and *_record, after the run, writes their answers into a state. Setting always compares:
 * the new process is read by the same code (`have`), and only what differs from the image (`want`)
 * is set, so that nothing asks for a privilege that it does not need.
 *
 * Answers (and so states of live processes) are trusted; what comes from an image is not.
 */
#ifndef RECAP_KERNEL_LINUX_READING_H
#define RECAP_KERNEL_LINUX_READING_H

#include "kernel/linux/batch/batch.h"

/* One thread that is being read. */
struct linux_reading {
    struct linux_pd *pd;
    size_t thread; /* index into pd->threads */
    struct recap_arena *arena;
    struct linux_batch *batch;
    const char *status; /* /proc/PID/task/TID/status */
};

#endif
