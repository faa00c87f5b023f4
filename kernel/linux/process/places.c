/* places.c: where a process stands in the file system: working and root directory, the file of its
 * program, and the mask of new files.
 *
 * A place is kept as a path together with the device and inode that it led to. At restore it has to
 * lead there again.
 */
#include "kernel/linux/concerns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

int linux_places_record(const struct linux_reading *reading, struct recap_value *state,
                        struct recap_error *error)
{
    struct recap_arena *arena = reading->arena;
    for (int i = 0; i < PLACE_COUNT; i++) {
        char path[PATH_MAX];
        struct stat status;
        int result = look(reading->pd, i, path, &status);
        if (result < 0)
            return recap_fail(error, result, "looking at %s of process %d", places[i].what,
                              reading->pd->pid);
        struct recap_value *record = recap_put_record(arena, state, places[i].name);
        recap_put_text(arena, record, "path", path);
        recap_put_hex(arena, record, "device", status.st_dev);
        recap_put_hex(arena, record, "inode", status.st_ino);
    }
    const char *mask = linux_procfs_field(reading->status, "Umask");
    recap_put_number(arena, state, "new_file_mask", mask ? strtol(mask, NULL, 8) : 022);
    return 0;
}

int linux_places_examine(struct linux_pd *pd, struct recap_refusals *refusals,
                         struct recap_error *error)
{
    for (int i = 0; i < PLACE_COUNT; i++) {
        char path[PATH_MAX];
        struct stat status, there;
        int result = look(pd, i, path, &status);
        if (result < 0)
            return recap_fail(error, result, "looking at %s of process %d", places[i].what,
                              pd->pid);
        if (stat(path, &there) == 0 && there.st_dev == status.st_dev &&
            there.st_ino == status.st_ino)
            continue;
        result = recap_refusals_say(refusals,
                                    i == 2 ? "start the program again from a file that stays"
                                           : "have the program change to another directory",
                                    "%s of process %d is %s, where no other process can find it",
                                    places[i].what, pd->pid, path);
        if (result < 0)
            return recap_fail(error, result, "looking at %s", places[i].what);
    }
    return 0;
}

int linux_place_open(const struct recap_value *want, const char *name, int flags, int *fd,
                     struct recap_error *error)
{
    const struct recap_value *record = recap_member(want, name);
    const char *path;
    uint64_t device, inode;
    struct stat status;
    if (recap_get_text(record, "path", &path) < 0 || recap_get_hex(record, "device", &device) < 0 ||
        recap_get_hex(record, "inode", &inode) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the attribute %s is malformed", name);
    int opened = open(path, flags | O_CLOEXEC);
    if (opened < 0)
        return recap_fail(error, -errno, "opening %s, which was the component's %s", path, name);
    if (fstat(opened, &status) < 0 || status.st_dev != device || status.st_ino != inode) {
        close(opened);
        recap_refuse(error, RECAP_FAILED, -ESTALE,
                     "%s, which was the component's %s, is another one now", path, name);
        return recap_error_remedy(error, "put the original back (device %#llx, inode %llu)",
                                  (unsigned long long)device, (unsigned long long)inode);
    }
    *fd = opened;
    return 0;
}

static bool same_place(const struct recap_value *a, const struct recap_value *b, const char *name)
{
    return recap_value_equal(recap_member(a, name), recap_member(b, name));
}

static int step_directory(struct linux_steps *steps, const struct recap_value *want,
                          const char *name, struct recap_error *error)
{
    int fd;
    int result = linux_place_open(want, name, O_PATH | O_DIRECTORY, &fd, error);
    if (result < 0)
        return result;
    size_t call = linux_step(steps, "entering a directory", SYS_fchdir, 0);
    linux_steps_send(steps, fd, call, 0);
    return 0;
}

int linux_places_set(struct linux_steps *steps, const struct recap_value *want,
                     const struct recap_value *have, struct recap_error *error)
{
    int64_t mask;
    bool root = !same_place(want, have, "root_directory");
    int result = 0;
    if (root) {
        static const char here[] = ".";
        result = step_directory(steps, want, "root_directory", error);
        uint64_t at = linux_batch_put(linux_steps_batch(steps), here, sizeof here);
        linux_step(steps, "changing the root directory", SYS_chroot, at);
    }
    if (result == 0 && (root || !same_place(want, have, "working_directory")))
        result = step_directory(steps, want, "working_directory", error);
    if (result < 0)
        return result;
    if (recap_get_number(want, "new_file_mask", &mask) < 0)
        return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the mask of new files is malformed");
    linux_step(steps, "setting the mask of new files", SYS_umask, mask);
    return 0;
}
