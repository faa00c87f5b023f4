/* procfs.c: reading /proc/PID. */
#include "kernel/linux/linux.h"

#include <errno.h>

int linux_procfs_read(int directory, const char *path, char **text, size_t *length)
{
    (void)directory;
    (void)path;
    (void)text;
    (void)length;
    return -ENOSYS;
}

ssize_t linux_procfs_read_into(int directory, const char *path, char *buffer, size_t size)
{
    (void)directory;
    (void)path;
    (void)buffer;
    (void)size;
    return -ENOSYS;
}

ssize_t linux_procfs_link(int directory, const char *path, char *buffer, size_t size)
{
    (void)directory;
    (void)path;
    (void)buffer;
    (void)size;
    return -ENOSYS;
}

const char *linux_procfs_field(const char *text, const char *name)
{
    (void)text;
    (void)name;
    return NULL;
}
