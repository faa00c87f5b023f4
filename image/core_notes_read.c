/* core_notes_read.c: registers from the notes of a core file that comes from outside. */
#include "image/checksum.h"
#include "image/core_layout.h"
#include "image/core_notes.h"

#include <errno.h>
#include <string.h>
#include <sys/procfs.h>

#define WRONG(error, ...) recap_refuse(error, RECAP_DAMAGED, -EINVAL, __VA_ARGS__)

struct note {
    const char *owner;
    size_t owner_size; /* its NUL included */
    uint32_t type;
    const unsigned char *data;
    size_t size;
};

struct reading {
    struct recap_graph *graph;
    struct recap_pd_image *pd;
    size_t threads;              /* whose status was read */
    const unsigned char *legacy; /* the legacy part of the thread at hand's extended registers */
    struct recap_error *error;
};

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

/* Takes the note at the front of `*at`; false when what is left is no whole note. */
static bool take_note(const unsigned char **at, size_t *left, struct note *note)
{
    Elf64_Nhdr header;
    if (*left < sizeof header)
        return false;
    memcpy(&header, *at, sizeof header);
    size_t owner = padded(header.n_namesz), data = padded(header.n_descsz);
    if (owner > *left - sizeof header || data > *left - sizeof header - owner)
        return false;
    *note = (struct note){.owner = (const char *)*at + sizeof header,
                          .owner_size = header.n_namesz,
                          .type = header.n_type,
                          .data = *at + sizeof header + owner,
                          .size = header.n_descsz};
    *at += sizeof header + owner + data;
    *left -= sizeof header + owner + data;
    return true;
}

static bool is(const struct note *note, const char *owner, uint32_t type)
{
    return note->type == type && note->owner_size == strlen(owner) + 1 &&
           memcmp(note->owner, owner, note->owner_size) == 0;
}

int core_notes_check_tie(const void *tail, size_t size, uint64_t graph_checksum,
                         struct recap_error *error)
{
    size_t tie = core_notes_tie_size();
    struct note note;
    uint64_t sums[2];
    if (size < tie)
        return WRONG(error, "its notes are cut short");
    const unsigned char *at = (const unsigned char *)tail + size - tie;
    if (!take_note(&at, &tie, &note) || !is(&note, CORE_NOTE_OWNER, CORE_NOTE_TIE) ||
        note.size != sizeof sums)
        return WRONG(error, "its last note is damaged");
    memcpy(sums, note.data, sizeof sums);
    if (sums[1] != image_checksum(tail, size - sizeof sums[1]))
        return WRONG(error, "its program headers or notes are damaged");
    if (sums[0] != graph_checksum)
        return WRONG(error, "it belongs to another graph.json");
    return 0;
}

static int copy(struct reading *reading, const void *data, size_t size, const void **to,
                size_t *length)
{
    void *copied = recap_arena_copy(reading->graph->arena, data, size);
    if (!copied)
        return recap_fail(reading->error, -ENOMEM, "reading registers");
    *to = copied;
    *length = size;
    return 0;
}

static int read_status(struct reading *reading, const struct note *note)
{
    struct elf_prstatus status;
    if (note->size != sizeof status)
        return WRONG(reading->error, "a thread's status note has another size");
    memcpy(&status, note->data, sizeof status);
    if (reading->threads == reading->pd->thread_count)
        return WRONG(reading->error, "it has more threads than the graph");
    struct recap_thread *thread = &reading->pd->threads[reading->threads];
    if (status.pr_pid != (pid_t)thread->id)
        return WRONG(reading->error, "its thread %d is not the graph's thread %llu", status.pr_pid,
                     (unsigned long long)thread->id);
    reading->threads++;
    reading->legacy = NULL;
    return copy(reading, &status.pr_reg, sizeof status.pr_reg, &thread->registers,
                &thread->registers_length);
}

/* A note about the thread whose status came last. */
static int read_registers(struct reading *reading, const struct note *note)
{
    if (!reading->threads)
        return WRONG(reading->error, "it has registers of no thread");
    struct recap_thread *thread = &reading->pd->threads[reading->threads - 1];
    if (is(note, CORE_NOTE_OWNER, CORE_NOTE_REGISTERS))
        return copy(reading, note->data, note->size, &thread->registers, &thread->registers_length);
    if (is(note, "CORE", NT_FPREGSET))
        reading->legacy = note->data;
    else if (is(note, "LINUX", NT_X86_XSTATE) &&
             (!reading->legacy || note->size < thread->extended_length ||
              memcmp(reading->legacy, note->data, thread->extended_length) != 0))
        return WRONG(reading->error, "two notes about the registers of thread %llu disagree",
                     (unsigned long long)thread->id);
    return copy(reading, note->data, note->size, &thread->extended, &thread->extended_length);
}

static int read_note(struct reading *reading, const struct note *note)
{
    if (is(note, "CORE", NT_PRSTATUS))
        return read_status(reading, note);
    if (is(note, "CORE", NT_FPREGSET) || is(note, "LINUX", NT_X86_XSTATE) ||
        is(note, CORE_NOTE_OWNER, CORE_NOTE_REGISTERS) ||
        is(note, CORE_NOTE_OWNER, CORE_NOTE_EXTENDED))
        return read_registers(reading, note);
    return 0; /* for debuggers only */
}

int core_notes_read(const void *notes, size_t size, struct recap_graph *graph,
                    struct recap_pd_image *pd, struct recap_error *error)
{
    struct reading reading = {.graph = graph, .pd = pd, .error = error};
    const unsigned char *at = notes;
    while (size) {
        struct note note;
        if (!take_note(&at, &size, &note))
            return WRONG(error, "a note goes beyond the end");
        int result = read_note(&reading, &note);
        if (result < 0)
            return result;
    }
    if (reading.threads != pd->thread_count)
        return WRONG(error, "it lacks the registers of thread %llu",
                     (unsigned long long)pd->threads[reading.threads].id);
    return 0;
}
