/* unix_name.c: giving a Unix socket its name.
 *
 * The name of a socket is the text that it was bound with. Where only that matters (the socket is
 * connected, or its file was removed) it is bound in a temporary root directory of its own, so that
 * whatever is at that path by now is left alone. */
#include "kernel/linux/objects/unix_name.h"
#include "kernel/linux/objects/apart.h"
#include "kernel/linux/objects/status_flags.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AUTOMATIC = 6 }; /* a zero and five hexadecimal digits */

socklen_t linux_unix_address(const void *name, size_t length, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!length || length > sizeof address->sun_path)
        return 0;
    memcpy(address->sun_path, name, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

bool linux_unix_is_automatic(const void *name, size_t length)
{
    const char *text = name;
    if (length != AUTOMATIC || text[0])
        return false;
    for (size_t i = 1; i < length; i++)
        if (!isxdigit((unsigned char)text[i]) || isupper((unsigned char)text[i]))
            return false;
    return true;
}

const char *linux_unix_name_text(struct recap_arena *arena, const void *name, size_t length)
{
    char *text = recap_arena_copy(arena, name, length);
    for (size_t i = 0; text && i < length; i++)
        if (!text[i])
            text[i] = '@';
    return text;
}

bool linux_unix_is_dead(const char *path)
{
    struct stat status;
    if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    __attribute__((cleanup(linux_close_descriptor))) int place =
        open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    /* A datagram socket disturbs nobody: it is told whether somebody is there, whatever the type.
     */
    __attribute__((cleanup(linux_close_descriptor))) int fd =
        socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place);
    return place >= 0 && fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0 &&
           errno == ECONNREFUSED;
}

/* --- in a directory of its own ---------------------------------------------------------------- */

struct binding {
    int fd;
    struct sockaddr_un address;
    socklen_t length;
    const char *root;      /* NULL: our own */
    const char *directory; /* to be in */
    const struct linux_unix_file *file;
    char aside[NAME_MAX + 1]; /* where what was there waits */
    int place;
};

static int bind_apart(void *context)
{
    struct binding *binding = context;
    if (binding->root && chroot(binding->root) < 0)
        return -errno;
    if (chdir(binding->directory) < 0)
        return -errno;
    umask(0);
    const char *name = binding->address.sun_path;
    if (binding->aside[0] && rename(name, binding->aside) < 0)
        return -errno;
    int result =
        bind(binding->fd, (struct sockaddr *)&binding->address, binding->length) < 0 ? -errno : 0;
    if (binding->aside[0] && result < 0)
        rename(binding->aside, name);
    else if (binding->aside[0])
        unlink(binding->aside);
    if (result < 0)
        return result;
    const struct linux_unix_file *file = binding->file;
    binding->place = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (binding->place < 0 || (file && chmod(name, file->mode) < 0) ||
        (file && chown(name, file->user, file->group) < 0 && errno != EPERM)) {
        result = -errno;
        unlink(name);
    }
    return result;
}

static int remove_one(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
    (void)status;
    (void)flag;
    (void)walk;
    return remove(path);
}

/* Makes the directories that the name goes through, below `top`. Each ".." of a relative name gets
 * a directory to come out of. Leaves in `start` where the name starts. */
static int make_directories(const char *top, const char *name, char *start, size_t size)
{
    char path[PATH_MAX];
    snprintf(start, size, "%s", top);
    for (const char *up = strstr(name, ".."); up && name[0] != '/'; up = strstr(up + 2, "..")) {
        size_t used = strlen(start);
        snprintf(start + used, size - used, "/d");
        if (mkdir(start, 0700) < 0)
            return -errno;
    }
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        int length = snprintf(path, sizeof path, "%s/%.*s", start, (int)(slash - name), name);
        if (length < 0 || (size_t)length >= sizeof path)
            return -ENAMETOOLONG;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int bind_hidden(struct binding *binding)
{
    char top[] = "/tmp/recap-XXXXXX", start[PATH_MAX];
    char name[sizeof binding->address.sun_path + 1] = "";
    memcpy(name, binding->address.sun_path, sizeof binding->address.sun_path);
    if (!mkdtemp(top))
        return -errno;
    int result = make_directories(top, name, start, sizeof start);
    bool absolute = name[0] == '/';
    binding->root = absolute ? top : NULL;
    binding->directory = absolute ? "/" : start;
    if (result == 0)
        result = linux_apart(CLONE_FILES, bind_apart, binding);
    if (result == -EPERM && absolute) /* chroot takes a privilege, which this gives */
        result = linux_apart(CLONE_FILES | CLONE_NEWUSER, bind_apart, binding);
    nftw(top, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return result;
}

int linux_unix_bind(int fd, const void *name, size_t length, int *place, struct recap_error *error)
{
    struct binding binding = {.fd = fd, .place = -1};
    binding.length = linux_unix_address(name, length, &binding.address);
    if (!binding.length)
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "a socket name is too long");
    int result;
    if (binding.address.sun_path[0])
        result = bind_hidden(&binding);
    else
        result = bind(fd, (struct sockaddr *)&binding.address, binding.length) < 0 ? -errno : 0;
    if (result < 0)
        return recap_fail(error, result, "binding a socket to %s%.*s",
                          binding.address.sun_path[0] ? "" : "@",
                          (int)(length - !binding.address.sun_path[0]),
                          (const char *)name + !binding.address.sun_path[0]);
    if (place)
        *place = binding.place;
    else if (binding.place >= 0)
        close(binding.place);
    return 0;
}

int linux_unix_bind_file(int fd, const void *name, size_t length,
                         const struct linux_unix_file *file, int *place, struct recap_error *error)
{
    struct binding binding = {.fd = fd, .file = file, .directory = file->directory, .place = -1};
    binding.length = linux_unix_address(name, length, &binding.address);
    if (!binding.length || !binding.address.sun_path[0])
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL, "a socket name is not a path");
    char path[PATH_MAX];
    const char *text = name;
    snprintf(path, sizeof path, "%s%s%.*s", text[0] == '/' ? "" : file->directory,
             text[0] == '/' ? "" : "/", (int)length, text);
    struct stat status;
    if (lstat(path, &status) == 0) {
        if (!linux_unix_is_dead(path)) {
            recap_fail(error, -EADDRINUSE, "binding a socket to %s", path);
            return recap_error_remedy(error, "end what uses %s, or move it away", path);
        }
        const char *slash = strrchr(path, '/');
        char near[PATH_MAX];
        snprintf(near, sizeof near, "%.*s.recap-%d", (int)(slash + 1 - path), path, (int)getpid());
        if (strlen(near) >= sizeof binding.aside)
            return recap_fail(error, -ENAMETOOLONG, "binding a socket to %s", path);
        strcpy(binding.aside, near);
    }
    int result = linux_apart(CLONE_FILES, bind_apart, &binding);
    if (result < 0)
        return recap_fail(error, result, "binding a socket to %s", path);
    if (place)
        *place = binding.place;
    else
        close(binding.place);
    return 0;
}
