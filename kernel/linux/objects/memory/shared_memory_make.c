/* shared_memory_make.c: making shared memory anew.
 *
 * A memfd is made by core. Shared anonymous memory can only be made by a process that maps it: here
 * it is announced, and memory/map.c makes it and has it filled.
 */
#include "kernel/linux/abi.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/files/inode_state.h"
#include "kernel/linux/objects/memory/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int linux_shared_memory_fill(const struct recap_creation *creation,
                             const struct recap_object *object,
                             int (*write)(void *context, uint64_t offset, const void *data,
                                          size_t size, struct recap_error *error),
                             void *context, struct recap_error *error)
{
    int64_t size;
    if (recap_get_number(object->state, "size", &size) < 0 || size < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "shared memory has no size");
    return linux_extents_fill(creation, object, (uint64_t)size, write, context, error);
}

static int make_memfd(const struct recap_creation *creation, const struct recap_object *object,
                      int *fd, struct recap_error *error)
{
    int64_t size;
    uint64_t seals;
    const char *name = recap_text_or_null(object->state, "name");
    if (!name || recap_get_number(object->state, "size", &size) < 0 || size < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "a memfd has no name or size");
    bool sealable = recap_number_or(object->state, "sealable", 0) != 0;
    unsigned flags = MFD_CLOEXEC | (sealable ? MFD_ALLOW_SEALING : 0);
    int made = memfd_create(name, flags | MFD_EXEC);
    if (made < 0 && errno == EINVAL)
        made = memfd_create(name, flags);
    if (made < 0)
        return recap_fail(error, -errno, "making a memfd");
    int result = 0;
    if (ftruncate(made, size) < 0)
        result = recap_fail(error, -errno, "making a memfd of %lld bytes", (long long)size);
    if (result == 0)
        result = linux_shared_memory_fill(creation, object, linux_extents_write, &made, error);
    /* Of one that could only be seen through regions nothing else is known. */
    if (result == 0 && recap_member(object->state, "mode"))
        result = linux_inode_set(object, made, error);
    if (result == 0 && recap_get_hex(object->state, "seals", &seals) == 0 &&
        fcntl(made, F_ADD_SEALS, (int)seals) < 0)
        result = recap_fail(error, -errno, "sealing a memfd");
    if (result < 0)
        close(made);
    else
        *fd = made;
    return result;
}

bool linux_shared_memory_is_anonymous(const struct recap_object *object)
{
    const char *form = recap_text_or_null(object->state, "form");
    return object->kind && strcmp(object->kind, "shared-memory") == 0 && form &&
           strcmp(form, "anonymous") == 0;
}

int linux_shared_memory_create(struct linux_kernel *kernel, const struct recap_creation *creation,
                               const struct recap_object *object, recap_badge *badge,
                               struct recap_error *error)
{
    const char *form = recap_text_or_null(object->state, "form");
    int fd = -1;
    if (form && strcmp(form, "anonymous") == 0)
        return linux_badge_made(kernel, "shared-memory", NULL, NULL, badge, error);
    if (!form || strcmp(form, "memfd") != 0)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                            "shared memory is neither a memfd nor anonymous");
    int result = make_memfd(creation, object, &fd, error);
    return result ? result : linux_badge_own(kernel, fd, badge, error);
}

int linux_shared_memory_tie(struct linux_pd *pd, const struct recap_creation *creation,
                            const struct recap_object *object, struct recap_error *error)
{
    uint64_t seals;
    int fd;
    if (recap_get_hex(recap_member(object->state, "ties"), "seals", &seals) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "a memfd has no seals");
    int result = linux_badge_fd(pd->kernel, creation->badges[object->id], &fd, error);
    if (result < 0 || !seals)
        return result;
    if (fcntl(fd, F_ADD_SEALS, (int)seals) < 0)
        result = recap_fail(error, -errno, "sealing %s", object->label ? object->label : "a memfd");
    close(fd);
    return result;
}

int linux_shared_memory_open(struct linux_kernel *kernel, recap_badge badge, int open_flags,
                             int *fd, struct recap_error *error)
{
    int own;
    char path[64];
    int result = linux_badge_fd(kernel, badge, &own, error);
    if (result < 0)
        return result;
    snprintf(path, sizeof path, "/proc/self/fd/%d", own);
    int opened = open(path, (open_flags & ~O_CREAT) | O_CLOEXEC);
    result = opened < 0 ? recap_fail(error, -errno, "opening a memfd again") : 0;
    close(own);
    if (result == 0)
        *fd = opened;
    return result;
}
