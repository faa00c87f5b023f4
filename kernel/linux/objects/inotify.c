/* inotify.c: placeholder of a kind, to be written. */
#include "kernel/linux/objects/kinds.h"

static bool recognise(const struct linux_description *description)
{
    (void)description;
    return false;
}

const struct linux_kind linux_kind_inotify = {.name = "inotify", .recognise = recognise};
