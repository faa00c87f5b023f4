/* memfd.c: descriptions open on memory files. Several may share one file, which is an object of its
 * own (shared_memory.c), each with its own offset and access mode. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/files/file_locks.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/outside.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char prefix[] = "/memfd:";
static const char suffix[] = " (deleted)";

static bool recognise(const struct linux_description *description)
{
    const char *link = description->link;
    size_t length = strlen(link);
    return S_ISREG(description->status.st_mode) && description->status.st_nlink == 0 &&
           !(description->open_flags & O_PATH) && length >= sizeof prefix + sizeof suffix - 2 &&
           strncmp(link, prefix, sizeof prefix - 1) == 0 &&
           strcmp(link + length - (sizeof suffix - 1), suffix) == 0;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)badge;
    uint64_t position;
    if (!linux_fdinfo_number(description->fdinfo, "pos", 10, &position))
        return recap_fail(error, -EPROTO, "the kernel does not tell the offset of the memfd");
    struct recap_value *state = recap_record(arena);
    recap_badge file;
    int result = linux_status_flags_describe(description, arena, state, error);
    if (result == 0)
        result = linux_outside_refuse(kernel, description, error);
    if (result == 0)
        result =
            linux_shared_memory_held(kernel, (struct linux_home){description->pid, description->fd},
                                     &description->status, &file, error);
    if (result < 0)
        return result;
    recap_put_object(arena, state, "file", file);
    recap_put_hex(arena, state, "offset", position);
    recap_put_text(arena, state, "link", description->link);
    result = linux_file_locks_describe(description, arena, state, error);
    if (result < 0)
        return result;
    object->state = state;
    object->label = recap_arena_text(arena, description->link);
    return 0;
}

static bool may_read_and_write(const struct recap_object *object, uint64_t file)
{
    uint64_t named, flags;
    return strcmp(object->kind, linux_kind_memfd.name) == 0 &&
           recap_get_object(object->state, "file", &named) == 0 && named == file &&
           recap_get_hex(object->state, "flags", &flags) == 0 && (flags & O_ACCMODE) == O_RDWR;
}

/* Whether this is the description that the memory was made with, by which alone it can be written
 * and executed. Where something else was open for writing too, it is taken to be the first. */
static bool is_original(const struct recap_graph *graph, const struct recap_object *object,
                        uint64_t file)
{
    int64_t counted =
        recap_number_or(recap_graph_object(graph, file)->state, "open-for-writing", -1);
    if (!may_read_and_write(object, file))
        return false;
    /* Then there is no other. */
    if (counted == 0)
        return true;
    size_t before = 0, all = 0;
    for (size_t i = 0; i < graph->object_count; i++)
        if (may_read_and_write(&graph->objects[i], file)) {
            all++;
            before += graph->objects[i].id < object->id;
        }
    return before == 0 && (counted < 0 || all > 1);
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    uint64_t file, flags, offset;
    if (recap_get_object(object->state, "file", &file) < 0 ||
        !recap_graph_object(creation->graph, file))
        return linux_state_damaged(object, "file", error);
    if (recap_get_hex(object->state, "flags", &flags) < 0)
        return linux_state_damaged(object, "flags", error);
    if (recap_get_hex(object->state, "offset", &offset) < 0 || offset > INT64_MAX)
        return linux_state_damaged(object, "offset", error);
    int fd;
    bool original = is_original(creation->graph, object, file);
    int result = original
                     ? linux_badge_fd(kernel, creation->badges[file], &fd, error)
                     : linux_shared_memory_open(kernel, creation->badges[file],
                                                ((int)flags & O_ACCMODE) | O_CLOEXEC, &fd, error);
    if (result < 0)
        return result;
    if (lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        result = recap_fail(error, -errno, "setting the offset of a memfd");
        close(fd);
        return result;
    }
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    const char *link = recap_text_or_null(object->state, "link");
    if (!link || strcmp(link, description->link) != 0)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is %s", description->link);
    return 0;
}

const struct linux_kind linux_kind_memfd = {
    .name = "memfd",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .tie = linux_file_locks_tie,
    .compare = compare,
};
