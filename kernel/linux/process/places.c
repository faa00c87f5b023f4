/* places.c: where a process stands in the file system: working and root directory, the file of its
 * program, and the mask of new files.
 *
 * A place is kept as a path together with the device and inode that it led to. At restore it has to
 * lead there again. What was removed is an object that is made again.
 */
#include "kernel/linux/batch/batch.h"
#include "kernel/linux/image_path.h"
#include "kernel/linux/memory/mapped.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/removed_directory.h"
#include "kernel/linux/objects/files/unlinked_file.h"
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name, *link, *what;
} places[] = {{"working_directory", "cwd", "the working directory"},
              {"root_directory", "root", "the root directory"},
              {"program", "exe", "the program's file"}};

enum { PLACE_COUNT = sizeof places / sizeof places[0] };

static int look(const struct linux_pd *pd, int place, char path[PATH_MAX], struct stat *status)
{
    ssize_t length = linux_procfs_link(pd->proc, places[place].link, path, PATH_MAX);
    if (length < 0)
        return (int)length;
    return fstatat(pd->proc, places[place].link, status, 0) < 0 ? -errno : 0;
}

/* Whether the path leads there: 1, 0 also where the caller may not follow it, or a negative errno.
 */
static int leads_there(const struct linux_pd *pd, int place, const char *path,
                       const struct stat *status, struct recap_error *error)
{
    int result = linux_path_leads(path, 0, status->st_dev, status->st_ino, NULL);
    if (result == -EACCES)
        return 0;
    return result < 0 ? recap_fail(error, result, "looking at %s, %s of process %d", path,
                                   places[place].what, pd->pid)
                      : result;
}

/* What no path leads to any more. `object`: the inner object that is made again for it, or 0 and
 * another `path` that leads to it. */
static int find_again(const struct linux_pd *pd, int place, const struct stat *status,
                      const char **path, recap_badge *object, struct recap_arena *arena,
                      struct recap_error *error)
{
    const char *link = *path;
    char live[64];
    enum linux_file_place found;
    int result = linux_file_locate(pd->kernel, link, status, arena, &found, path, error);
    *object = 0;
    if (result < 0 || found != LINUX_FILE_UNLINKED)
        return result;
    snprintf(live, sizeof live, "/proc/%d/%s", (int)pd->task, places[place].link);
    return S_ISDIR(status->st_mode)
               ? linux_removed_directory(pd->kernel, status, *path, live, object, error)
               : linux_mapped_program(pd->kernel, pd->task, status, link, object, error);
}

static int record_place(const struct linux_reading *reading, int place, struct recap_value *record,
                        struct recap_error *error)
{
    struct recap_arena *arena = reading->arena;
    char link[PATH_MAX];
    const char *path = link;
    struct stat status;
    recap_badge object = 0;
    int result = look(reading->pd, place, link, &status);
    if (result < 0)
        return recap_fail(error, result, "looking at %s of process %d", places[place].what,
                          reading->pd->pid);
    /* One that was just made stands where we do, which need not be where a path leads. */
    int leads = reading->pd->created ? 1 : leads_there(reading->pd, place, link, &status, error);
    result =
        leads == 0 ? find_again(reading->pd, place, &status, &path, &object, arena, error) : leads;
    if (result < 0)
        return result;
    recap_put_text(arena, record, "path", path);
    if (object) {
        recap_put_object(arena, record, S_ISDIR(status.st_mode) ? "directory" : "file", object);
        return 0;
    }
    recap_put_hex(arena, record, "device", status.st_dev);
    recap_put_hex(arena, record, "inode", status.st_ino);
    return 0;
}

int linux_places_record(const struct linux_reading *reading, struct recap_value *state,
                        struct recap_error *error)
{
    struct recap_arena *arena = reading->arena;
    int result = 0;
    for (int i = 0; result == 0 && i < PLACE_COUNT; i++)
        result = record_place(reading, i, recap_put_record(arena, state, places[i].name), error);
    if (result < 0)
        return result;
    const char *mask = linux_procfs_field(reading->status, "Umask");
    recap_put_number(arena, state, "new_file_mask", mask ? strtol(mask, NULL, 8) : 022);
    return 0;
}

/* Whether what has no name could be made again. */
static int examine_lost(struct linux_pd *pd, int place, const char *link, const struct stat *status,
                        struct recap_error *error)
{
    struct recap_arena *arena = recap_arena_new();
    struct recap_object object = {.id = 1};
    recap_badge badge;
    if (!arena)
        return recap_fail(error, -ENOMEM, "looking at %s", places[place].what);
    int result = find_again(pd, place, status, &link, &badge, arena, error);
    if (result == 0 && badge)
        result = linux_describe(&pd->kernel->base, badge, arena, &object, error);
    recap_arena_free(arena);
    return result;
}

int linux_places_examine(struct linux_pd *pd, struct recap_refusals *refusals,
                         struct recap_error *error)
{
    for (int i = 0; i < PLACE_COUNT; i++) {
        char path[PATH_MAX];
        struct stat status;
        struct recap_error why = {0};
        int result = look(pd, i, path, &status);
        if (result < 0)
            return recap_fail(error, result, "looking at %s of process %d", places[i].what,
                              pd->pid);
        result = leads_there(pd, i, path, &status, error);
        if (result < 0)
            return result;
        if (result > 0)
            continue;
        result = examine_lost(pd, i, path, &status, &why);
        if (result == -EOPNOTSUPP)
            result = recap_refusals_say(refusals, why.remedy[0] ? why.remedy : NULL,
                                        "%s of process %d: %s", places[i].what, pd->pid, why.what);
        else if (result < 0 && error)
            *error = why;
        if (result < 0)
            return result;
    }
    return 0;
}

static int open_named(const struct recap_value *record, const char *name, int flags, int *fd,
                      struct recap_error *error)
{
    const char *path;
    uint64_t device, inode;
    struct stat status;
    if (recap_get_text(record, "path", &path) < 0 || recap_get_hex(record, "device", &device) < 0 ||
        recap_get_hex(record, "inode", &inode) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the attribute %s is malformed", name);
    int named, opened;
    int result = linux_image_path_open(path, flags & O_DIRECTORY, &named);
    if (result == -EBADMSG)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the attribute %s is malformed", name);
    if (result < 0)
        return recap_fail(error, result, "opening %s, which was the component's %s", path, name);
    if (fstat(named, &status) < 0 || status.st_dev != device || status.st_ino != inode) {
        close(named);
        recap_refuse(error, RECAP_FAILED, -ESTALE,
                     "%s, which was the component's %s, is another one now", path, name);
        return recap_error_remedy(error, "put the original back (device %#llx, inode %llu)",
                                  (unsigned long long)device, (unsigned long long)inode);
    }
    if (flags & O_PATH) {
        *fd = named;
        return 0;
    }
    /* Whatever the image calls a program, no device is opened for it. */
    bool file = S_ISREG(status.st_mode);
    result = file ? linux_file_reopen(named, flags, &opened) : -EACCES;
    close(named);
    if (result < 0)
        return recap_fail(error, result, "opening %s, which was the component's %s", path, name);
    *fd = opened;
    return 0;
}

int linux_place_open(struct linux_kernel *kernel, const struct recap_creation *creation,
                     const struct recap_value *want, const char *name, int flags, int *fd,
                     struct recap_error *error)
{
    const struct recap_value *record = recap_member(want, name);
    /* It names what was made again as the state of an object does. */
    const struct recap_object place = {.kind = name,
                                       .label = recap_text_or_null(record, "path"),
                                       .state = (struct recap_value *)record};
    if (recap_member(record, "directory"))
        return linux_removed_directory_open(kernel, creation, &place, flags, fd, error);
    if (recap_member(record, "file"))
        return linux_unlinked_open(kernel, creation, &place, flags, fd, error);
    return open_named(record, name, flags, fd, error);
}

static bool same_place(const struct recap_value *a, const struct recap_value *b, const char *name)
{
    return recap_value_equal(recap_member(a, name), recap_member(b, name));
}

static int step_directory(struct linux_steps *steps, struct linux_kernel *kernel,
                          const struct recap_creation *creation, const struct recap_value *want,
                          const char *name, struct recap_error *error)
{
    int fd;
    int result = linux_place_open(kernel, creation, want, name, O_PATH | O_DIRECTORY, &fd, error);
    if (result < 0)
        return result;
    size_t call = linux_step(steps, "entering a directory", SYS_fchdir, 0);
    linux_steps_send(steps, fd, call, 0);
    return 0;
}

int linux_places_set(struct linux_steps *steps, struct linux_kernel *kernel,
                     const struct recap_creation *creation, const struct recap_value *want,
                     const struct recap_value *have, struct recap_error *error)
{
    int64_t mask;
    bool root = !same_place(want, have, "root_directory");
    int result = 0;
    if (root) {
        static const char here[] = ".";
        result = step_directory(steps, kernel, creation, want, "root_directory", error);
        uint64_t at = linux_batch_put(linux_steps_batch(steps), here, sizeof here);
        linux_step(steps, "changing the root directory", SYS_chroot, at);
    }
    if (result == 0 && (root || !same_place(want, have, "working_directory")))
        result = step_directory(steps, kernel, creation, want, "working_directory", error);
    if (result < 0)
        return result;
    if (recap_get_number(want, "new_file_mask", &mask) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the mask of new files is malformed");
    linux_step(steps, "setting the mask of new files", SYS_umask, mask);
    return 0;
}
