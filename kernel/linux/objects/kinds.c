/* kinds.c: the table of kinds. Adding a kind touches its own file and this table. */
#include "kernel/linux/objects/kinds.h"

#include <string.h>

/* The first that recognises a description has it: a path only names what any other kind could be,
 * and regular takes the files that no other kind wants. The last one recognises everything. */
static const struct linux_kind *const kinds[] = {
    &linux_kind_path,          &linux_kind_memfd,
    &linux_kind_shared_memory, &linux_kind_directory,
    &linux_kind_device,        &linux_kind_terminal,
    &linux_kind_pty,           &linux_kind_pipe_end,
    &linux_kind_pipe,          &linux_kind_unix,
    &linux_kind_tcp,           &linux_kind_udp,
    &linux_kind_netlink,       &linux_kind_eventfd,
    &linux_kind_epoll,         &linux_kind_timerfd,
    &linux_kind_signalfd,      &linux_kind_inotify,
    &linux_kind_pidfd,         &linux_kind_removed_directory,
    &linux_kind_mapped_file,   &linux_kind_regular,
    &linux_kind_ended_process, &linux_kind_unknown,
};

const struct linux_kind *linux_kind_of(const struct linux_description *description)
{
    size_t i = 0;
    while (kinds[i]->inner || !kinds[i]->recognise(description))
        i++;
    return kinds[i];
}

const struct linux_kind *linux_kind_named(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}
