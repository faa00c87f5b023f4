/* socket_family.c: which protocol a socket is of.
 *
 * The kernel tells it as an extended attribute of the socket, for which it need not be opened. */
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kinds ask one after the other about the same description: its answer is kept until the next
 * one. A socket keeps its protocol, and an inode names one socket as long as that lives. */
static _Thread_local struct {
    pid_t pid;
    int fd;
    ino_t inode;
    char protocol[64];
} last;

bool linux_socket_is(const struct linux_description *description, const char *protocol)
{
    char path[64];
    if (!S_ISSOCK(description->status.st_mode) || (description->open_flags & O_PATH))
        return false;
    if (last.inode != description->status.st_ino || last.pid != description->pid ||
        last.fd != description->fd) {
        last.inode = 0;
        snprintf(path, sizeof path, "/proc/%d/fd/%d",
                 description->pid ? description->pid : getpid(), description->fd);
        ssize_t length =
            getxattr(path, "system.sockprotoname", last.protocol, sizeof last.protocol - 1);
        if (length < 0)
            return false;
        last.protocol[length] = '\0';
        last.inode = description->status.st_ino;
        last.pid = description->pid;
        last.fd = description->fd;
    }
    return strcmp(last.protocol, protocol) == 0;
}

int linux_socket_number(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, option, &value, &size) < 0 ? -1 : value;
}

bool linux_socket_is_here(int fd)
{
    enum { NETNS_COOKIE = 71 };
    uint64_t theirs = 0, own = 0;
    socklen_t size = sizeof theirs;
    __attribute__((cleanup(linux_close_descriptor))) int ours =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ours < 0 || getsockopt(fd, SOL_SOCKET, NETNS_COOKIE, &theirs, &size) < 0 ||
        getsockopt(ours, SOL_SOCKET, NETNS_COOKIE, &own, &size) < 0)
        return true; /* a kernel without the cookie */
    return own == theirs;
}
