/* segments.c: the local descriptor table of a process (modify_ldt(2)), which emulators of older
 * programs use. Kept as the processor has it, one descriptor of eight bytes for each segment. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"

#include <asm/ldt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum { READ = 0, WRITE = 0x11, TABLE = LDT_ENTRIES * LDT_ENTRY_SIZE };

void linux_segments_ask(const struct linux_reading *reading, struct linux_segments *asked)
{
    uint64_t first = linux_batch_put(reading->batch, NULL, LDT_ENTRY_SIZE);
    asked->any_call = linux_batch_call(reading->batch, SYS_modify_ldt, READ, first, LDT_ENTRY_SIZE);
}

static void free_batch(struct linux_batch **batch)
{
    linux_batch_free(*batch);
}

/* Answers in an int: the upper half of the register means nothing. */
static int result_of(const struct linux_batch *batch, size_t call)
{
    return (int)linux_batch_result(batch, call);
}

int linux_segments_record(const struct linux_reading *reading, const struct linux_segments *asked,
                          struct recap_value *state, struct recap_error *error)
{
    int any = result_of(reading->batch, asked->any_call);
    /* A kernel can be built without such tables. */
    if (any == 0 || any == -ENOSYS)
        return 0;
    if (any < 0)
        return recap_fail(error, any, "reading the local descriptor table");
    __attribute__((cleanup(free_batch))) struct linux_batch *batch =
        linux_batch_new(reading->pd, reading->thread);
    if (!batch)
        return recap_fail(error, -ENOMEM, "reading the local descriptor table");
    uint64_t table = linux_batch_put(batch, NULL, TABLE);
    size_t call = linux_batch_call(batch, SYS_modify_ldt, READ, table, TABLE);
    int result = linux_batch_run(batch, error);
    if (result < 0)
        return result;
    int size = result_of(batch, call);
    if (size < 0)
        return recap_fail(error, size, "reading the local descriptor table");
    const unsigned char *bytes = linux_batch_data(batch, table);
    while (size && !bytes[size - 1])
        size--;
    if (size)
        recap_put_bytes(reading->arena, state, "segments", bytes, (size_t)size);
    return 0;
}

/* What modify_ldt takes for a descriptor as the processor has it. */
static struct user_desc request_for(unsigned entry, uint64_t descriptor)
{
    unsigned type = descriptor >> 40 & 0xf;
    return (struct user_desc){
        .entry_number = entry,
        .base_addr = (unsigned)(descriptor >> 16 & 0xffffff) | (unsigned)(descriptor >> 56) << 24,
        .limit = (unsigned)(descriptor & 0xffff) | (unsigned)(descriptor >> 48 & 0xf) << 16,
        .seg_32bit = descriptor >> 54 & 1,
        .contents = type >> 2 & 3,
        .read_exec_only = !(type >> 1 & 1),
        .limit_in_pages = descriptor >> 55 & 1,
        .seg_not_present = !(descriptor >> 47 & 1),
        .useable = descriptor >> 52 & 1,
    };
}

int linux_segments_set(struct linux_steps *steps, const struct recap_value *want,
                       struct recap_error *error)
{
    const void *bytes;
    size_t size;
    int result = recap_get_bytes(want, "segments", &bytes, &size);
    if (result == -ENOENT)
        return 0;
    if (result < 0 || size > TABLE)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG,
                            "the local descriptor table is malformed");
    struct linux_batch *batch = linux_steps_batch(steps);
    for (size_t at = 0; at < size; at += LDT_ENTRY_SIZE) {
        uint64_t descriptor = 0;
        memcpy(&descriptor, (const char *)bytes + at,
               size - at < LDT_ENTRY_SIZE ? size - at : LDT_ENTRY_SIZE);
        if (!descriptor)
            continue;
        struct user_desc request = request_for((unsigned)(at / LDT_ENTRY_SIZE), descriptor);
        uint64_t there = linux_batch_put(batch, &request, sizeof request);
        linux_step(steps, "setting a segment of the local descriptor table", SYS_modify_ldt, WRITE,
                   there, sizeof request);
    }
    return 0;
}
