/* process_file.c: files and directories of /proc, also those that speak of the component itself. */
#include "kernel/linux/objects/files/process_file.h"
#include "kernel/linux/objects/kinds.h"

#include "kernel/linux/image_path.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/virtual_file.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number that a process has for itself, in its own PID namespace; 0 if it is gone. */
static long own_number(const struct linux_description *description)
{
    char path[32], status[8192];
    if (!description->pid)
        return getpid();
    snprintf(path, sizeof path, "/proc/%d/status", (int)description->pid);
    if (linux_procfs_read_into(AT_FDCWD, path, status, sizeof status) < 0)
        return 0;
    const char *numbers = linux_procfs_field(status, "NSpid");
    long own = 0;
    for (char *end; numbers && *numbers != '\n'; numbers = end) {
        own = strtol(numbers, &end, 10);
        if (end == numbers)
            break;
    }
    return own;
}

static pid_t holder(const struct linux_description *description)
{
    return description->pid ? description->pid : getpid();
}

/* Whether the file is of a /proc that is mounted where its holder is, and not here: in a PID
 * namespace of its own. */
static bool is_of_another_proc(const struct linux_description *description)
{
    char path[48];
    struct stat theirs, ours;
    snprintf(path, sizeof path, "/proc/%d/root/proc", holder(description));
    return stat(path, &theirs) == 0 && stat("/proc", &ours) == 0 &&
           description->status.st_dev == theirs.st_dev && theirs.st_dev != ours.st_dev;
}

int linux_process_file_locate(struct linux_kernel *kernel,
                              const struct linux_description *description,
                              struct recap_arena *arena, enum linux_file_place *place,
                              const char **path, struct recap_error *error)
{
    if (strncmp(description->link, "/proc", 5) == 0 && is_of_another_proc(description)) {
        *place = LINUX_FILE_VIRTUAL;
        *path = recap_arena_text(arena, description->link);
        return *path ? 0 : recap_fail(error, -ENOMEM, "locating %s", description->link);
    }
    return linux_file_locate(kernel, description->link, &description->status, arena, place, path,
                             error);
}

/* A file in /proc is kept by its path there. One that speaks of a process has to be about the
 * component itself, as a whole, and is kept with the number that the component has for itself. */
int linux_process_file_identify(const struct linux_description *description, const char *path,
                                struct recap_arena *arena, struct recap_value *state,
                                struct recap_error *error)
{
    char *end = NULL;
    long pid = strncmp(path, "/proc/", 6) == 0 ? strtol(path + 6, &end, 10) : 0, own;
    bool another = is_of_another_proc(description);
    int result = linux_virtual_file_stateless(description, path, error);
    if (result == 0 && !another && !(description->open_flags & O_PATH))
        result = linux_file_accessible(path, (int)description->open_flags, error);
    if (result < 0)
        return result;
    if (strncmp(path, "/proc", 5) != 0 || (path[5] && path[5] != '/')) {
        recap_put_text(arena, state, "path", path);
        return 0;
    }
    if (!end || end == path + 6 || (*end && *end != '/')) {
        recap_put_text(arena, state, "entry", path[5] ? path + 6 : "");
        return 0;
    }
    bool thread = strncmp(end, "/task/", 6) == 0;
    own = own_number(description);
    if (own <= 0 || thread || pid != (another ? own : holder(description)))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s speaks of %s, which need not be there at restore", path,
                            thread ? "one thread" : "another process");
    recap_put_number(arena, state, "process", own);
    recap_put_text(arena, state, "entry", *end ? end + 1 : "");
    return 0;
}

/* The path of the entry below the /proc that the component will see. There a process has the number
 * that it knows itself by, and here the one that it was made with. */
static char *path_of(struct linux_kernel *kernel, const char *file, int64_t process)
{
    char *path;
    pid_t pid = process ? linux_pd_born(kernel, (pid_t)process) : 0;
    int64_t number = kernel->own_proc >= 0 || !pid ? process : pid;
    int length = process ? asprintf(&path, "%lld/%s", (long long)number, file)
                         : asprintf(&path, "%s", *file ? file : ".");
    return length < 0 ? NULL : path;
}

/* Of no process but those of the image: "self" would be us. Objects that are made without a process
 * are those of ours. */
static bool is_of_the_image(const struct linux_kernel *kernel, const char *file, int64_t process)
{
    if (*file == '/' || strstr(file, "..") || process < 0 || process > INT32_MAX)
        return false;
    if (process)
        return kernel->born ? linux_pd_born(kernel, (pid_t)process) != 0 : process == getpid();
    return (*file < '0' || *file > '9') && strncmp(file, "self", 4) != 0 &&
           strncmp(file, "thread-self", 11) != 0;
}

/* `named` is what no link of /proc led to, and none is followed now, whether the description shows
 * that or not. */
static int open_named(int proc, const char *path, int named, int flags, int *fd)
{
    struct stat status;
    if (fstat(named, &status) < 0)
        return -errno;
    if (!(flags & O_PATH) && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))
        return -EBADMSG;
    if (!(flags & O_NOFOLLOW))
        return linux_file_reopen(named, flags, fd);
    int opened = openat(proc, path, flags | O_NOCTTY | O_CLOEXEC);
    if (opened < 0)
        return -errno;
    *fd = opened;
    return 0;
}

int linux_process_file_open(struct linux_kernel *kernel, const struct recap_object *object,
                            int flags, int *fd, struct recap_error *error)
{
    const char *file = recap_text_or_null(object->state, "entry");
    int64_t process = recap_number_or(object->state, "process", 0);
    if (!file || !is_of_the_image(kernel, file, process))
        return linux_state_damaged(object, "process", error);
    char *path = path_of(kernel, file, process);
    if (!path)
        return recap_fail(error, -ENOMEM, "opening a file of /proc");
    __attribute__((cleanup(linux_close_descriptor))) int proc =
        kernel->own_proc >= 0 ? fcntl(kernel->own_proc, F_DUPFD_CLOEXEC, 0)
                              : open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    __attribute__((cleanup(linux_close_descriptor))) int named = -1;
    int result = linux_image_path_below(proc, path, O_NOFOLLOW, &named);
    if (result == 0)
        result = open_named(proc, path, named, flags, fd);
    if (result == -EBADMSG)
        linux_state_damaged(object, "entry", error);
    else if (result < 0)
        recap_fail(error, result, "opening /proc/%s", path);
    free(path);
    return result;
}

bool linux_process_file_is(const struct recap_object *object)
{
    return recap_member(object->state, "entry") != NULL;
}
