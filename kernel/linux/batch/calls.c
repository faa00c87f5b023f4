/* calls.c: many remote system calls that all have to succeed, and what each was for. */
#include "kernel/linux/batch/calls.h"
#include "kernel/linux/batch/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* So many calls and descriptors make one batch: few stops, and memory that stays small. */
enum { CALLS = 1024, ROOM = 64, DESCRIPTORS = 200 };

struct linux_wanted {
    size_t index;
    uint64_t expected;
    uint64_t address;
    uint64_t length;
    const char *what;
};

struct linux_sent {
    uint64_t key;
    size_t token;
    int fd;
};

static int out_of_memory(struct linux_calls *calls)
{
    return recap_fail(calls->error, -ENOMEM, "rebuilding the memory of PID %lld",
                      (long long)calls->pd->base.id);
}

int linux_calls_start(struct linux_calls *calls)
{
    if (calls->batch && (calls->count + ROOM > CALLS || calls->sent_count >= DESCRIPTORS)) {
        int result = linux_calls_run(calls);
        if (result < 0)
            return result;
    }
    if (!calls->batch)
        calls->batch = linux_batch_new(calls->pd, 0);
    if (!calls->batch)
        return out_of_memory(calls);
    if (calls->room < calls->count + ROOM) {
        size_t room = calls->room + CALLS;
        void *more = reallocarray(calls->items, room, sizeof *calls->items);
        if (!more)
            return out_of_memory(calls);
        calls->items = more;
        calls->room = room;
    }
    return 0;
}

size_t linux_calls_add(struct linux_calls *calls, const char *what, uint64_t address,
                       uint64_t length, uint64_t expected, long number, const uint64_t arguments[6])
{
    size_t index = linux_batch_append(calls->batch, number, arguments);
    calls->items[calls->count++] = (struct linux_wanted){
        .index = index, .expected = expected, .address = address, .length = length, .what = what};
    return index;
}

static const struct linux_sent *sent_with(const struct linux_calls *calls, uint64_t key)
{
    /* Neighbouring regions map the same file: the latest is the likeliest. */
    for (size_t i = calls->sent_count; i > 0; i--)
        if (calls->sent[i - 1].key == key)
            return &calls->sent[i - 1];
    return NULL;
}

bool linux_calls_has_fd(const struct linux_calls *calls, uint64_t key)
{
    return sent_with(calls, key) != NULL;
}

int linux_calls_use_fd(struct linux_calls *calls, uint64_t key, int fd, size_t call, int argument)
{
    const struct linux_sent *sent = sent_with(calls, key);
    if (!sent) {
        if (calls->sent_count == calls->sent_room) {
            size_t room = calls->sent_room + DESCRIPTORS;
            void *more = reallocarray(calls->sent, room, sizeof *calls->sent);
            if (!more) {
                close(fd);
                return out_of_memory(calls);
            }
            calls->sent = more;
            calls->sent_room = room;
        }
        calls->sent[calls->sent_count] = (struct linux_sent){
            .key = key, .token = linux_batch_send_fd(calls->batch, fd), .fd = fd};
        sent = &calls->sent[calls->sent_count++];
    }
    linux_batch_use_fd(calls->batch, sent->token, call, argument);
    return 0;
}

static int check(struct linux_calls *calls, const struct linux_wanted *call)
{
    int64_t got = linux_batch_result(calls->batch, call->index);
    if ((uint64_t)got == call->expected)
        return 0;
    int code = got < 0 && got > -4096 ? (int)got : -EIO;
    return recap_fail(calls->error, code, "%s memory from 0x%llx to 0x%llx", call->what,
                      (unsigned long long)call->address,
                      (unsigned long long)(call->address + call->length));
}

static void forget(struct linux_calls *calls)
{
    linux_batch_free(calls->batch);
    calls->batch = NULL;
    calls->count = 0;
    for (size_t i = 0; i < calls->sent_count; i++)
        close(calls->sent[i].fd);
    calls->sent_count = 0;
}

int linux_calls_run(struct linux_calls *calls)
{
    if (!calls->batch)
        return 0;
    int result = linux_batch_run(calls->batch, calls->error);
    for (size_t i = 0; result == 0 && i < calls->count; i++)
        result = check(calls, &calls->items[i]);
    forget(calls);
    return result;
}

void linux_calls_clear(struct linux_calls *calls)
{
    forget(calls);
    free(calls->items);
    free(calls->sent);
    *calls = (struct linux_calls){.pd = calls->pd, .error = calls->error};
}
