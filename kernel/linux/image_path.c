/* image_path.c: paths that an image names. They are only ever followed here. */
#include "kernel/linux/image_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool linux_image_path_is_plain(const char *path)
{
    if (path[0] != '/' || strlen(path) >= PATH_MAX)
        return false;
    for (const char *part = path + 1; part[-1];) {
        size_t length = strcspn(part, "/");
        if (length == 0)
            return part == path + 1 && !*part;
        if (length > NAME_MAX || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length + 1;
    }
    return true;
}

static int open_resolved(int directory, const char *path, int flags, uint64_t resolve, int *fd)
{
    struct open_how how = {.flags = (uint64_t)(O_PATH | O_CLOEXEC | flags),
                           .resolve = RESOLVE_NO_MAGICLINKS | resolve};
    /* -EAGAIN: a rename elsewhere came between. */
    int opened = -1;
    for (int tries = 0; tries < 100; tries++) {
        opened = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
        if (opened >= 0 || errno != EAGAIN)
            break;
    }
    if (opened < 0)
        return -errno;
    *fd = opened;
    return 0;
}

int linux_image_path_open(const char *path, int flags, int *fd)
{
    return linux_image_path_is_plain(path) ? open_resolved(AT_FDCWD, path, flags, 0, fd) : -EBADMSG;
}

int linux_image_path_below(int directory, const char *path, int flags, int *fd)
{
    return open_resolved(directory, path, flags, RESOLVE_BENEATH, fd);
}

int linux_image_path_parent(const char *path, int *directory, const char **name)
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!linux_image_path_is_plain(path) || !slash[1])
        return -EBADMSG;
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(parent, path, length);
    parent[length] = '\0';
    int result = linux_image_path_open(parent, O_DIRECTORY, directory);
    if (result == 0)
        *name = slash + 1;
    return result;
}
