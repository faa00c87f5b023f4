/* kernels.c: the pages that the kernel itself maps into a process: vDSO and its data.
 *
 * They cannot be made, only moved. A program keeps addresses inside the vDSO, so when the running
 * kernel's is the very one of the image, it moves to where the image has it. When it is another
 * one, it stays aside, and the image's text comes back as ordinary memory whose functions jump
 * there (vdso.c). Its data pages stay away then: nothing reads them but the old text, which no
 * longer runs.
 */
#include "kernel/linux/memory/map.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/memory/vdso.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <unistd.h>

/* Enough for any vDSO; an image may claim anything. */
enum { MOST_TEXT = 1 << 20 };

static bool is_text(const char *name)
{
    return name && strcmp(name, "[vdso]") == 0;
}

static void move(struct linux_mapper *mapper, uint64_t from, uint64_t length, uint64_t to)
{
    linux_calls_add(
        &mapper->calls, "moving the kernel's", from, length, to,
        LINUX_CALL(SYS_mremap, from, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

int linux_move_kernels_pages(struct linux_mapper *mapper, const struct linux_mappings *now,
                             uint64_t aside)
{
    uint64_t first = 0;
    int result = linux_calls_start(&mapper->calls);
    for (size_t i = 0; result == 0 && i < now->count; i++) {
        const struct linux_mapping *mapping = &now->items[i];
        if (!linux_mapping_is_kernels(mapping->name))
            continue;
        /* The text finds its data by distance. */
        first = first ? first : mapping->start;
        move(mapper, mapping->start, mapping->end - mapping->start,
             aside + (mapping->start - first));
    }
    return result;
}

/* The vDSO's text, of the image and of the running kernel. */
struct texts {
    const struct recap_region *old_region;
    const struct linux_mapping *new_mapping;
    void *old;
    void *new;
    size_t old_size;
    size_t new_size;
};

static void clear_texts(struct texts *texts)
{
    free(texts->old);
    free(texts->new);
}

static int read_old(struct linux_mapper *mapper, struct texts *texts)
{
    const struct recap_region *region = texts->old_region;
    if (region->range_count != 1 || region->ranges[0].length != region->length ||
        region->length > MOST_TEXT)
        return recap_refuse(mapper->error, RECAP_DAMAGED, -EINVAL,
                            "the image's vDSO is not complete");
    texts->old_size = (size_t)region->length;
    texts->old = malloc(texts->old_size);
    if (!texts->old)
        return recap_fail(mapper->error, -ENOMEM, "reading the image's vDSO");
    ssize_t got = pread(mapper->core, texts->old, texts->old_size, (off_t)region->ranges[0].offset);
    if (got != (ssize_t)texts->old_size)
        return recap_fail(mapper->error, got < 0 ? -errno : -EIO, "reading the image's vDSO");
    return 0;
}

static int read_new(struct linux_mapper *mapper, struct texts *texts)
{
    texts->new_size = (size_t)(texts->new_mapping->end - texts->new_mapping->start);
    texts->new = malloc(texts->new_size);
    if (!texts->new)
        return recap_fail(mapper->error, -ENOMEM, "reading the running kernel's vDSO");
    return linux_read(&mapper->pd->base, texts->new_mapping->start, texts->new, texts->new_size,
                      mapper->error);
}

/* Whether the image has the kernel's pages in the same order, sizes and distances. */
static bool same_layout(const struct linux_mapper *mapper, const struct linux_mappings *now,
                        const struct texts *texts)
{
    const struct recap_pd_image *image = mapper->image;
    size_t r = 0;
    for (size_t i = 0; i < now->count; i++) {
        const struct linux_mapping *mapping = &now->items[i];
        if (!linux_mapping_is_kernels(mapping->name))
            continue;
        while (r < image->region_count && !linux_region_is_kernels(&image->regions[r]))
            r++;
        if (r == image->region_count || !image->regions[r].name ||
            strcmp(image->regions[r].name, mapping->name) != 0 ||
            image->regions[r].length != mapping->end - mapping->start ||
            image->regions[r].start - texts->old_region->start !=
                mapping->start - texts->new_mapping->start)
            return false;
        r++;
    }
    while (r < image->region_count && !linux_region_is_kernels(&image->regions[r]))
        r++;
    return r == image->region_count;
}

static int move_into_place(struct linux_mapper *mapper, const struct linux_mappings *now,
                           const struct texts *texts)
{
    int result = linux_calls_start(&mapper->calls);
    for (size_t i = 0; result == 0 && i < now->count; i++) {
        const struct linux_mapping *mapping = &now->items[i];
        if (linux_mapping_is_kernels(mapping->name))
            move(mapper, mapping->start, mapping->end - mapping->start,
                 texts->old_region->start + (mapping->start - texts->new_mapping->start));
    }
    return result;
}

/* A thread in the middle of the old text would go on with data that is not there any more. */
static int refuse_threads_inside(struct linux_mapper *mapper, const struct recap_region *text)
{
    for (size_t i = 0; i < mapper->image->thread_count; i++) {
        const struct recap_thread *thread = &mapper->image->threads[i];
        struct user_regs_struct registers;
        if (thread->registers_length < sizeof registers)
            continue;
        memcpy(&registers, thread->registers, sizeof registers);
        if (registers.rip - text->start < text->length) {
            recap_refuse(mapper->error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                         "thread %llu was inside the vDSO of a kernel that is not the running one",
                         (unsigned long long)thread->id);
            return recap_error_remedy(mapper->error, "restore on the kernel of the checkpoint");
        }
    }
    return 0;
}

static int lead_from_old(struct linux_mapper *mapper, struct texts *texts)
{
    const struct recap_region *region = texts->old_region;
    int result = refuse_threads_inside(mapper, region);
    if (result == 0)
        result = linux_vdso_redirect(texts->old, texts->old_size, texts->new, texts->new_size,
                                     texts->new_mapping->start, mapper->error);
    if (result == 0)
        result = linux_calls_start(&mapper->calls);
    if (result < 0)
        return result;
    linux_calls_add(&mapper->calls, "mapping", region->start, region->length, region->start,
                    LINUX_CALL(SYS_mmap, region->start, region->length, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
    result = linux_calls_run(&mapper->calls);
    if (result == 0)
        result = linux_write(&mapper->pd->base, region->start, texts->old, texts->old_size,
                             mapper->error);
    if (result == 0)
        result = linux_calls_start(&mapper->calls);
    if (result < 0)
        return result;
    linux_calls_add(&mapper->calls, "protecting", region->start, region->length, 0,
                    LINUX_CALL(SYS_mprotect, region->start, region->length, PROT_READ | PROT_EXEC));
    return linux_calls_run(&mapper->calls);
}

static int unmap_all(struct linux_mapper *mapper, const struct linux_mappings *now)
{
    int result = linux_calls_start(&mapper->calls);
    for (size_t i = 0; result == 0 && i < now->count; i++) {
        const struct linux_mapping *mapping = &now->items[i];
        uint64_t length = mapping->end - mapping->start;
        if (linux_mapping_is_kernels(mapping->name))
            linux_calls_add(&mapper->calls, "unmapping", mapping->start, length, 0,
                            LINUX_CALL(SYS_munmap, mapping->start, length));
    }
    return result ? result : linux_calls_run(&mapper->calls);
}

static int place(struct linux_mapper *mapper, const struct linux_mappings *now)
{
    __attribute__((cleanup(clear_texts))) struct texts texts = {0};
    for (size_t i = 0; i < mapper->image->region_count; i++)
        if (linux_region_is_kernels(&mapper->image->regions[i]) &&
            is_text(mapper->image->regions[i].name))
            texts.old_region = &mapper->image->regions[i];
    for (size_t i = 0; i < now->count; i++)
        if (is_text(now->items[i].name))
            texts.new_mapping = &now->items[i];
    if (!texts.old_region)
        return unmap_all(mapper, now);
    if (!texts.new_mapping)
        return recap_refuse(mapper->error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the running kernel has no vDSO, and the image's program uses one");
    int result = read_old(mapper, &texts);
    if (result == 0)
        result = read_new(mapper, &texts);
    if (result < 0)
        return result;
    return same_layout(mapper, now, &texts) &&
                   linux_vdso_same(texts.old, texts.old_size, texts.new, texts.new_size)
               ? move_into_place(mapper, now, &texts)
               : lead_from_old(mapper, &texts);
}

int linux_place_kernels_pages(struct linux_mapper *mapper)
{
    struct linux_mappings now = {0};
    int result = linux_mappings_read(mapper->pd->proc, false, &now, mapper->error);
    if (result == 0)
        result = place(mapper, &now);
    linux_mappings_clear(&now);
    return result;
}
