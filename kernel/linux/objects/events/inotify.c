/* inotify.c: inotify instances and their watches.
 *
 * The kernel names what is watched by inode. What is to be watched is found in tie(), and the
 * watches are set when the component starts, under the numbers that they had: until then files are
 * opened and closed that they would report. Events that wait cannot be
 * looked at without taking them, so an instance that has some is refused. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/events/watched_path.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* <linux/inotify.h> has it, but cannot be included beside <sys/inotify.h>. */
#ifndef INOTIFY_IOC_SETNEXTWD
#define INOTIFY_IOC_SETNEXTWD _IOW('I', 0, int32_t)
#endif

struct watch {
    int number;
    uint32_t mask;
    struct linux_watched file;
};

static bool recognise(const struct linux_description *description)
{
    return strcmp(description->link, "anon_inode:inotify") == 0;
}

static bool parse_handle(const char *line, struct linux_watched *file)
{
    const char *handle = strstr(line, "fhandle-bytes:"), *bytes = strstr(line, "f_handle:");
    const char *end = strchrnul(line, '\n');
    unsigned length, type;
    /* A watch without one must not take the next one's. */
    if (!handle || !bytes || handle > end || bytes > end ||
        linux_procfs_scan(handle, "fhandle-bytes:%x fhandle-type:%x", &length, &type) != 2 ||
        length > sizeof file->handle)
        return false;
    bytes += strlen("f_handle:");
    for (unsigned i = 0; i < length; i++)
        if (linux_procfs_scan(bytes + 2 * i, "%2hhx", &file->handle[i]) != 1)
            return false;
    file->handle_length = length;
    file->handle_type = (int)type;
    return true;
}

static bool parse(const char *line, struct watch *watch)
{
    unsigned long long inode;
    unsigned number, device, mask;
    if (linux_procfs_scan(line, "inotify wd:%x ino:%llx sdev:%x mask:%x", &number, &inode, &device,
                          &mask) != 4)
        return false;
    *watch = (struct watch){.number = (int)number, .mask = mask};
    watch->file.inode = inode;
    watch->file.device = makedev(device >> 20, device & 0xfffff);
    const char *end = strchr(line, '\n');
    const char *handle = strstr(line, "fhandle-bytes:");
    if (handle && (!end || handle < end))
        parse_handle(line, &watch->file);
    return true;
}

/* --- paths found before: the search is not repeated during the pause ---------- */

struct found {
    struct found *next;
    dev_t device;
    uint64_t inode;
    char path[];
};

static void release(void *data)
{
    for (struct found *found = data, *next; found; found = next) {
        next = found->next;
        free(found);
    }
}

static int find_path(struct linux_kernel *kernel, recap_badge badge, pid_t pid,
                     const struct linux_watched *file, char path[PATH_MAX])
{
    struct found *all = linux_badge_kept(kernel, badge, release);
    for (const struct found *found = all; found; found = found->next)
        if (found->device == file->device && found->inode == file->inode &&
            linux_watched_is(file, found->path) == 1) {
            snprintf(path, PATH_MAX, "%s", found->path);
            return 0;
        }
    int result = linux_watched_path(kernel, pid, file, path);
    struct found *found = result < 0 ? NULL : malloc(sizeof *found + strlen(path) + 1);
    if (!found)
        return result;
    found->device = file->device;
    found->inode = file->inode;
    strcpy(found->path, path);
    found->next = all ? all->next : NULL;
    if (all)
        all->next = found;
    else
        linux_badge_keep(kernel, badge, found, release);
    return 0;
}

/* --- describe ----------------------------------------------------------------- */

static int describe_watch(struct linux_kernel *kernel, recap_badge badge,
                          const struct linux_description *description, const struct watch *watch,
                          struct recap_arena *arena, struct recap_value *list,
                          struct recap_error *error)
{
    char path[PATH_MAX];
    struct stat status;
    enum linux_file_place place;
    const char *located;
    int result = find_path(kernel, badge, description->pid, &watch->file, path);
    if (result < 0 && result != -ENOENT)
        return recap_fail(error, result, "looking for the path of inotify watch %d", watch->number);
    if (result < 0)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "inotify watch %d is of inode %llu on device %u:%u, whose path cannot "
                            "be found%s",
                            watch->number, (unsigned long long)watch->file.inode,
                            major(watch->file.device), minor(watch->file.device),
                            geteuid() ? " without root" : "");
    if (lstat(path, &status) < 0)
        return recap_fail(error, -errno, "looking at %s", path);
    result = linux_file_locate(kernel, path, &status, arena, &place, &located, error);
    if (result < 0)
        return result;
    struct recap_value *record = recap_put_record(arena, list, NULL);
    recap_put_number(arena, record, "number", watch->number);
    recap_put_hex(arena, record, "mask", watch->mask);
    return linux_file_identify(arena, record, located, place, LINUX_FILE_SAME, error);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct recap_value *state = recap_record(arena);
    int waiting = 0;
    size_t count = 0;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result == 0)
        result = linux_status_flags_describe(description, arena, state, error);
    if (result < 0)
        return result;
    if (ioctl(fd, FIONREAD, &waiting) < 0)
        return recap_fail(error, -errno, "looking into an inotify instance");
    struct recap_value *ties = recap_put_record(arena, state, "ties");
    struct recap_value *list = recap_put_list(arena, ties, "watches");
    for (const char *line = description->fdinfo; line; line = linux_fdinfo_next(line)) {
        struct watch watch;
        if (!parse(line, &watch))
            continue;
        result = describe_watch(kernel, badge, description, &watch, arena, list, error);
        if (result < 0)
            return result;
        count++;
    }
    object->label =
        recap_arena_printf(arena, "inotify, %zu watch%s", count, count == 1 ? "" : "es");
    if (waiting) {
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "%d bytes of events wait in the inotify instance, which nobody can look at "
                     "without taking them",
                     waiting);
        return recap_error_remedy(error, "try again once the component has read them");
    }
    object->state = state;
    return 0;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    int fd = inotify_init1(IN_CLOEXEC);
    if (fd < 0)
        return recap_fail(error, -errno, "creating an inotify instance");
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

/* A watch that is set when its component starts. */
struct linux_watch_due {
    struct linux_watch_due *next;
    int instance;
    int place; /* what is watched, as a mere name */
    int number;
    uint32_t mask;
    char label[];
};

static void free_due(struct linux_watch_due *due)
{
    close(due->instance);
    linux_close_descriptor(&due->place);
    free(due);
}

void linux_watches_forget(struct linux_kernel *kernel)
{
    for (struct linux_watch_due *due; (due = kernel->watches_due);) {
        kernel->watches_due = due->next;
        free_due(due);
    }
}

static int set_watch(const struct linux_watch_due *due, struct recap_error *error)
{
    /* Numbers are not given twice before they run out: the last one that is due stands for those
     * that were given and taken back. */
    if (ioctl(due->instance, INOTIFY_IOC_SETNEXTWD, due->number) < 0)
        return due->place < 0 ? 0 : recap_fail(error, -errno, "numbering an inotify watch");
    if (due->place < 0)
        return 0;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", due->place);
    int made = inotify_add_watch(due->instance, path, due->mask);
    if (made < 0)
        return recap_fail(error, -errno, "watching %s", due->label);
    if (made != due->number)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "inotify watch %d got number %d",
                            due->number, made);
    return 0;
}

int linux_watches_set(struct linux_kernel *kernel, struct recap_error *error)
{
    int result = 0;
    for (const struct linux_watch_due *due = kernel->watches_due; result == 0 && due;
         due = due->next)
        result = set_watch(due, error);
    linux_watches_forget(kernel);
    return result;
}

/* Takes `instance` and `place` over, also when it fails. */
static int add_due(struct linux_watch_due **last, int instance, int place, int number,
                   uint32_t mask, const char *label)
{
    size_t size = strlen(label) + 1;
    struct linux_watch_due *due = instance < 0 ? NULL : malloc(sizeof *due + size);
    if (!due) {
        linux_close_descriptor(&instance);
        linux_close_descriptor(&place);
        return -ENOMEM;
    }
    *due = (struct linux_watch_due){
        .next = *last, .instance = instance, .place = place, .number = number, .mask = mask};
    memcpy(due->label, label, size);
    *last = due;
    return 0;
}

static int find_place(const struct recap_object *object, const struct recap_value *record,
                      int *place, struct recap_error *error)
{
    /* The record identifies its file as the state of a file does. */
    const struct recap_object file = {.id = object->id,
                                      .kind = object->kind,
                                      .label = recap_text_or_null(record, "path"),
                                      .state = (struct recap_value *)record};
    return linux_file_open(&file, O_PATH | O_NOFOLLOW, place, error);
}

static int tie(struct linux_pd *pd, const struct recap_creation *creation,
               const struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int highest = 0;
    int result = linux_badge_fd(pd->kernel, creation->badges[object->id], &fd, error);
    struct linux_watch_due **last = &pd->kernel->watches_due;
    const struct recap_value *list = recap_items(recap_member(object->state, "ties"), "watches");
    while (*last)
        last = &(*last)->next;
    for (const struct recap_value *v = list; v && result == 0; v = v->next) {
        int64_t number;
        uint64_t mask;
        int place = -1;
        const char *label = recap_text_or_null(v, "path");
        if (recap_get_number(v, "number", &number) < 0 || number < 1 || number > INT32_MAX ||
            recap_get_hex(v, "mask", &mask) < 0 || mask > UINT32_MAX)
            return linux_state_damaged(object, "watches", error);
        result = find_place(object, v, &place, error);
        if (result == 0 && add_due(last, fcntl(fd, F_DUPFD_CLOEXEC, 0), place, (int)number,
                                   (uint32_t)mask, label ? label : "a file") < 0)
            result = recap_fail(error, -ENOMEM, "setting inotify watches");
        if (result == 0)
            last = &(*last)->next;
        if (number > highest)
            highest = (int)number;
    }
    if (result == 0 && highest && highest < INT32_MAX &&
        add_due(last, fcntl(fd, F_DUPFD_CLOEXEC, 0), -1, highest + 1, 0, "") < 0)
        result = recap_fail(error, -ENOMEM, "setting inotify watches");
    return result;
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)description;
    (void)object;
    (void)error;
    return 0; /* what it watches is state: inotify_add_watch(2) changes it */
}

const struct linux_kind linux_kind_inotify = {
    .name = "inotify",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .tie = tie,
    .compare = compare,
};
