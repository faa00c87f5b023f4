/* run.c: running a batch: linking its entries, and reading back what came of them. */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Chunks that are transferred by one system call. */
#define TOGETHER 64

void linux_sequence_add(struct linux_sequence *sequence, struct linux_entry *entry,
                        uint64_t address)
{
    if (sequence->last)
        sequence->last->next = address;
    else
        sequence->first = address;
    sequence->last = entry;
}

struct linux_entry *linux_sequence_call(struct linux_sequence *sequence, long number,
                                        const uint64_t arguments[6], uint64_t *address)
{
    uint64_t where;
    struct linux_entry *entry = linux_batch_entry(sequence->batch, number, arguments, &where);
    if (!entry)
        return NULL;
    linux_sequence_add(sequence, entry, where);
    if (address)
        *address = where;
    return entry;
}

uint64_t linux_batch_own_id(const struct linux_batch *batch)
{
    return (uint64_t)batch->pd->threads[batch->thread].vtid;
}

void linux_sequence_copy(struct linux_sequence *sequence, uint64_t from, size_t size,
                         const uint64_t *to, size_t count)
{
    struct linux_batch *batch = sequence->batch;
    /* A process may read its own memory this way whatever else it may not do. */
    while (count > 0) {
        size_t part = count < IOV_MAX ? count : IOV_MAX;
        uint64_t iov = linux_batch_put(batch, NULL, 2 * part * sizeof(struct iovec));
        struct iovec *local = linux_batch_mirror(batch, iov);
        if (!local)
            return;
        for (size_t i = 0; i < part; i++) {
            local[i] = (struct iovec){(void *)to[i], size};
            local[part + i] = (struct iovec){(void *)from, size};
        }
        linux_sequence_call(sequence, SYS_process_vm_readv,
                            (const uint64_t[6]){linux_batch_own_id(batch), iov, part,
                                                iov + part * sizeof *local, part, 0},
                            NULL);
        to += part;
        count -= part;
    }
}

void linux_sequence_stop(struct linux_sequence *sequence)
{
    struct linux_pd *pd = sequence->batch->pd;
    const struct linux_thread *thread = &pd->threads[sequence->batch->thread];
    linux_sequence_call(sequence, SYS_tgkill,
                        (const uint64_t[6]){(uint64_t)pd->vpid, (uint64_t)thread->vtid,
                                            (uint64_t)thread->home->ending},
                        NULL);
}

static int transfer_chunk(struct linux_pd *pd, struct linux_chunk *chunk, bool write,
                          struct recap_error *error)
{
    return write ? linux_access_write(pd, chunk->address, chunk->bytes, chunk->used, error)
                 : linux_access_read(pd, chunk->address, chunk->bytes, chunk->used, error);
}

/* Some chunks at once where the kernel takes them so, one by one else. */
static int transfer_chunks(struct linux_pd *pd, struct linux_chunk *const *chunks, size_t count,
                           bool write, struct recap_error *error)
{
    struct iovec local[TOGETHER], remote[TOGETHER];
    ssize_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        local[i] = (struct iovec){chunks[i]->bytes, chunks[i]->used};
        remote[i] = (struct iovec){(void *)chunks[i]->address, chunks[i]->used};
        wanted += (ssize_t)chunks[i]->used;
    }
    ssize_t done = write ? process_vm_writev(pd->task, local, count, remote, count, 0)
                         : process_vm_readv(pd->task, local, count, remote, count, 0);
    int code = 0;
    for (size_t i = 0; done != wanted && code == 0 && i < count; i++)
        code = transfer_chunk(pd, chunks[i], write, error);
    return code;
}

int linux_batch_transfer(struct linux_batch *const *batches, size_t count, bool write,
                         struct recap_error *error)
{
    struct linux_chunk *together[TOGETHER];
    size_t used = 0;
    int code = 0;
    for (size_t i = 0; code == 0 && i < count; i++) {
        for (size_t k = 0; code == 0 && k < batches[i]->chunk_count; k++) {
            together[used++] = &batches[i]->chunks[k];
            if (used == TOGETHER) {
                code = transfer_chunks(batches[i]->pd, together, used, write, error);
                used = 0;
            }
        }
    }
    return code == 0 && used ? transfer_chunks(batches[0]->pd, together, used, write, error) : code;
}

/* Has results land in the arguments that take them: one directly, several by a copy. */
static void link_chains(struct linux_sequence *sequence, size_t from)
{
    struct linux_batch *batch = sequence->batch;
    struct linux_call *call = &batch->calls[from];
    uint64_t *places = calloc(call->chained, sizeof *places);
    size_t count = 0;
    if (!places) {
        recap_fail(&batch->error, -ENOMEM, "acting inside process %d", batch->pd->pid);
        return;
    }
    for (size_t i = 0; i < batch->chain_count; i++)
        if (batch->chains[i].from == from)
            places[count++] = batch->calls[batch->chains[i].to].address +
                              offsetof(struct linux_entry, arguments) +
                              (uint64_t)batch->chains[i].argument * 8;
    if (count == 1)
        call->entry->result = places[0];
    else
        linux_sequence_copy(sequence, call->address, 8, places, count);
    free(places);
}

/* The leader, or any thread of a created process, reads the entries itself. */
int linux_batch_run_entries(struct linux_batch *batch, struct recap_error *error)
{
    struct linux_pd *pd = batch->pd;
    struct linux_sequence sequence = {.batch = batch};
    struct linux_sending sending = {0};
    if (batch->token_count)
        linux_sending_before(&sequence, &sending);
    for (size_t i = 0; i < batch->call_count; i++) {
        linux_sequence_add(&sequence, batch->calls[i].entry, batch->calls[i].address);
        if (batch->calls[i].chained)
            link_chains(&sequence, i);
    }
    if (batch->token_count)
        linux_sending_after(&sequence);
    if (batch->error.code == 0 && !sequence.first)
        return 0;
    if (batch->thread != 0)
        linux_sequence_stop(&sequence);
    if (batch->error.code != 0) {
        if (error)
            *error = batch->error;
        return batch->error.code;
    }
    if (batch->thread == 0)
        sequence.last->next = linux_foothold_last(pd);
    int code = linux_batch_transfer(&batch, 1, true, error);
    if (code == 0)
        code = linux_foothold_run(pd, batch->thread, sequence.first, error);
    if (code == 0 && batch->token_count) {
        int sent = linux_sending_send(batch, &sending, error);
        code = linux_stop_run(pd, batch->thread, sent == 0 ? error : NULL);
        code = sent != 0 ? sent : code;
    }
    int back = linux_batch_transfer(&batch, 1, false, code == 0 ? error : NULL);
    if (back != 0)
        return code != 0 ? code : back;
    for (size_t i = 0; i < batch->call_count; i++) {
        const uint64_t *result = linux_batch_mirror(batch, batch->calls[i].entry->result);
        batch->calls[i].result = result ? (int64_t)*result : -EFAULT;
    }
    linux_sending_done(batch);
    return code;
}

int linux_batch_run(struct linux_batch *batch, struct recap_error *error)
{
    return linux_batch_run_all(&batch, 1, error);
}
