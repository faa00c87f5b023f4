/* batch.c: remote system calls in batches.
 *
 * Entries and data are kept in a mirror of the chunks of target memory that a batch takes, so the
 * addresses that its caller sees are those of the target, and a run is one write, one stop, one
 * read.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/batch/inside.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define FIRST_CHUNK 512

static void fail(struct linux_batch *batch, int code)
{
    if (batch->error.code == 0)
        recap_fail(&batch->error, code, "acting inside process %d", batch->pd->pid);
}

struct linux_batch *linux_batch_new(struct linux_pd *pd, size_t thread)
{
    struct linux_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return NULL;
    batch->pd = pd;
    batch->thread = thread;
    if (linux_foothold_stand(pd, &batch->error) == 0)
        pd->foothold->batches++;
    return batch;
}

void linux_batch_free(struct linux_batch *batch)
{
    if (!batch)
        return;
    if (batch->pd->foothold && batch->pd->foothold->batches > 0)
        batch->pd->foothold->batches--;
    for (size_t i = 0; i < batch->chunk_count; i++)
        free(batch->chunks[i].bytes);
    free(batch->chunks);
    free(batch->calls);
    free(batch->chains);
    free(batch->tokens);
    free(batch->uses);
    free(batch);
}

/* Makes room for one more item of an array. */
static void *grow(struct linux_batch *batch, void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    size_t wanted = *room ? *room * 2 : 16;
    void *grown = reallocarray(items, wanted, size);
    if (!grown) {
        fail(batch, -ENOMEM);
        return NULL;
    }
    *room = wanted;
    return grown;
}

#define GROW(batch, items, count, room)                                                            \
    (__extension__({                                                                               \
        void *grown_ =                                                                             \
            grow(batch, (batch)->items, (batch)->count, &(batch)->room, sizeof *(batch)->items);   \
        if (grown_)                                                                                \
            (batch)->items = grown_;                                                               \
        grown_ != NULL;                                                                            \
    }))

static struct linux_chunk *add_chunk(struct linux_batch *batch, size_t size)
{
    size_t wanted = FIRST_CHUNK;
    if (batch->chunk_count)
        wanted = batch->chunks[batch->chunk_count - 1].size * 2;
    if (wanted < size)
        wanted = size;
    if (!GROW(batch, chunks, chunk_count, chunk_room))
        return NULL;
    struct linux_chunk *chunk = &batch->chunks[batch->chunk_count];
    *chunk = (struct linux_chunk){.bytes = calloc(1, wanted), .size = wanted};
    if (!chunk->bytes) {
        fail(batch, -ENOMEM);
        return NULL;
    }
    if (linux_foothold_take(batch->pd, wanted, &chunk->address, &batch->error) != 0) {
        free(chunk->bytes);
        return NULL;
    }
    batch->chunk_count++;
    return chunk;
}

/* Room in the target and in its mirror. NULL after an error, which stays in the batch. */
static void *take(struct linux_batch *batch, size_t size, uint64_t *address)
{
    if (batch->error.code != 0)
        return NULL;
    size = (size + 15) & ~(size_t)15;
    struct linux_chunk *chunk = batch->chunk_count ? &batch->chunks[batch->chunk_count - 1] : NULL;
    if (!chunk || chunk->size - chunk->used < size)
        chunk = add_chunk(batch, size);
    if (!chunk)
        return NULL;
    void *room = chunk->bytes + chunk->used;
    *address = chunk->address + chunk->used;
    chunk->used += size;
    return room;
}

uint64_t linux_batch_put(struct linux_batch *batch, const void *data, size_t length)
{
    uint64_t address = 0;
    if (!batch)
        return 0;
    void *room = take(batch, length ? length : 1, &address);
    if (room && data)
        memcpy(room, data, length);
    return address;
}

void *linux_batch_mirror(const struct linux_batch *batch, uint64_t address)
{
    for (size_t i = 0; i < batch->chunk_count; i++)
        if (address - batch->chunks[i].address < batch->chunks[i].used)
            return batch->chunks[i].bytes + (address - batch->chunks[i].address);
    return NULL;
}

struct linux_entry *linux_batch_entry(struct linux_batch *batch, long number,
                                      const uint64_t arguments[6], uint64_t *address)
{
    struct linux_entry *entry = take(batch, sizeof *entry, address);
    if (!entry)
        return NULL;
    entry->number = (uint64_t)number;
    memcpy(entry->arguments, arguments, sizeof entry->arguments);
    entry->result = *address;
    return entry;
}

size_t linux_batch_append(struct linux_batch *batch, long number, const uint64_t arguments[6])
{
    if (!batch || batch->error.code != 0 || !GROW(batch, calls, call_count, call_room))
        return 0;
    struct linux_call *call = &batch->calls[batch->call_count];
    *call = (struct linux_call){.number = number, .result = -ENOSYS};
    call->entry = linux_batch_entry(batch, number, arguments, &call->address);
    if (!call->entry)
        return 0;
    return batch->call_count++;
}

void linux_batch_only_asks(struct linux_batch *batch)
{
    if (batch)
        batch->only_asks = true;
}

void linux_batch_chain(struct linux_batch *batch, size_t from, size_t to, int argument)
{
    if (!batch || batch->error.code != 0)
        return;
    if (from >= to || to >= batch->call_count || argument < 0 || argument > 5) {
        fail(batch, -EINVAL);
        return;
    }
    if (!GROW(batch, chains, chain_count, chain_room))
        return;
    batch->chains[batch->chain_count++] =
        (struct linux_chain){.from = from, .to = to, .argument = argument};
    batch->calls[from].chained++;
}

size_t linux_batch_send_fd(struct linux_batch *batch, int fd)
{
    if (!batch || batch->error.code != 0 || !GROW(batch, tokens, token_count, token_room))
        return 0;
    batch->tokens[batch->token_count] = (struct linux_token){.fd = fd, .arrived = -1};
    return batch->token_count++;
}

void linux_batch_use_fd(struct linux_batch *batch, size_t token, size_t call, int argument)
{
    if (!batch || batch->error.code != 0)
        return;
    if (token >= batch->token_count || call >= batch->call_count || argument < 0 || argument > 5) {
        fail(batch, -EINVAL);
        return;
    }
    if (GROW(batch, uses, use_count, use_room))
        batch->uses[batch->use_count++] =
            (struct linux_use){.token = token, .call = call, .argument = argument};
}

void linux_batch_keep_fd(struct linux_batch *batch, size_t token)
{
    if (batch && token < batch->token_count)
        batch->tokens[token].keep = true;
}

int linux_batch_arrived(const struct linux_batch *batch, size_t token)
{
    return token < batch->token_count ? batch->tokens[token].arrived : -1;
}

int64_t linux_batch_result(const struct linux_batch *batch, size_t call)
{
    if (!batch || call >= batch->call_count)
        return -ENOMEM;
    return batch->calls[call].result;
}

const void *linux_batch_data(const struct linux_batch *batch, uint64_t address)
{
    return batch ? linux_batch_mirror(batch, address) : NULL;
}

int linux_batch_check(const struct linux_batch *batch, size_t call, const char *what,
                      struct recap_error *error)
{
    int64_t result = linux_batch_result(batch, call);
    /* The kernel returns errors in this range and nothing else there. */
    if (result < 0 && result >= -4095)
        return recap_fail(error, (int)result, "%s in process %d", what, batch ? batch->pd->pid : 0);
    return 0;
}
