/* mapped.c: where the objects that regions map can be reached. */
#include "kernel/linux/memory/mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void release(void *data)
{
    struct linux_mapped *mapped = data;
    free(mapped->path);
    free(mapped->pieces);
    free(mapped->extents);
    free(mapped);
}

struct linux_mapped *linux_mapped_of(struct linux_kernel *kernel, recap_badge badge)
{
    return linux_badge_kept(kernel, badge, release);
}

int linux_mapped_obtain(struct linux_kernel *kernel, const char *kind, uint64_t device,
                        uint64_t inode, const char *path, recap_badge *badge,
                        struct linux_mapped **mapped, struct recap_error *error)
{
    recap_badge inner;
    int result = linux_badge_inner(kernel, kind, device, inode, &inner, error);
    if (result < 0)
        return result;
    struct linux_mapped *kept = linux_mapped_of(kernel, inner);
    if (!kept) {
        kept = calloc(1, sizeof *kept);
        if (!kept || !(kept->path = strdup(path))) {
            free(kept);
            return recap_fail(error, -ENOMEM, "noting what is mapped");
        }
        kept->device = device;
        kept->inode = inode;
        linux_badge_keep(kernel, inner, kept, release);
    }
    if (strcmp(kept->path, path) != 0) {
        /* It has been renamed or removed since it was first met. */
        char *name = strdup(path);
        if (!name)
            return recap_fail(error, -ENOMEM, "noting what is mapped");
        free(kept->path);
        kept->path = name;
    }
    *badge = inner;
    *mapped = kept;
    return 0;
}

/* What an earlier listing of the same process found may be gone. */
static void forget_earlier(struct linux_mapped *mapped, pid_t pid, uint64_t pass)
{
    size_t kept = 0;
    for (size_t i = 0; i < mapped->piece_count; i++)
        if (mapped->pieces[i].pid != pid || mapped->pieces[i].pass == pass)
            mapped->pieces[kept++] = mapped->pieces[i];
    mapped->piece_count = kept;
    mapped->may_write = false;
    for (size_t i = 0; i < kept; i++)
        mapped->may_write |= mapped->pieces[i].may_write;
}

int linux_mapped_enter(struct linux_kernel *kernel, const char *kind, uint64_t device,
                       uint64_t inode, const char *path, const struct linux_mapped_piece *piece,
                       recap_badge *badge, struct recap_error *error)
{
    recap_badge inner;
    struct linux_mapped *mapped;
    int result = linux_mapped_obtain(kernel, kind, device, inode, path, &inner, &mapped, error);
    if (result < 0)
        return result;
    if (mapped->pass != piece->pass) {
        forget_earlier(mapped, piece->pid, piece->pass);
        mapped->pass = piece->pass;
    }
    /* The capacity is the next power of two. */
    if ((mapped->piece_count & (mapped->piece_count - 1)) == 0) {
        size_t room = mapped->piece_count ? mapped->piece_count * 2 : 1;
        void *more = reallocarray(mapped->pieces, room, sizeof *mapped->pieces);
        if (!more)
            return recap_fail(error, -ENOMEM, "noting what is mapped");
        mapped->pieces = more;
    }
    mapped->pieces[mapped->piece_count++] = *piece;
    mapped->may_write |= piece->may_write;
    *badge = inner;
    return 0;
}

int linux_mapped_open(const struct linux_mapped *mapped, int *fd)
{
    int result = -ENOENT;
    for (size_t i = 0; i < mapped->piece_count; i++) {
        const struct linux_mapped_piece *piece = &mapped->pieces[i];
        char path[96];
        snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", (int)piece->pid,
                 (unsigned long long)piece->start,
                 (unsigned long long)(piece->start + piece->length));
        int opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (opened >= 0) {
            *fd = opened;
            return 0;
        }
        result = -errno;
        if (result != -ENOENT)
            break;
    }
    return result;
}
