/* file.c: binding a Unix socket to a file that others find it by.
 *
 * bind(2) makes the file under the name that the socket will tell for ever after. Where the file
 * had another name at the checkpoint, it is renamed at once; where the name does not lead to its
 * directory any more, the name is followed in a root directory in which it does. All of this
 * happens in a process of its own, which runs to its end even if we are killed. */
#include "kernel/linux/objects/sockets/unix/file.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/image_path.h"
#include "kernel/linux/objects/apart.h"
#include "kernel/linux/objects/sockets/nowhere.h"
#include "kernel/linux/objects/sockets/unix/name.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct binding {
    int fd;
    struct sockaddr_un address;
    socklen_t length;
    const char *name;  /* the same as text */
    int folder;        /* that the file is to be in */
    const char *file;  /* its name there */
    const char *first; /* its name there when it is bound */
    int start;         /* a directory to bind in; -1: wherever we are */
    mode_t mode;
    bool waits;          /* a dead socket has the name, and waits aside meanwhile */
    char aside[32];      /* its name then; or that of a directory that the socket is bound in */
    char path[PATH_MAX]; /* of the folder, or of that directory */
};

/* Whether a socket file is a dead one: no socket is bound to it any more. */
static bool is_dead(int folder, const char *name)
{
    struct stat status;
    __attribute__((cleanup(linux_close_descriptor))) int place =
        openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (place < 0 || fstat(place, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    /* A datagram socket disturbs nobody: it is told whether somebody is there, whatever the type.
     */
    __attribute__((cleanup(linux_close_descriptor))) int fd =
        socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place);
    return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0 &&
           errno == ECONNREFUSED;
}

/* --- when the restore fails --------------------------------------------------------------------
 */

struct made_file {
    int folder;
    char name[];
};

/* Runs when the kernel is closed, after the descriptors that we held ourselves: if nobody holds the
 * socket then, the restore has failed, and leaves no file behind. */
static void remove_dead(void *data)
{
    struct made_file *made = data;
    if (is_dead(made->folder, made->name))
        unlinkat(made->folder, made->name, 0);
    close(made->folder);
    free(made);
}

static int watch_file(struct linux_kernel *kernel, int folder, const char *name,
                      struct recap_error *error)
{
    recap_badge ignored;
    size_t length = strlen(name) + 1;
    struct made_file *made = malloc(sizeof *made + length);
    if (!made)
        return recap_fail(error, -ENOMEM, "binding a socket");
    memcpy(made->name, name, length);
    made->folder = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    int result = made->folder < 0
                     ? recap_fail(error, -errno, "binding a socket")
                     : linux_badge_made(kernel, "unix-file", made, remove_dead, &ignored, error);
    if (result < 0 && made->folder >= 0)
        close(made->folder);
    if (result < 0)
        free(made);
    return result;
}

/* --- binding -----------------------------------------------------------------------------------
 */

static int rename_to(const struct binding *binding, const char *from, const char *to)
{
    return renameat(binding->folder, from, binding->folder, to) < 0 ? -errno : 0;
}

static int bind_apart(void *context)
{
    struct binding *binding = context;
    if (binding->start >= 0 && fchdir(binding->start) < 0)
        return -errno;
    umask(0777 & ~binding->mode);
    int result = binding->waits ? rename_to(binding, binding->file, binding->aside) : 0;
    if (result < 0)
        return result;
    if (bind(binding->fd, (struct sockaddr *)&binding->address, binding->length) < 0)
        result = -errno;
    if (result == 0 && strcmp(binding->first, binding->file) != 0 &&
        (result = rename_to(binding, binding->first, binding->file)) < 0)
        unlinkat(binding->folder, binding->first, 0);
    if (binding->waits && result < 0)
        rename_to(binding, binding->aside, binding->file);
    else if (binding->waits)
        unlinkat(binding->folder, binding->aside, 0);
    return result;
}

static int bind_only(void *context)
{
    struct binding *binding = context;
    umask(0777 & ~binding->mode);
    return bind(binding->fd, (struct sockaddr *)&binding->address, binding->length) < 0 ? -errno
                                                                                        : 0;
}

/* Something else has the first name: the socket is bound to it in a directory of its own, and comes
 * out of there with the other one. */
static int bind_inside(void *context)
{
    struct binding *binding = context;
    if (mkdirat(binding->folder, binding->aside, 0700) < 0)
        return -errno;
    int inside =
        openat(binding->folder, binding->aside, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result =
        inside < 0 ? -errno
                   : linux_apart_seen_as(inside, binding->path, binding->name, bind_only, binding);
    if (result == 0 && renameat(inside, binding->first, binding->folder, binding->file) < 0) {
        result = -errno;
        unlinkat(inside, binding->first, 0);
    }
    if (inside >= 0)
        close(inside);
    unlinkat(binding->folder, binding->aside, AT_REMOVEDIR);
    return result;
}

/* Whether the directory of `name`, from `start`, is the folder. */
static bool leads_to_folder(const struct binding *binding, const char *start, const char *name)
{
    char path[PATH_MAX];
    struct stat wanted, found;
    const char *slash = strrchr(name, '/');
    int length = name[0] == '/' ? snprintf(path, sizeof path, "%.*s/", (int)(slash - name), name)
                                : snprintf(path, sizeof path, "%s/%.*s", start,
                                           slash ? (int)(slash - name) : 0, name);
    return length > 0 && (size_t)length < sizeof path && stat(path, &found) == 0 &&
           fstat(binding->folder, &wanted) == 0 && wanted.st_dev == found.st_dev &&
           wanted.st_ino == found.st_ino;
}

static bool exists(int folder, const char *name)
{
    struct stat status;
    return fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Where a name without a directory is bound is where we stand; else it has to lead there. */
static int bind_where_it_leads(struct binding *binding, const struct recap_value *record,
                               const char *path)
{
    const char *start = recap_text_or_null(record, "directory"), *name = binding->name;
    const char *slash = strrchr(path, '/');
    int length = slash == path ? 1 : (int)(slash - path);
    __attribute__((cleanup(linux_close_descriptor))) int from = -1;
    if (strcmp(binding->first, binding->file) != 0 && exists(binding->folder, binding->first)) {
        snprintf(binding->path, sizeof binding->path, "%.*s/%s", length, path, binding->aside);
        return linux_apart(CLONE_FILES, bind_inside, binding);
    }
    if (!strchr(name, '/')) {
        binding->start = binding->folder;
        return linux_apart(CLONE_FILES, bind_apart, binding);
    }
    if (start && leads_to_folder(binding, start, name)) {
        int result = linux_image_path_open(start, O_DIRECTORY, &from);
        binding->start = from;
        return result < 0 ? result : linux_apart(CLONE_FILES, bind_apart, binding);
    }
    if (name[0] == '/' && leads_to_folder(binding, "/", name))
        return linux_apart(CLONE_FILES, bind_apart, binding);
    snprintf(binding->path, sizeof binding->path, "%.*s", length, path);
    return linux_apart_seen_as(binding->folder, binding->path, name, bind_apart, binding);
}

/* Only a dead socket gives way. */
static int make_way(struct binding *binding, const char *path, struct recap_error *error)
{
    binding->waits = exists(binding->folder, binding->file);
    if (!binding->waits || is_dead(binding->folder, binding->file))
        return 0;
    recap_fail(error, -EADDRINUSE, "binding a socket to %s", path);
    recap_error_remedy(error, "end what uses %s, or move it away", path);
    return -EADDRINUSE;
}

static int read_record(const struct recap_object *object, const struct recap_value **record,
                       struct stat *wanted, struct recap_error *error)
{
    uint64_t mode;
    int64_t user, group;
    *record = recap_member(object->state, "file");
    const char *path = recap_text_or_null(*record, "path");
    const char *start = recap_text_or_null(*record, "directory");
    if (!path || !linux_image_path_is_plain(path) || (start && !linux_image_path_is_plain(start)) ||
        recap_get_hex(*record, "mode", &mode) < 0 || mode > 07777 ||
        recap_get_number(*record, "user", &user) < 0 || user < 0 || user > UINT32_MAX ||
        recap_get_number(*record, "group", &group) < 0 || group < 0 || group > UINT32_MAX)
        return linux_state_damaged(object, "file", error);
    *wanted = (struct stat){.st_mode = (mode_t)mode, .st_uid = (uid_t)user, .st_gid = (gid_t)group};
    return 0;
}

/* Owner, group and what bind(2) does not set of the mode. Who cannot give files away keeps it. */
static int finish(int place, const struct stat *wanted)
{
    char path[32];
    struct stat now;
    snprintf(path, sizeof path, "/proc/self/fd/%d", place);
    if (fstat(place, &now) < 0)
        return -errno;
    if ((now.st_uid != wanted->st_uid || now.st_gid != wanted->st_gid) &&
        fchownat(place, "", wanted->st_uid, wanted->st_gid, AT_EMPTY_PATH) < 0 && errno != EPERM)
        return -errno;
    return (now.st_mode & 07777) != wanted->st_mode && chmod(path, wanted->st_mode) < 0 ? -errno
                                                                                        : 0;
}

int linux_unix_file_bind(struct linux_kernel *kernel, const struct recap_object *object, int fd,
                         const void *name, size_t length, int *place, struct recap_error *error)
{
    struct stat wanted = {0};
    const struct recap_value *record;
    int result = read_record(object, &record, &wanted, error);
    if (result < 0)
        return result;
    char text[sizeof((struct sockaddr_un *)NULL)->sun_path + 1] = "";
    if (!linux_unix_is_path(name, length))
        return linux_state_damaged(object, "name", error);
    memcpy(text, name, length);
    const char *slash = strrchr(text, '/'), *path = recap_text_or_null(record, "path");
    __attribute__((cleanup(linux_close_descriptor))) int folder = -1;
    struct binding binding = {.fd = fd,
                              .name = text,
                              .first = slash ? slash + 1 : text,
                              .start = -1,
                              .mode = wanted.st_mode & 0777};
    binding.length = linux_unix_address(name, length, &binding.address);
    result = linux_image_path_parent(path, &folder, &binding.file);
    if (result < 0)
        return recap_fail(error, result, "binding a socket to %s", path);
    binding.folder = folder;
    result = make_way(&binding, path, error);
    if (result < 0)
        return result;
    snprintf(binding.aside, sizeof binding.aside, ".recap-%d", (int)getpid());
    result = bind_where_it_leads(&binding, record, path);
    if (result < 0)
        return recap_fail(error, result, "binding a socket to %s", path);
    result = watch_file(kernel, folder, binding.file, error);
    if (result < 0) {
        unlinkat(folder, binding.file, 0);
        return result;
    }
    int opened = openat(folder, binding.file, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    result = opened < 0 ? -errno : finish(opened, &wanted);
    if (result < 0) {
        linux_close_descriptor(&opened);
        return recap_fail(error, result, "making the socket file %s", path);
    }
    *place = opened;
    return 0;
}
