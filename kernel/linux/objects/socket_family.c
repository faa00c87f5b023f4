/* socket_family.c: which protocol a socket is of.
 *
 * The kernel tells it as an extended attribute of the socket, for which it need not be opened. */
#include "kernel/linux/objects/socket_family.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

bool linux_socket_is(const struct linux_description *description, const char *protocol)
{
    char path[64], name[64];
    if (!S_ISSOCK(description->status.st_mode) || (description->open_flags & O_PATH))
        return false;
    if (description->pid)
        snprintf(path, sizeof path, "/proc/%d/fd/%d", description->pid, description->fd);
    else
        snprintf(path, sizeof path, "/proc/self/fd/%d", description->fd);
    ssize_t length = getxattr(path, "system.sockprotoname", name, sizeof name - 1);
    if (length < 0)
        return false;
    name[length] = '\0';
    return strcmp(name, protocol) == 0;
}
