/* device_node.h: the node in the file system through which a device is opened again. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_FILES_DEVICE_NODE_H
#define RECAP_KERNEL_LINUX_OBJECTS_FILES_DEVICE_NODE_H

#include "kernel/linux/linux.h"
#include "kernel/linux/objects/kinds.h"

/* Writes which character device it is and the path of a node that leads to it: the one that it was
 * opened through, or, when that one is gone, the usual one in /dev. -EOPNOTSUPP: no node leads to
 * it, or none that we may open the way it is open. */
int linux_device_node_identify(const struct linux_description *description,
                               struct recap_arena *arena, struct recap_value *state,
                               struct recap_error *error);

/* Opens the node of such a state with O_* `flags`, once it is known to be of that device. It never
 * becomes a controlling terminal. -ESTALE: the node is of another device now. */
int linux_device_node_open(const struct recap_object *object, int flags, int *fd,
                           struct recap_error *error);

/* Whether `status` is of the device of such a state. */
bool linux_device_node_is(const struct recap_object *object, const struct stat *status);

#endif
