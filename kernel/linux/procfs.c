/* procfs.c: reading /proc/PID. */
#include "kernel/linux/linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads up to `size` bytes: fewer only at the end of the file. */
static ssize_t read_fully(int fd, char *buffer, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t count = read(fd, buffer + have, size - have);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (count == 0)
            break;
        have += (size_t)count;
    }
    return (ssize_t)have;
}

static int open_below(int directory, const char *path)
{
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

int linux_procfs_read(int directory, const char *path, char **text, size_t *length)
{
    int fd = open_below(directory, path);
    if (fd < 0)
        return fd;
    size_t size = 4096, have = 0;
    char *buffer = malloc(size);
    ssize_t count = buffer ? 0 : -ENOMEM;
    while (count >= 0) {
        count = read_fully(fd, buffer + have, size - 1 - have);
        if (count < 0)
            break;
        have += (size_t)count;
        if (have < size - 1)
            break;
        char *larger = reallocarray(buffer, 2, size);
        if (!larger) {
            count = -ENOMEM;
            break;
        }
        buffer = larger;
        size *= 2;
    }
    close(fd);
    if (count < 0) {
        free(buffer);
        return (int)count;
    }
    buffer[have] = '\0';
    *text = buffer;
    if (length)
        *length = have;
    return 0;
}

ssize_t linux_procfs_read_into(int directory, const char *path, char *buffer, size_t size)
{
    int fd = open_below(directory, path);
    if (fd < 0)
        return fd;
    ssize_t have = read_fully(fd, buffer, size);
    close(fd);
    if (have < 0)
        return have;
    if ((size_t)have == size)
        return -EOVERFLOW;
    buffer[have] = '\0';
    return have;
}

bool linux_procfs_gone(int code)
{
    return code == -ENOENT || code == -ESRCH;
}

bool linux_procfs_hidden(int code)
{
    return code == -EACCES || code == -EPERM;
}

int linux_procfs_next(DIR *directory, struct dirent **entry)
{
    errno = 0;
    *entry = readdir(directory);
    return *entry ? 0 : -errno;
}

ssize_t linux_procfs_link(int directory, const char *path, char *buffer, size_t size)
{
    ssize_t length = readlinkat(directory, path, buffer, size);
    if (length < 0)
        return -errno;
    if ((size_t)length == size)
        return -EOVERFLOW;
    buffer[length] = '\0';
    return length;
}

int linux_procfs_scan(const char *entry, const char *format, ...)
{
    char copy[512];
    size_t length = strnlen(entry, sizeof copy - 1);
    memcpy(copy, entry, length);
    copy[length] = '\0';
    va_list arguments;
    va_start(arguments, format);
    int count = vsscanf(copy, format, arguments);
    va_end(arguments);
    return count;
}

const char *linux_procfs_field(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}
