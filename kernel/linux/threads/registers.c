/* registers.c: extended registers: the XSAVE area, and what it means on another processor.
 *
 * The kernel gives the area in the standard format, in which each processor places the components
 * where it likes. The image keeps the places, so that the area can be laid out anew, and a
 * component that is in use is refused where it does not exist.
 */
#include "kernel/linux/threads/threads.h"

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

enum {
    LEGACY_SIZE = 512,   /* x87 and SSE, the same everywhere */
    FEATURES_AT = 464,   /* in the bytes left to software: which components the area has room for */
    IN_USE_AT = 512,     /* the header: which of them hold other than initial values */
    COMPONENTS_AT = 576, /* behind legacy area and header */
    COMPONENTS = 64,
    FIRST_COMPONENT = 2, /* 0 and 1 are the legacy area */
};

static const char *const component_names[] = {
    "x87",
    "SSE",
    "AVX",
    "MPX bounds",
    "MPX control",
    "AVX-512 masks",
    "AVX-512 high halves",
    "AVX-512 high registers",
    "processor trace",
    "protection keys",
};

struct places {
    uint64_t features;
    struct {
        uint32_t offset, size;
    } of[COMPONENTS];
};

/* Asking the processor is slow inside a virtual machine; its answer does not change. */
static const struct places *our_places(uint64_t features)
{
    static struct places places;
    if (places.features == features)
        return &places;
    for (unsigned int i = FIRST_COMPONENT; i < COMPONENTS; i++) {
        unsigned int size = 0, offset = 0, c, d;
        if (!((features >> i) & 1))
            continue;
        __cpuid_count(0xd, i, size, offset, c, d);
        places.of[i].offset = offset;
        places.of[i].size = size;
    }
    places.features = features;
    return &places;
}

static uint64_t word_at(const void *area, size_t offset)
{
    uint64_t word;
    memcpy(&word, (const char *)area + offset, sizeof word);
    return word;
}

/* Into `buffer`; the length or a negative errno. */
static ssize_t read_area(pid_t tid, void *buffer, size_t size)
{
    struct iovec area = {buffer, size};
    return ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &area) < 0 ? -errno : (ssize_t)area.iov_len;
}

static size_t area_size(pid_t tid)
{
    static size_t size;
    static char buffer[64 * 1024];
    if (!size) {
        ssize_t length = read_area(tid, buffer, sizeof buffer);
        size = length > 0 ? (size_t)length : 0;
    }
    return size;
}

int linux_registers_record(const struct linux_thread *thread, const void *general,
                           size_t general_length, struct recap_arena *arena,
                           struct recap_thread *into, struct recap_error *error)
{
    size_t size = area_size(thread->tid);
    void *area = size >= COMPONENTS_AT ? recap_arena_alloc(arena, size) : NULL;
    void *copy = recap_arena_copy(arena, general, general_length);
    if (!area || !copy)
        return recap_fail(error, size ? -ENOMEM : -EIO, "reading the registers of thread %d",
                          thread->tid);
    ssize_t got = read_area(thread->tid, area, size);
    if (got != (ssize_t)size)
        return recap_fail(error, got < 0 ? (int)got : -EIO,
                          "reading the extended registers of thread %d", thread->tid);
    if (word_at(area, IN_USE_AT) >> LINUX_TILE_DATA & 1) {
        /* The kernel makes room for them when the thread itself first uses them. */
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "thread %d has something in its tile registers (AMX), which no other process "
                     "can fill",
                     thread->tid);
        return recap_error_remedy(error, "try again when it has released them");
    }
    into->registers = copy;
    into->registers_length = general_length;
    into->extended = area;
    into->extended_length = size;
    return 0;
}

void linux_processor_record(const struct recap_thread *thread, struct recap_arena *arena,
                            struct recap_value *state)
{
    uint64_t features = word_at(thread->extended, FEATURES_AT);
    const struct places *places = our_places(features);
    struct recap_value *record = recap_put_record(arena, state, "processor");
    recap_put_hex(arena, record, "features", features);
    struct recap_value *list = recap_put_list(arena, record, "components");
    for (unsigned int i = FIRST_COMPONENT; i < COMPONENTS; i++) {
        if (!((features >> i) & 1))
            continue;
        struct recap_value *component = recap_put_record(arena, list, NULL);
        recap_put_number(arena, component, "number", i);
        recap_put_number(arena, component, "offset", places->of[i].offset);
        recap_put_number(arena, component, "size", places->of[i].size);
    }
}

static int get_places(const struct recap_value *state, struct places *places)
{
    const struct recap_value *record = recap_member(state, "processor");
    memset(places, 0, sizeof *places);
    if (recap_get_hex(record, "features", &places->features) < 0)
        return -EBADMSG;
    for (const struct recap_value *v = recap_items(record, "components"); v; v = v->next) {
        int64_t number, offset, size;
        if (recap_get_number(v, "number", &number) < 0 ||
            recap_get_number(v, "offset", &offset) < 0 || recap_get_number(v, "size", &size) < 0 ||
            number < FIRST_COMPONENT || number >= COMPONENTS || offset < COMPONENTS_AT ||
            offset > UINT32_MAX / 2 || size < 0 || size > UINT32_MAX / 2)
            return -EBADMSG;
        places->of[number].offset = (uint32_t)offset;
        places->of[number].size = (uint32_t)size;
    }
    return 0;
}

static int refuse_component(pid_t tid, unsigned int number, struct recap_error *error)
{
    bool named = number < sizeof component_names / sizeof component_names[0];
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "thread %d uses %s (component %u of the extended registers), which this processor "
                 "does not have in that form",
                 tid, named ? component_names[number] : "a newer feature", number);
    return recap_error_remedy(error, "restore on a processor with the features of the first");
}

/* Lays the image's area out in `area`, of `size` bytes, as this processor has it. `area` holds what
 * the new thread has now. */
static int lay_out(const struct recap_thread *image, const struct places *theirs, char *area,
                   size_t size, struct recap_error *error)
{
    const struct places *ours = our_places(word_at(area, FEATURES_AT));
    uint64_t in_use = word_at(image->extended, IN_USE_AT);
    char software[COMPONENTS_AT - FEATURES_AT];
    memcpy(software, area + FEATURES_AT, sizeof software);
    memset(area, 0, size);
    memcpy(area, image->extended, LEGACY_SIZE);
    memcpy(area + FEATURES_AT, software, LEGACY_SIZE - FEATURES_AT);
    memcpy(area + IN_USE_AT, &in_use, sizeof in_use);
    for (unsigned int i = FIRST_COMPONENT; i < COMPONENTS; i++) {
        if (!((in_use >> i) & 1))
            continue;
        uint32_t length = theirs->of[i].size;
        if (!((ours->features >> i) & 1) || ours->of[i].size != length)
            return refuse_component((pid_t)image->id, i, error);
        if (!((theirs->features >> i) & 1) ||
            theirs->of[i].offset + length > image->extended_length ||
            ours->of[i].offset + length > size)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG,
                                "the extended registers of thread %llu are malformed",
                                (unsigned long long)image->id);
        memcpy(area + ours->of[i].offset, (const char *)image->extended + theirs->of[i].offset,
               length);
    }
    return 0;
}

int linux_registers_set(const struct linux_thread *thread, const struct recap_thread *image,
                        const struct recap_value *attributes, struct recap_error *error)
{
    static _Alignas(64) char area[64 * 1024];
    struct places theirs;
    ssize_t size = read_area(thread->tid, area, sizeof area);
    if (size < COMPONENTS_AT)
        return recap_fail(error, size < 0 ? (int)size : -EIO,
                          "reading the extended registers of thread %d", thread->vtid);
    if (image->extended_length < COMPONENTS_AT || get_places(attributes, &theirs) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG,
                            "the extended registers of thread %llu are malformed",
                            (unsigned long long)image->id);
    int result = lay_out(image, &theirs, area, (size_t)size, error);
    if (result < 0)
        return result;
    struct iovec registers = {area, (size_t)size};
    if (ptrace(PTRACE_SETREGSET, thread->tid, NT_X86_XSTATE, &registers) < 0)
        return recap_fail(error, -errno, "setting the extended registers of thread %d",
                          thread->vtid);
    return 0;
}
