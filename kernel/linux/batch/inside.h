/* inside.h: the inside of a batch, shared by the file that builds it, the one that runs it and the
 * one that sends descriptors along. */
#ifndef RECAP_KERNEL_LINUX_BATCH_INSIDE_H
#define RECAP_KERNEL_LINUX_BATCH_INSIDE_H

#include "kernel/linux/batch/foothold.h"

struct linux_chunk {
    uint64_t address; /* in the target */
    size_t size;
    size_t used;
    uint8_t *bytes; /* its mirror; never moves */
};

struct linux_call {
    long number;
    struct linux_entry *entry; /* in the mirror */
    uint64_t address;
    size_t chained; /* how many later arguments take its result */
    int64_t result;
};

struct linux_chain {
    size_t from, to;
    int argument;
};

struct linux_token {
    int fd;      /* ours */
    int arrived; /* the target's number for it */
    bool keep;
    uint64_t landing; /* where the target's number is written */
    struct linux_entry *close;
    uint64_t closing; /* address of that entry */
};

struct linux_use {
    size_t token, call;
    int argument;
};

struct linux_batch {
    struct linux_pd *pd;
    size_t thread;
    bool only_asks;
    bool differs;             /* was told otherwise than the leader */
    struct recap_error error; /* the first that happened while it was built */
    struct linux_chunk *chunks;
    size_t chunk_count, chunk_room;
    struct linux_call *calls;
    size_t call_count, call_room;
    struct linux_chain *chains;
    size_t chain_count, chain_room;
    struct linux_token *tokens;
    size_t token_count, token_room;
    struct linux_use *uses;
    size_t use_count, use_room;
};

/* The place in the mirror of an address that the batch owns, or NULL. */
void *linux_batch_mirror(const struct linux_batch *batch, uint64_t address);
/* Copies the memory of batches of one process into the target, or back. */
int linux_batch_transfer(struct linux_batch *const *batches, size_t count, bool write,
                         struct recap_error *error);
/* Who the thread is that runs it, to itself: by the number of its process it could not read its own
 * memory when the first thread has ended. */
uint64_t linux_batch_own_id(const struct linux_batch *batch);
/* Runs a batch of the leader, or of any thread of a created process: it reads the entries itself.
 */
int linux_batch_run_entries(struct linux_batch *batch, struct recap_error *error);
/* An entry besides those of the calls. Its result lands in itself. NULL: out of memory. */
struct linux_entry *linux_batch_entry(struct linux_batch *batch, long number,
                                      const uint64_t arguments[6], uint64_t *address);

/* Entries under construction: each is linked behind the one before. */
struct linux_sequence {
    struct linux_batch *batch;
    uint64_t first;
    struct linux_entry *last;
};

void linux_sequence_add(struct linux_sequence *sequence, struct linux_entry *entry,
                        uint64_t address);
/* Appends a call of the batch's own. Returns its entry, NULL when out of memory. */
struct linux_entry *linux_sequence_call(struct linux_sequence *sequence, long number,
                                        const uint64_t arguments[6], uint64_t *address);
/* Appends a call that copies `size` bytes at `from` to each of `count` addresses. */
void linux_sequence_copy(struct linux_sequence *sequence, uint64_t from, size_t size,
                         const uint64_t *to, size_t count);

/* Appends a stop call. */
void linux_sequence_stop(struct linux_sequence *sequence);

/* --- send.c ----------------------------------------------------------------------------------- */

/* What receives the descriptors before the calls, and what closes them after. */
struct linux_sending {
    uint64_t number; /* address of the socket's number in the target */
};
void linux_sending_before(struct linux_sequence *sequence, struct linux_sending *sending);
void linux_sending_after(struct linux_sequence *sequence);
/* While the target stands at the stop in between: sends them. */
int linux_sending_send(struct linux_batch *batch, struct linux_sending *sending,
                       struct recap_error *error);
/* After the run: notes the numbers. */
void linux_sending_done(struct linux_batch *batch);

#endif
