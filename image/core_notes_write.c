/* core_notes_write.c: the notes of a core file, in the order in which the kernel dumps them: the
 * first thread's status, what concerns the process, the first thread's other registers, further
 * threads. What only a debugger wants to know is found by the names that backends give it, or is
 * left out. */
#include "image/checksum.h"
#include "image/core_layout.h"
#include "image/core_notes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/procfs.h>

enum { FXSAVE_SIZE = 512, XSAVE_SMALLEST = 576 };

void *core_bytes_add(struct core_bytes *bytes, size_t size)
{
    if (bytes->failed)
        return NULL;
    if (bytes->capacity - bytes->length < size) {
        size_t capacity = bytes->capacity ? bytes->capacity : 8192;
        while (capacity - bytes->length < size && capacity <= SIZE_MAX / 2)
            capacity *= 2;
        void *data = capacity - bytes->length < size ? NULL : realloc(bytes->data, capacity);
        if (!data) {
            bytes->failed = true;
            return NULL;
        }
        bytes->data = data;
        bytes->capacity = capacity;
    }
    unsigned char *room = bytes->data + bytes->length;
    memset(room, 0, size);
    bytes->length += size;
    return room;
}

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

/* Appends a note; room for its `size` bytes of description is returned, NULL without memory. */
static void *put_note(struct core_bytes *notes, const char *owner, uint32_t type, size_t size)
{
    size_t owner_size = strlen(owner) + 1;
    if (size > UINT32_MAX - 3) {
        notes->failed = true;
        return NULL;
    }
    unsigned char *room =
        core_bytes_add(notes, sizeof(Elf64_Nhdr) + padded(owner_size) + padded(size));
    if (!room)
        return NULL;
    Elf64_Nhdr header = {
        .n_namesz = (Elf64_Word)owner_size, .n_descsz = (Elf64_Word)size, .n_type = type};
    memcpy(room, &header, sizeof header);
    memcpy(room + sizeof header, owner, owner_size);
    return room + sizeof header + padded(owner_size);
}

static void put_copy(struct core_bytes *notes, const char *owner, uint32_t type, const void *data,
                     size_t size)
{
    void *room = put_note(notes, owner, type, size);
    if (room && size)
        memcpy(room, data, size);
}

static int number_of(const struct recap_value *record, const char *name)
{
    return (int)recap_number_or(record, name, 0);
}

static void put_status(struct core_bytes *notes, const struct recap_pd_image *pd,
                       const struct recap_thread *thread)
{
    struct elf_prstatus status;
    uint64_t mask = 0;
    memset(&status, 0, sizeof status);
    recap_get_hex(thread->state, "signal_mask", &mask);
    status.pr_sighold = mask;
    status.pr_pid = (pid_t)thread->id;
    status.pr_pgrp = number_of(pd->attributes, "process_group");
    status.pr_sid = number_of(pd->attributes, "session");
    status.pr_fpvalid = thread->extended_length >= FXSAVE_SIZE;
    bool standard = thread->registers_length == sizeof status.pr_reg;
    if (standard)
        memcpy(&status.pr_reg, thread->registers, sizeof status.pr_reg);
    put_copy(notes, "CORE", NT_PRSTATUS, &status, sizeof status);
    if (!standard)
        put_copy(notes, CORE_NOTE_OWNER, CORE_NOTE_REGISTERS, thread->registers,
                 thread->registers_length);
}

static void put_extended(struct core_bytes *notes, const struct recap_thread *thread)
{
    size_t size = thread->extended_length;
    if (size == FXSAVE_SIZE || size >= XSAVE_SMALLEST) {
        put_copy(notes, "CORE", NT_FPREGSET, thread->extended, FXSAVE_SIZE);
        if (size > FXSAVE_SIZE)
            put_copy(notes, "LINUX", NT_X86_XSTATE, thread->extended, size);
    } else if (size) {
        put_copy(notes, CORE_NOTE_OWNER, CORE_NOTE_EXTENDED, thread->extended, size);
    }
}

static void put_process(struct core_bytes *notes, const struct recap_pd_image *pd)
{
    struct elf_prpsinfo info;
    memset(&info, 0, sizeof info);
    info.pr_sname = 'T';
    info.pr_pid = (pid_t)pd->id;
    info.pr_pgrp = number_of(pd->attributes, "process_group");
    info.pr_sid = number_of(pd->attributes, "session");
    if (pd->name) {
        memcpy(info.pr_fname, pd->name, strnlen(pd->name, sizeof info.pr_fname - 1));
        memcpy(info.pr_psargs, pd->name, strnlen(pd->name, sizeof info.pr_psargs - 1));
    }
    put_copy(notes, "CORE", NT_PRPSINFO, &info, sizeof info);
    const void *auxv;
    size_t length;
    if (recap_get_bytes(recap_member(pd->attributes, "layout"), "auxiliary_vector", &auxv,
                        &length) == 0)
        put_copy(notes, "CORE", NT_AUXV, auxv, length);
}

/* The file that a region maps, for a debugger, or NULL. */
static const char *file_of(const struct recap_region *region)
{
    return region->object && region->name && region->name[0] == '/' ? region->name : NULL;
}

static void put_files(struct core_bytes *notes, const struct recap_pd_image *pd)
{
    size_t count = 0, names = 0;
    for (size_t i = 0; i < pd->region_count; i++) {
        const char *file = file_of(&pd->regions[i]);
        count += file != NULL;
        names += file ? strlen(file) + 1 : 0;
    }
    if (!count)
        return;
    unsigned char *room =
        put_note(notes, "CORE", NT_FILE, (2 + 3 * count) * sizeof(uint64_t) + names);
    if (!room)
        return;
    char *name = (char *)room + (2 + 3 * count) * sizeof(uint64_t);
    uint64_t head[2] = {count, CORE_PAGE};
    memcpy(room, head, sizeof head);
    room += sizeof head;
    for (size_t i = 0; i < pd->region_count; i++) {
        const struct recap_region *region = &pd->regions[i];
        const char *file = file_of(region);
        if (!file)
            continue;
        uint64_t entry[3] = {region->start, region->start + region->length,
                             region->offset / CORE_PAGE};
        memcpy(room, entry, sizeof entry);
        room += sizeof entry;
        name = stpcpy(name, file) + 1;
    }
}

int core_notes_put(struct core_bytes *notes, const struct recap_pd_image *pd,
                   struct recap_error *error)
{
    for (size_t i = 0; i < pd->thread_count; i++) {
        put_status(notes, pd, &pd->threads[i]);
        if (i == 0) {
            put_process(notes, pd);
            put_files(notes, pd);
        }
        put_extended(notes, &pd->threads[i]);
    }
    return notes->failed ? recap_fail(error, -ENOMEM, "writing the registers of PD %llu",
                                      (unsigned long long)pd->id)
                         : 0;
}

size_t core_notes_tie_size(void)
{
    return sizeof(Elf64_Nhdr) + padded(sizeof CORE_NOTE_OWNER) + 2 * sizeof(uint64_t);
}

void core_notes_tie(struct core_bytes *tail, uint64_t graph_checksum)
{
    unsigned char *room = put_note(tail, CORE_NOTE_OWNER, CORE_NOTE_TIE, 2 * sizeof(uint64_t));
    if (!room)
        return;
    memcpy(room, &graph_checksum, sizeof graph_checksum);
    uint64_t checksum =
        image_checksum(tail->data, (size_t)(room + sizeof graph_checksum - tail->data));
    memcpy(room + sizeof graph_checksum, &checksum, sizeof checksum);
}
