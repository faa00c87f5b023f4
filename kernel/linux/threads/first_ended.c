/* first_ended.c: a process whose first thread has ended while others go on. It is part of it still:
 * by its name, and by what it ended with, which is the process's own end one day. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/foothold.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/threads/threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int linux_first_ended_record(const struct linux_pd *pd, struct recap_arena *arena,
                             struct recap_value *state, struct recap_error *error)
{
    enum { EXIT_CODE = 52 };
    char path[32], stat[2048], name[32];
    if (pd->task == pd->pid)
        return 0;
    snprintf(path, sizeof path, "task/%d/stat", pd->pid);
    ssize_t length = linux_procfs_read_into(pd->proc, path, stat, sizeof stat);
    const char *status = length < 0 ? NULL : linux_stat_field(stat, EXIT_CODE);
    snprintf(path, sizeof path, "task/%d/comm", pd->pid);
    if (length >= 0)
        length = linux_procfs_read_into(pd->proc, path, name, sizeof name);
    if (!status || length < 0)
        return recap_fail(error, length < 0 ? (int)length : -EBADMSG,
                          "reading how the first thread of process %d ended", pd->pid);
    name[length > 0 && name[length - 1] == '\n' ? length - 1 : length] = '\0';
    struct recap_value *record = recap_put_record(arena, state, "first_thread");
    recap_put_number(arena, record, "ended", strtol(status, NULL, 10));
    recap_put_text(arena, record, "name", name);
    return 0;
}

bool linux_first_ended(const struct recap_value *attributes)
{
    return recap_member(attributes, "first_thread") != NULL;
}

int linux_first_ended_set(struct linux_pd *pd, const struct recap_value *attributes,
                          struct recap_error *error)
{
    const struct recap_value *record = recap_member(attributes, "first_thread");
    const void *data;
    size_t length;
    int64_t status;
    char name[16] = "";
    if (recap_get_number(record, "ended", &status) < 0 || status & ~INT64_C(0xff00) ||
        recap_get_bytes(record, "name", &data, &length) < 0 || length >= sizeof name ||
        pd->thread_count < 2)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG,
                            "the end of the first thread is malformed");
    memcpy(name, data, length);
    __attribute__((cleanup(linux_steps_clear))) struct linux_steps *steps = linux_steps_new(pd, 0);
    if (!steps)
        return recap_fail(error, -ENOMEM, "ending the first thread");
    uint64_t at = linux_batch_put(linux_steps_batch(steps), name, sizeof name);
    linux_step(steps, "setting the name", SYS_prctl, PR_SET_NAME, at);
    int result = linux_steps_run(&steps, 1, error);
    return result ? result : linux_foothold_end_first(pd, (int)(status >> 8), error);
}
