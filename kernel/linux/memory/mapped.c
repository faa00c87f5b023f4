/* mapped.c: where the objects that regions map can be reached. */
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/memory/mappings.h"

#include "kernel/linux/objects/files/unseen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, PIECE_PATH = 96 };

static void release(void *data)
{
    struct linux_mapped *mapped = data;
    free(mapped->path);
    free(mapped->pieces);
    linux_extents_clear(&mapped->extents);
    if (mapped->reached >= 0)
        close(mapped->reached);
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
        kept->reached = -1;
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

int linux_mapped_program(struct linux_kernel *kernel, pid_t pid, const struct stat *status,
                         const char *path, recap_badge *badge, struct recap_error *error)
{
    struct linux_mapped *mapped;
    uint64_t memory;
    recap_badge inner;
    int result = linux_shared_memory_device(&memory, error);
    if (result == 0)
        result =
            linux_mapped_obtain(kernel, status->st_dev == memory ? "shared-memory" : "mapped-file",
                                status->st_dev, status->st_ino, path, &inner, &mapped, error);
    if (result < 0)
        return result;
    mapped->program = pid;
    *badge = inner;
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

/* What is kept open has to leave room for what else needs descriptors. */
static bool is_scarce(int fd)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)fd > limit.rlim_cur / 2;
}

void linux_mapped_let_go(struct linux_mapped *mapped)
{
    if (mapped->reached < 0 || !is_scarce(mapped->reached))
        return;
    close(mapped->reached);
    mapped->reached = -1;
}

static int is_it(const struct linux_mapped *mapped, int fd)
{
    struct stat status;
    return fstat(fd, &status) < 0 ? -errno : status.st_ino == mapped->inode ? 0 : -ENOENT;
}

/* The component's own description: nothing has to be opened for that, and nothing but its offset
 * could tell that somebody else has it, so nothing may move that. */
static int borrow(const struct linux_mapped *mapped, int *fd)
{
    int got = linux_task_descriptor(mapped->home.pid, mapped->home.fd);
    int result = got < 0 ? got : is_it(mapped, got);
    int flags = result == 0 ? fcntl(got, F_GETFL) : 0;
    if (flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY)
        result = -EBUSY;
    if (result < 0 && got >= 0)
        close(got);
    else if (result == 0)
        *fd = got;
    return result;
}

static int reach_held(struct linux_kernel *kernel, struct linux_mapped *mapped, int *fd)
{
    char path[LINUX_HOME_PATH];
    int opened = -1;
    int result = linux_unseen_open(kernel, linux_home_path(mapped->home, path), &opened);
    if (result == 0 && (result = is_it(mapped, opened)) < 0)
        close(opened);
    if ((result == -EBUSY || result == -EACCES) && mapped->home.pid &&
        (result = borrow(mapped, &opened)) == 0)
        mapped->borrowed = true;
    if (result == 0)
        *fd = opened;
    return result;
}

/* "/proc/PID/map_files/START-END" of a piece. */
static const char *piece_path(const struct linux_mapped_piece *piece, char path[PIECE_PATH])
{
    snprintf(path, PIECE_PATH, "/proc/%d/map_files/%llx-%llx", (int)piece->pid,
             (unsigned long long)piece->start, (unsigned long long)(piece->start + piece->length));
    return path;
}

static const char *program_path(pid_t pid, char path[PIECE_PATH])
{
    snprintf(path, PIECE_PATH, "/proc/%d/exe", (int)pid);
    return path;
}

int linux_mapped_stat(const struct linux_mapped *mapped, struct stat *status)
{
    char path[PIECE_PATH];
    int result = -ENOENT;
    if (mapped->held) {
        result = stat(linux_home_path(mapped->home, path), status) < 0 ? -errno : 0;
        if (result == 0 && status->st_ino == mapped->inode)
            return 0;
    }
    if (mapped->program) {
        result = stat(program_path(mapped->program, path), status) < 0 ? -errno : 0;
        if (result == 0 && status->st_ino == mapped->inode)
            return 0;
    }
    for (size_t i = 0; i < mapped->piece_count; i++) {
        result = stat(piece_path(&mapped->pieces[i], path), status) < 0 ? -errno : 0;
        if (result != -ENOENT)
            return result;
    }
    return result == 0 ? -ENOENT : result;
}

static int reach_mapped(struct linux_kernel *kernel, const struct linux_mapped *mapped, int *fd)
{
    int result = -ENOENT;
    for (size_t i = 0; result == -ENOENT && i < mapped->piece_count; i++) {
        char path[PIECE_PATH];
        int opened;
        result = linux_unseen_open(kernel, piece_path(&mapped->pieces[i], path), &opened);
        if (result == 0 && (result = is_it(mapped, opened)) < 0)
            close(opened);
        if (result == 0)
            *fd = opened;
    }
    return result;
}

int linux_mapped_reach(struct linux_kernel *kernel, struct linux_mapped *mapped, int *fd)
{
    int result = mapped->reached >= 0 ? 0 : -ENOENT;
    if (result < 0 && mapped->held)
        result = reach_held(kernel, mapped, &mapped->reached);
    if (result < 0 && mapped->program) {
        char path[PIECE_PATH];
        int opened;
        result = linux_unseen_open(kernel, program_path(mapped->program, path), &opened);
        if (result == 0 && (result = is_it(mapped, opened)) < 0)
            close(opened);
        if (result == 0)
            mapped->reached = opened;
    }
    if (result < 0 && mapped->piece_count) {
        int other = reach_mapped(kernel, mapped, &mapped->reached);
        result = other == 0 || result == -ENOENT ? other : result;
    }
    if (result == 0)
        *fd = mapped->reached;
    return result;
}

int linux_mapped_survey(struct linux_mapped *mapped)
{
    struct stat status;
    if (fstat(mapped->reached, &status) < 0)
        return -errno;
    mapped->size = (uint64_t)status.st_size;
    return mapped->borrowed ? linux_extents_map(&mapped->extents, mapped->reached, mapped->size)
                            : linux_extents_find(&mapped->extents, mapped->reached, mapped->size);
}

/* Through a mapping of our own, which no watch reports. That the file may get shorter meanwhile is
 * an error here, and a signal for who touches the memory. */
static ssize_t read_borrowed(int fd, uint64_t offset, void *buffer, size_t size)
{
    size_t skip = offset % PAGE;
    char *at = mmap(NULL, skip + size, PROT_READ, MAP_SHARED, fd, (off_t)(offset - skip));
    if (at == MAP_FAILED)
        return -errno;
    const struct iovec to = {buffer, size}, from = {at + skip, size};
    ssize_t got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    int code = -errno;
    munmap(at, skip + size);
    return got < 0 ? code : got;
}

ssize_t linux_mapped_read(const struct linux_mapped *mapped, uint64_t offset, void *buffer,
                          size_t size)
{
    if (mapped->borrowed)
        return read_borrowed(mapped->reached, offset, buffer, size);
    ssize_t got = pread(mapped->reached, buffer, size, (off_t)offset);
    return got < 0 ? -errno : got;
}
