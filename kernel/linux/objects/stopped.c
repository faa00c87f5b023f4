/* stopped.c: whether those who hold a description are stopped. */
#include "kernel/linux/objects/stopped.h"
#include "kernel/linux/objects/fdinfo.h"

#include <fcntl.h>
#include <stdio.h>

bool linux_home_is_stopped(struct linux_home home)
{
    if (!home.pid)
        return true;
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", home.pid);
    if (linux_procfs_read_into(AT_FDCWD, path, text, sizeof text) < 0)
        return false;
    const char *state = linux_fdinfo_text(text, "State");
    return state && *state == 't';
}
