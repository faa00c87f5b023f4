/* netlink_families.h: the groups of generic netlink, whose numbers are given as families come. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_NETLINK_FAMILIES_H
#define RECAP_KERNEL_LINUX_OBJECTS_SOCKETS_NETLINK_FAMILIES_H

enum { LINUX_NETLINK_NAME = 64 }; /* two names of at most 16 with their ends, and a slash */

/* "FAMILY/GROUP" of the group with that number: 0, -ENOENT or another negative errno. */
int linux_netlink_group_name(unsigned group, char name[LINUX_NETLINK_NAME]);

#endif
