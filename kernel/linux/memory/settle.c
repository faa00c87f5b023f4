/* settle.c: the last pass over a created process's regions: advice, guards, protection,
 * names, locks, seals. In this order: what a later step forbids comes earlier. */
#include "kernel/linux/abi.h"
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/memory/map.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/memory/placement.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

static void advise(struct linux_mapper *mapper, const struct recap_region *region, int advice)
{
    linux_calls_add(&mapper->calls, "advising on", region->start, region->length, 0,
                    LINUX_CALL(SYS_madvise, region->start, region->length, advice));
}

/* Before there are pages, so that they come to lie where they belong. */
static int place(struct linux_mapper *mapper, const struct recap_region *region)
{
    struct linux_placement_policy policy;
    int result = linux_placement_get(region->state, &policy);
    if (result == -EBADMSG)
        return recap_refuse(mapper->error, RECAP_DAMAGED, result,
                            "the memory policy of the image's memory from 0x%llx on is malformed",
                            (unsigned long long)region->start);
    if (result < 0)
        return 0;
    linux_calls_add(
        &mapper->calls, "placing", region->start, region->length, 0,
        LINUX_CALL(SYS_mbind, region->start, region->length, policy.mode,
                   linux_batch_put(mapper->calls.batch, policy.nodes, sizeof policy.nodes),
                   LINUX_PLACEMENT_NODES, 0));
    return 0;
}

int linux_advise_before_filling(struct linux_mapper *mapper, const struct recap_region *region)
{
    uint32_t flags = linux_region_flags(region);
    if (flags & LINUX_MAPPING_HUGE_PAGES)
        advise(mapper, region, MADV_HUGEPAGE);
    if (flags & LINUX_MAPPING_NO_HUGE_PAGES)
        advise(mapper, region, MADV_NOHUGEPAGE);
    return place(mapper, region);
}

static void advise_rest(struct linux_mapper *mapper, const struct recap_region *region)
{
    uint32_t flags = linux_region_flags(region);
    if (flags & LINUX_MAPPING_SEQUENTIAL)
        advise(mapper, region, MADV_SEQUENTIAL);
    if (flags & LINUX_MAPPING_RANDOM)
        advise(mapper, region, MADV_RANDOM);
    if (flags & LINUX_MAPPING_DONT_FORK)
        advise(mapper, region, MADV_DONTFORK);
    if (flags & LINUX_MAPPING_MERGEABLE)
        advise(mapper, region, MADV_MERGEABLE);
    /* Droppable memory has these two from its making. */
    if (flags & LINUX_MAPPING_DROPPABLE)
        return;
    if (flags & LINUX_MAPPING_WIPE_ON_FORK)
        advise(mapper, region, MADV_WIPEONFORK);
    if (flags & LINUX_MAPPING_DONT_DUMP)
        advise(mapper, region, MADV_DONTDUMP);
}

static int install_guards(struct linux_mapper *mapper, const struct recap_region *region)
{
    const struct recap_value *guard = recap_items(region->state, "guards");
    int result = 0;
    for (; result == 0 && guard; guard = guard->next) {
        uint64_t start, length;
        if (recap_get_hex(guard, "start", &start) < 0 ||
            recap_get_hex(guard, "length", &length) < 0 || start < region->start ||
            length > region->length || start - region->start > region->length - length)
            return recap_refuse(mapper->error, RECAP_DAMAGED, -EINVAL,
                                "the image's memory from 0x%llx on has guards outside of itself",
                                (unsigned long long)region->start);
        result = linux_calls_start(&mapper->calls);
        if (result == 0)
            linux_calls_add(&mapper->calls, "guarding", start, length, 0,
                            LINUX_CALL(SYS_madvise, start, length, MADV_GUARD_INSTALL));
    }
    return result;
}

/* "[anon:NAME]" and "[anon_shmem:NAME]" are names that the program gave. */
static void name(struct linux_mapper *mapper, const struct recap_region *region)
{
    static const char *const forms[] = {"[anon:", "[anon_shmem:"};
    for (size_t i = 0; region->name && i < sizeof forms / sizeof *forms; i++) {
        size_t before = strlen(forms[i]), length = strlen(region->name);
        if (strncmp(region->name, forms[i], before) != 0 || region->name[length - 1] != ']')
            continue;
        char text[128]; /* the kernel takes 80 bytes */
        size_t kept = length - before - 1 < sizeof text ? length - before - 1 : sizeof text - 1;
        memcpy(text, region->name + before, kept);
        text[kept] = '\0';
        linux_calls_add(&mapper->calls, "naming", region->start, region->length, 0,
                        LINUX_CALL(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, region->start,
                                   region->length,
                                   linux_batch_put(mapper->calls.batch, text, kept + 1)));
    }
}

static int settle(struct linux_mapper *mapper, const struct recap_region *region)
{
    uint32_t flags = linux_region_flags(region);
    int final = linux_protection(region->protection);
    int result = linux_calls_start(&mapper->calls);
    if (result < 0)
        return result;
    advise_rest(mapper, region);
    if (final != linux_protection_while_built(region))
        linux_calls_add(&mapper->calls, "protecting", region->start, region->length, 0,
                        LINUX_CALL(SYS_mprotect, region->start, region->length, final));
    name(mapper, region);
    result = install_guards(mapper, region);
    if (result == 0)
        result = linux_calls_start(&mapper->calls);
    if (result == 0 && flags & LINUX_MAPPING_LOCKED)
        linux_calls_add(&mapper->calls, "locking", region->start, region->length, 0,
                        LINUX_CALL(SYS_mlock2, region->start, region->length,
                                   flags & LINUX_MAPPING_LOCKED_ON_FAULT ? MLOCK_ONFAULT : 0));
    if (result == 0 && flags & LINUX_MAPPING_SEALED)
        linux_calls_add(&mapper->calls, "sealing", region->start, region->length, 0,
                        LINUX_CALL(SYS_mseal, region->start, region->length, 0));
    return result;
}

/* Memory that the process maps later is locked too (mlockall). */
static int lock_future(struct linux_mapper *mapper)
{
    int64_t flags = recap_number_or(mapper->image->attributes, "lock-future", 0);
    if (!flags)
        return 0;
    int result = linux_calls_start(&mapper->calls);
    if (result == 0)
        linux_calls_add(&mapper->calls, "locking future", 0, 0, 0,
                        LINUX_CALL(SYS_mlockall, flags & (MCL_FUTURE | MCL_ONFAULT)));
    return result;
}

int linux_settle_regions(struct linux_mapper *mapper)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < mapper->image->region_count; i++)
        if (!linux_region_is_kernels(&mapper->image->regions[i]))
            result = settle(mapper, &mapper->image->regions[i]);
    if (result == 0)
        result = lock_future(mapper);
    return result ? result : linux_calls_run(&mapper->calls);
}
