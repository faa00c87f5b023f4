/* shared_memory.c: the kernel's nameless shared memory, behind memfds and shared anonymous regions.
 *
 * An inner object: descriptions of a memfd and regions that map it refer to the same memory, and a
 * shared anonymous region has no description at all. Its content is the stretches that were ever
 * written, one after the other ("extents" says where they belong), so a large sparse object stays
 * sparse. It is reached through a selector that holds it, else through /proc/PID/map_files, else,
 * without the privilege for that, through the regions that map it.
 *
 * shared_memory_make.c makes it anew.
 */
#include "kernel/linux/objects/memory/shared_memory.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/objects/files/inode_state.h"
#include "kernel/linux/objects/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char memfd_prefix[] = "/memfd:", deleted[] = " (deleted)";

/* The name that memfd_create was given: a copy, or NULL when `path` is not a memfd's. */
static char *memfd_name(struct recap_arena *arena, const char *path)
{
    size_t length = strlen(path), before = sizeof memfd_prefix - 1, after = sizeof deleted - 1;
    if (length < before + after || strncmp(path, memfd_prefix, before) != 0 ||
        strcmp(path + length - after, deleted) != 0)
        return NULL;
    char *name = recap_arena_text(arena, path + before);
    if (name)
        name[length - before - after] = '\0';
    return name;
}

static bool is_anonymous(const char *path)
{
    return strcmp(path, "/dev/zero (deleted)") == 0 || strncmp(path, "[anon_shmem:", 12) == 0;
}

/* Whether the kernel counts somebody who may write, which keeps the file from being executed: the
 * description that memfd_create gives is not counted, one that was opened through it is. A lease
 * for reading is only given when there is none. A negative errno: it does not tell. */
static int is_written(const struct linux_mapped *mapped, int fd)
{
    if (mapped->borrowed)
        return -EBUSY;
    /* Who opens the file in this moment has us told by a signal, which is one that does nothing. */
    if (fcntl(fd, F_SETSIG, SIGURG) < 0)
        return -errno;
    if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
        return errno == EAGAIN ? 1 : -errno;
    fcntl(fd, F_SETLEASE, F_UNLCK);
    return 0;
}

/* What only a description can tell. */
static int describe_open(struct linux_mapped *mapped, int fd, struct recap_arena *arena,
                         struct recap_object *object, bool memfd)
{
    struct stat status;
    int result = linux_mapped_survey(mapped);
    if (result < 0 || !memfd)
        return result;
    if (fstat(fd, &status) < 0)
        return -errno;
    char live[64];
    snprintf(live, sizeof live, "/proc/self/fd/%d", fd);
    result = linux_inode_describe(arena, object->state, &status, live, NULL);
    if (result < 0)
        return result;
    struct statfs system;
    if (fstatfs(fd, &system) < 0)
        return -errno;
    if (system.f_type == HUGETLBFS_MAGIC)
        return -EOPNOTSUPP;
    int written = is_written(mapped, fd);
    if (written >= 0)
        recap_put_number(arena, object->state, "open-for-writing", written);
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0)
        return -errno;
    if (seals == F_SEAL_SEAL)
        return 0;
    recap_put_number(arena, object->state, "sealable", 1);
    /* Under F_SEAL_WRITE there are no regions that write. The other seals may be younger than
     * regions that they would forbid: those come after everything is mapped. */
    struct recap_value *into = object->state;
    if (!(seals & F_SEAL_WRITE))
        into = recap_put_record(arena, object->state, "ties");
    recap_put_hex(arena, into, "seals", (uint64_t)seals);
    return 0;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)description;
    struct linux_mapped *mapped = linux_mapped_of(kernel, badge);
    if (!mapped)
        return recap_fail(error, -ENOENT, "describing shared memory");
    const char *name = memfd_name(arena, mapped->path);
    if (!name && !is_anonymous(mapped->path))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s is shared memory of a kind that is not known", mapped->path);
    object->label = name ? recap_arena_printf(arena, "memory of the memfd \"%s\"", name)
                         : "shared anonymous memory";
    object->state = recap_record(arena);
    recap_put_text(arena, object->state, "form", name ? "memfd" : "anonymous");
    if (name)
        recap_put_text(arena, object->state, "name", name);
    int fd = -1;
    int result = linux_mapped_reach(kernel, mapped, &fd);
    if (result == 0) {
        result = describe_open(mapped, fd, arena, object, name != NULL);
        linux_mapped_let_go(mapped);
    } else if (result == -EPERM && mapped->piece_count) {
        result = 0; /* the listing of regions found size and extents */
    }
    if (result == -EOPNOTSUPP)
        return recap_refuse(error, RECAP_UNSUPPORTED, result, "%s is of huge pages", object->label);
    if (result < 0)
        return recap_fail(error, result, "describing %s", object->label);
    recap_put_number(arena, object->state, "size", (int64_t)mapped->size);
    linux_extents_put(&mapped->extents, arena, object);
    return recap_arena_failed(arena) ? recap_fail(error, -ENOMEM, "describing %s", object->label)
                                     : 0;
}

/* Reads through a region that maps these bytes. */
static ssize_t read_mapped(const struct linux_mapped *mapped, uint64_t offset, void *buffer,
                           size_t size)
{
    for (size_t i = 0; i < mapped->piece_count; i++) {
        const struct linux_mapped_piece *piece = &mapped->pieces[i];
        if (offset < piece->offset || offset - piece->offset >= piece->length)
            continue;
        uint64_t address = piece->start + (offset - piece->offset);
        uint64_t left = piece->length - (offset - piece->offset);
        const struct iovec ours = {buffer, left < size ? (size_t)left : size};
        /* NOLINTNEXTLINE(performance-no-int-to-ptr): an address of the other process */
        const struct iovec theirs = {(void *)(uintptr_t)address, ours.iov_len};
        ssize_t got = process_vm_readv(piece->pid, &ours, 1, &theirs, 1, 0);
        if (got > 0)
            return got;
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/mem", (int)piece->pid);
        int mem = open(path, O_RDONLY | O_CLOEXEC);
        got = mem < 0 ? -1 : pread(mem, buffer, ours.iov_len, (off_t)address);
        int code = got < 0 ? -errno : -EIO;
        if (mem >= 0)
            close(mem);
        return got > 0 ? got : code;
    }
    return -ENXIO;
}

static ssize_t content(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error)
{
    struct linux_mapped *mapped = linux_mapped_of(kernel, badge);
    if (!mapped)
        return recap_fail(error, -ENOENT, "reading shared memory");
    uint64_t place;
    uint64_t left = linux_extents_place(&mapped->extents, offset, &place);
    if (size > left)
        size = (size_t)left;
    if (!size)
        return 0;
    int fd = -1;
    ssize_t got = linux_mapped_reach(kernel, mapped, &fd) == 0
                      ? linux_mapped_read(mapped, place, buffer, size)
                      : read_mapped(mapped, place, buffer, size);
    return got < 0 ? recap_fail(error, (int)got, "reading shared memory") : got;
}

int linux_shared_memory_held(struct linux_kernel *kernel, struct linux_home home,
                             const struct stat *status, recap_badge *badge,
                             struct recap_error *error)
{
    char link[64], path[4096];
    recap_badge inner;
    struct linux_mapped *mapped;
    if (home.pid)
        snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)home.pid, home.fd);
    else
        snprintf(link, sizeof link, "/proc/self/fd/%d", home.fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return recap_fail(error, -errno, "asking for the name of a memfd");
    path[length] = '\0';
    int result = linux_mapped_obtain(kernel, "shared-memory", status->st_dev, status->st_ino, path,
                                     &inner, &mapped, error);
    if (result < 0)
        return result;
    mapped->held = true;
    mapped->home = home;
    *badge = inner;
    return 0;
}

const struct linux_kind linux_kind_shared_memory = {
    .name = "shared-memory",
    .inner = true,
    .describe = describe,
    .content = content,
    .create = linux_shared_memory_create,
    .tie = linux_shared_memory_tie,
};
