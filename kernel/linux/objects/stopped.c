/* stopped.c: whether those who hold a description are stopped. */
#include "kernel/linux/objects/stopped.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/fdinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

int linux_home_is_stopped(struct linux_home home, struct recap_error *error)
{
    if (!home.pid)
        return 1;
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", home.pid);
    ssize_t length = linux_procfs_read_into(AT_FDCWD, path, text, sizeof text);
    if (length < 0)
        return recap_fail(error, length == -ENOENT ? -ESRCH : (int)length,
                          "reading the state of process %d", home.pid);
    const char *state = linux_fdinfo_text(text, "State");
    return state && *state == 't';
}
