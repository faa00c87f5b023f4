/* pipe.c: pipes and FIFOs: what their ends share: capacity and content.
 *
 * The content is copied with tee, which takes nothing out. A pipe keeps packets apart when they
 * were written in packet mode; reading the copy stops where a packet ends, so that the lengths of
 * the reads are those of the packets.
 */
#include "kernel/linux/objects/pipes/pipe.h"
#include "kernel/linux/badges/badges.h"

#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/inode_state.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/outside.h"
#include "kernel/linux/objects/sockets/nowhere.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Kept with the badge of a live pipe. */
struct live_pipe {
    recap_badge end;  /* one of its ends: one that may read if there is any */
    bool packet_mode; /* of any end */
    uint64_t moment;  /* when those were noted */
    char *path;       /* of a FIFO, or NULL */
    struct stat status;
    char *content; /* as last described */
    size_t size;
};

/* Kept with the badge of one that was made. */
struct made_pipe {
    int reader, writer; /* of a FIFO: the same, open for both */
    bool reader_taken, writer_taken;
};

static void release_live(void *data)
{
    struct live_pipe *pipe = data;
    free(pipe->path);
    free(pipe->content);
    free(pipe);
}

static void release_made(void *data)
{
    struct made_pipe *pipe = data;
    close(pipe->reader);
    if (pipe->writer != pipe->reader)
        close(pipe->writer);
    free(pipe);
}

uint32_t linux_pipe_rights_inside(struct linux_kernel *kernel, uint64_t inode)
{
    uint32_t rights = 0;
    for (recap_badge end = linux_badge_with_inode(kernel, inode, 0); end;
         end = linux_badge_with_inode(kernel, inode, end))
        rights |= linux_badge_rights(kernel, end);
    return rights;
}

int linux_pipe_of(struct linux_kernel *kernel, recap_badge end,
                  const struct linux_description *description, recap_badge *pipe,
                  struct recap_error *error)
{
    bool named = description->link[0] == '/';
    recap_badge inner;
    int result = linux_badge_inner(kernel, "pipe", named ? description->status.st_dev : 0,
                                   description->status.st_ino, &inner, error);
    if (result < 0)
        return result;
    struct live_pipe *live = linux_badge_kept(kernel, inner, release_live);
    if (!live) {
        live = calloc(1, sizeof *live);
        if (!live)
            return recap_fail(error, -ENOMEM, "noting a pipe");
        linux_badge_keep(kernel, inner, live, release_live);
    }
    if (live->moment != kernel->moment) {
        live->end = 0;
        live->packet_mode = false;
        live->moment = kernel->moment;
    }
    /* The content can only be copied from an end that may read. */
    if (!live->end || linux_badge_rights(kernel, end) & RECAP_RIGHT_READ)
        live->end = end;
    live->packet_mode |= (description->open_flags & O_DIRECT) != 0;
    if (named && (!live->path || strcmp(live->path, description->link) != 0)) {
        free(live->path);
        live->path = strdup(description->link);
        if (!live->path)
            return recap_fail(error, -ENOMEM, "noting a FIFO");
    }
    live->status = description->status;
    *pipe = inner;
    return 0;
}

/* Reads all of a copy, one read per packet; the lengths go into `packets`. */
static ssize_t read_packets(int fd, char *buffer, size_t size, struct recap_arena *arena,
                            struct recap_value *packets)
{
    size_t have = 0;
    while (have < size) {
        ssize_t count = read(fd, buffer + have, size - have);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno != EAGAIN)
            return -errno;
        if (count <= 0)
            break;
        recap_put_number(arena, packets, NULL, count);
        have += (size_t)count;
    }
    return (ssize_t)have;
}

/* Copies what is in the pipe that `fd` reads from, `size` bytes, into fresh memory. */
static int copy_content(int fd, int capacity, size_t size, char **content,
                        struct recap_arena *arena, struct recap_value *packets)
{
    int copy[2];
    if (pipe2(copy, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    char *buffer = malloc(size);
    ssize_t count = buffer ? 0 : -ENOMEM;
    /* A refusal does no harm as long as the content fits all the same. */
    if (count == 0 && capacity > fcntl(copy[1], F_GETPIPE_SZ))
        fcntl(copy[1], F_SETPIPE_SZ, capacity);
    if (count == 0 && (count = tee(fd, copy[1], size, SPLICE_F_NONBLOCK)) < 0)
        count = -errno;
    if (count >= 0)
        count = read_packets(copy[0], buffer, size, arena, packets);
    close(copy[0]);
    close(copy[1]);
    if (count >= 0 && (size_t)count != size)
        count = -EAGAIN;
    if (count < 0) {
        free(buffer);
        return (int)count;
    }
    *content = buffer;
    return 0;
}

static int describe_content(struct live_pipe *live, int fd, int capacity, bool still,
                            struct recap_arena *arena, struct recap_value *state,
                            struct recap_error *error)
{
    int waiting;
    if (ioctl(fd, FIONREAD, &waiting) < 0)
        return recap_fail(error, -errno, "asking how much is in a pipe");
    free(live->content);
    live->content = NULL;
    live->size = 0;
    /* While its users run, the content moves on, and what counts is that it can be asked for. */
    if (!waiting || !still)
        return 0;
    struct recap_value *packets = recap_put_list(arena, state, "packets");
    int result = copy_content(fd, capacity, (size_t)waiting, &live->content, arena, packets);
    if (result < 0)
        return recap_fail(error, result, "copying the content of a pipe");
    live->size = (size_t)waiting;
    recap_put_number(arena, state, "packet-mode", live->packet_mode);
    return 0;
}

/* Copying what is in a FIFO is reported to who watches it. */
static int refuse_watched(struct linux_kernel *kernel, const struct live_pipe *live, int fd,
                          struct recap_error *error)
{
    int waiting;
    struct stat file, directory;
    if (!live->path)
        return 0;
    if (ioctl(fd, FIONREAD, &waiting) < 0 || fstat(fd, &file) < 0)
        return recap_fail(error, -errno, "looking at FIFO %s", live->path);
    if (!waiting)
        return 0;
    char *above = strdup(live->path);
    if (!above)
        return recap_fail(error, -ENOMEM, "looking at a FIFO");
    char *slash = strrchr(above, '/');
    slash[slash == above] = '\0';
    int seen = stat(above, &directory) == 0 ? 1 : -errno;
    free(above);
    /* One that is gone, or that the caller may not look at, is not what this is about. */
    bool known = seen == 1;
    if (known || linux_procfs_gone(seen) || linux_procfs_hidden(seen) || seen == -ENOTDIR)
        seen = linux_outside_watched(kernel, &file, known ? &directory : NULL);
    if (seen <= 0)
        return seen < 0 ? recap_fail(error, seen, "looking for who watches FIFO %s", live->path)
                        : 0;
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "FIFO %s: %d bytes are in it, and those who watch it (inotify) would notice that "
                 "they are copied",
                 live->path, waiting);
    return recap_error_remedy(error, "try again once they have been read");
}

static int describe_removed(int fd, const char *path, struct recap_arena *arena,
                            struct recap_value *state, struct recap_error *error)
{
    char live[64];
    struct stat status;
    snprintf(live, sizeof live, "/proc/self/fd/%d", fd);
    if (fstat(fd, &status) < 0)
        return recap_fail(error, -errno, "looking at the removed FIFO %s", path);
    recap_put_text(arena, state, "removed", path);
    return linux_inode_describe(arena, state, &status, live, error);
}

/* An end that is in flight is described later than the pipe, and may be the only one that reads. */
static void find_reader(struct linux_kernel *kernel, struct live_pipe *live)
{
    recap_badge end = linux_badge_with_inode(kernel, live->status.st_ino, 0);
    if (linux_badge_rights(kernel, live->end) & RECAP_RIGHT_READ)
        return;
    while (end && !(linux_badge_rights(kernel, end) & RECAP_RIGHT_READ))
        end = linux_badge_with_inode(kernel, live->status.st_ino, end);
    if (end)
        live->end = end;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)description;
    struct live_pipe *live = linux_badge_kept(kernel, badge, release_live);
    if (!live)
        return recap_fail(error, -EINVAL, "nothing is known of a pipe");
    object->label = live->path ? recap_arena_printf(arena, "FIFO %s", live->path) : "pipe";
    struct recap_value *state = recap_record(arena);
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    find_reader(kernel, live);
    int result = linux_badge_fd(kernel, live->end, &fd, error);
    if (result < 0)
        return result;
    int capacity = fcntl(fd, F_GETPIPE_SZ);
    if (capacity < 0)
        return recap_fail(error, -errno, "asking for the capacity of a pipe");
    recap_put_number(arena, state, "capacity", capacity);
    if (linux_badge_rights(kernel, live->end) & RECAP_RIGHT_READ)
        result = refuse_watched(kernel, live, fd, error);
    if (result == 0 && linux_badge_rights(kernel, live->end) & RECAP_RIGHT_READ)
        result = describe_content(live, fd, capacity, linux_badge_is_still(kernel, live->end),
                                  arena, state, error);
    if (result == 0 && live->path) {
        enum linux_file_place place;
        const char *path;
        result = linux_file_locate(kernel, live->path, &live->status, arena, &place, &path, error);
        if (result == 0 && place == LINUX_FILE_NAMED)
            result = linux_file_identify(arena, state, path, place, LINUX_FILE_SAME, error);
        else if (result == 0)
            result = describe_removed(fd, path, arena, state, error);
        recap_put_number(arena, state, "ends",
                         linux_pipe_rights_inside(kernel, live->status.st_ino));
    }
    object->content = live->size;
    object->state = state;
    return result;
}

static ssize_t content(struct linux_kernel *kernel, recap_badge badge, uint64_t offset,
                       void *buffer, size_t size, struct recap_error *error)
{
    const struct live_pipe *live = linux_badge_kept(kernel, badge, release_live);
    if (!live)
        return recap_fail(error, -EINVAL, "nothing is known of a pipe");
    if (offset >= live->size)
        return 0;
    if (size > live->size - offset)
        size = live->size - offset;
    memcpy(buffer, live->content + offset, size);
    return (ssize_t)size;
}

/* Writes one stretch of the content; a packet if `packet`. */
static int write_stretch(int fd, const char *data, size_t size, bool packet)
{
    int flags = O_NONBLOCK | (packet ? O_DIRECT : 0);
    if (fcntl(fd, F_SETFL, flags) < 0)
        return -errno;
    ssize_t count = write(fd, data, size);
    return count < 0 ? -errno : (size_t)count == size ? 0 : -ENOSPC;
}

static int fill(const struct recap_creation *creation, const struct recap_object *object, int fd,
                struct recap_error *error)
{
    if (!object->content)
        return 0;
    char *buffer = malloc(object->content);
    if (!buffer)
        return recap_fail(error, -ENOMEM, "filling a pipe");
    uint64_t have = 0, done = 0;
    int result = 0;
    while (result == 0 && have < object->content) {
        ssize_t got = creation->content(creation->context, object->id, have, buffer + have,
                                        object->content - have);
        result = got < 0 ? (int)got : got == 0 ? -EIO : 0;
        have += got > 0 ? (uint64_t)got : 0;
    }
    const struct recap_value *packet = recap_items(object->state, "packets");
    bool packets =
        packet && (packet->next || recap_number_or(object->state, "packet-mode", 0) != 0);
    for (; result == 0 && packet && packets; packet = packet->next) {
        int64_t length = packet->type == RECAP_NUMBER ? packet->u.number : 0;
        if (length <= 0 || (uint64_t)length > have - done)
            result = -EPROTO;
        else
            /* No packet is longer than PIPE_BUF: such a stretch was written before the mode. */
            result = write_stretch(fd, buffer + done, (size_t)length, length <= PIPE_BUF);
        done += result == 0 ? (uint64_t)length : 0;
    }
    if (result == 0 && done < have)
        result = write_stretch(fd, buffer + done, have - done, false);
    if (result == 0 && fcntl(fd, F_SETFL, 0) < 0)
        result = -errno;
    free(buffer);
    if (result == -EPROTO)
        return linux_state_damaged(object, "packets", error);
    return result < 0 ? recap_fail(error, result, "filling a pipe") : 0;
}

/* No writer ever where there was none: readers tell that from one that has gone. */
static int fifo_mode(const struct recap_object *object)
{
    bool read_only =
        recap_number_or(object->state, "ends", 0) == RECAP_RIGHT_READ && !object->content;
    return read_only ? O_RDONLY | O_NONBLOCK : O_RDWR;
}

struct nameless {
    int mode;
    int fd;
};

static int make_nameless(void *context)
{
    struct nameless *made = context;
    if (mkfifo("fifo", 0600) < 0)
        return -errno;
    made->fd = open("fifo", made->mode | O_CLOEXEC);
    int result = made->fd < 0 ? -errno : 0;
    unlink("fifo");
    return result;
}

static int make_ends(struct linux_kernel *kernel, const struct recap_object *object,
                     struct made_pipe *made, struct recap_error *error)
{
    int ends[2];
    bool removed = recap_member(object->state, "removed");
    if (removed || recap_member(object->state, "path")) {
        struct nameless fifo = {.mode = fifo_mode(object), .fd = -1};
        int result = removed ? linux_apart_nowhere(kernel, make_nameless, &fifo)
                             : linux_file_open(object, fifo.mode, &fifo.fd, error);
        if (removed && result < 0)
            recap_fail(error, result, "making a removed FIFO again");
        made->reader = made->writer = fifo.fd;
        made->reader_taken = made->writer_taken = true; /* ends of it are opened by its name */
        return result;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return recap_fail(error, -errno, "making a pipe");
    made->reader = ends[0];
    made->writer = ends[1];
    return 0;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    int64_t capacity;
    if (recap_get_number(object->state, "capacity", &capacity) < 0 || capacity <= 0 ||
        capacity > INT32_MAX || object->content > (uint64_t)capacity)
        return linux_state_damaged(object, "capacity", error);
    struct made_pipe *made = calloc(1, sizeof *made);
    if (!made)
        return recap_fail(error, -ENOMEM, "making a pipe");
    int result = make_ends(kernel, object, made, error);
    if (result < 0) {
        free(made);
        return result;
    }
    int waiting = 0;
    if (fcntl(made->writer, F_GETPIPE_SZ) != capacity &&
        fcntl(made->writer, F_SETPIPE_SZ, (int)capacity) < 0)
        result = recap_fail(error, -errno, "giving a pipe a capacity of %lld bytes",
                            (long long)capacity);
    /* A FIFO that somebody else has kept open has its content still. */
    if (result == 0 && ioctl(made->reader, FIONREAD, &waiting) < 0)
        result = recap_fail(error, -errno, "asking how much is in a pipe");
    struct stat before;
    if (result == 0 && !waiting && fstat(made->writer, &before) < 0)
        result = recap_fail(error, -errno, "looking at a pipe");
    if (result == 0 && !waiting)
        result = fill(creation, object, made->writer, error);
    if (result == 0 && !waiting && object->content) {
        /* That was no writing of the component's. Only a FIFO's owner can take it back. */
        const struct timespec times[] = {before.st_atim, before.st_mtim};
        futimens(made->writer, times);
    }
    if (result == 0 && recap_member(object->state, "removed"))
        result = linux_inode_set(object, made->writer, error);
    if (result < 0) {
        release_made(made);
        return result;
    }
    return linux_badge_made(kernel, "pipe", made, release_made, badge, error);
}

int linux_pipe_open(struct linux_kernel *kernel, recap_badge pipe, int flags, int *fd,
                    struct recap_error *error)
{
    /* An image may name any other object here. */
    struct made_pipe *made = linux_badge_kept(kernel, pipe, release_made);
    if (!made)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                            "the image names as a pipe what is none");
    int mode = flags & O_ACCMODE, result = 0;
    bool *taken = mode == O_WRONLY ? &made->writer_taken : &made->reader_taken;
    int end = mode == O_WRONLY ? made->writer : made->reader;
    if (mode != O_RDWR && !(flags & LINUX_O_LARGEFILE) && !*taken) {
        /* The one that was not opened by a name is the one that the pipe was made with. */
        int own = fcntl(end, F_DUPFD_CLOEXEC, 0);
        result = own < 0 ? -errno : 0;
        *taken = own >= 0;
        if (own >= 0)
            *fd = own;
    } else {
        result = linux_file_reopen(end, mode | O_NONBLOCK, fd);
    }
    return result < 0 ? recap_fail(error, result, "opening an end of a pipe") : 0;
}

const struct linux_kind linux_kind_pipe = {
    .name = "pipe",
    .inner = true,
    .describe = describe,
    .content = content,
    .create = create,
};
