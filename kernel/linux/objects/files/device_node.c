/* device_node.c: the node in the file system through which a device is opened again.
 *
 * Which device a node is of says all that there is to know of it: any node will do. */
#include "kernel/linux/objects/files/device_node.h"
#include "kernel/linux/image_path.h"
#include "kernel/linux/objects/kinds.h"

#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

static bool leads_to_device(const char *path, dev_t device)
{
    struct stat found;
    struct statvfs system;
    return lstat(path, &found) == 0 && S_ISCHR(found.st_mode) && found.st_rdev == device &&
           statvfs(path, &system) == 0 && !(system.f_flag & ST_NODEV);
}

/* Where the kernel's own name for the device says that its node is; NULL if it is not there. */
static const char *usual_node(dev_t device, struct recap_arena *arena)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/sys/dev/char/%u:%u/uevent", major(device), minor(device));
    if (linux_procfs_read_into(AT_FDCWD, path, text, sizeof text) < 0)
        return NULL;
    const char *name = strstr(text, "DEVNAME=");
    if (!name)
        return NULL;
    name += strlen("DEVNAME=");
    const char *node = recap_arena_printf(arena, "/dev/%.*s", (int)strcspn(name, "\n"), name);
    return node && leads_to_device(node, device) ? node : NULL;
}

int linux_device_node_identify(const struct linux_description *description,
                               struct recap_arena *arena, struct recap_value *state,
                               struct recap_error *error)
{
    dev_t device = description->status.st_rdev;
    const char *node = description->link;
    if (!leads_to_device(node, device))
        node = usual_node(device, arena);
    if (!node)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s: no node leads to this device (%u:%u) any more", description->link,
                            major(device), minor(device));
    recap_put_text(arena, state, "path", node);
    recap_put_number(arena, state, "major", major(device));
    recap_put_number(arena, state, "minor", minor(device));
    return linux_file_accessible(node, (int)description->open_flags, error);
}

bool linux_device_node_is(const struct recap_object *object, const struct stat *status)
{
    return S_ISCHR(status->st_mode) &&
           recap_number_or(object->state, "major", -1) == major(status->st_rdev) &&
           recap_number_or(object->state, "minor", -1) == minor(status->st_rdev);
}

int linux_device_node_open(const struct recap_object *object, int flags, int *fd,
                           struct recap_error *error)
{
    const char *path = recap_text_or_null(object->state, "path");
    struct stat status;
    if (!path)
        return linux_state_damaged(object, "path", error);
    __attribute__((cleanup(linux_close_descriptor))) int named = -1;
    int found = linux_image_path_open(path, 0, &named);
    if (found == -EBADMSG)
        return linux_state_damaged(object, "path", error);
    if (found < 0)
        return recap_fail(error, found, "opening %s", path);
    if (fstat(named, &status) < 0 || !linux_device_node_is(object, &status))
        return recap_refuse(error, RECAP_FAILED, -ESTALE,
                            "%s is not the device that it was at the checkpoint", path);
    int opened;
    int result = linux_file_reopen(named, flags, &opened);
    if (result < 0)
        return recap_fail(error, result, "opening %s", path);
    *fd = opened;
    return 0;
}
