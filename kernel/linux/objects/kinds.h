/* kinds.h: the kinds of objects, one file each. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_KINDS_H
#define RECAP_KERNEL_LINUX_OBJECTS_KINDS_H

#include "kernel/linux/linux.h"

extern const struct linux_kind linux_kind_regular;
extern const struct linux_kind linux_kind_directory;
extern const struct linux_kind linux_kind_path;
extern const struct linux_kind linux_kind_device;
extern const struct linux_kind linux_kind_terminal;
extern const struct linux_kind linux_kind_pty;
extern const struct linux_kind linux_kind_pipe_end;
extern const struct linux_kind linux_kind_pipe;
extern const struct linux_kind linux_kind_unix;
extern const struct linux_kind linux_kind_tcp;
extern const struct linux_kind linux_kind_udp;
extern const struct linux_kind linux_kind_netlink;
extern const struct linux_kind linux_kind_eventfd;
extern const struct linux_kind linux_kind_epoll;
extern const struct linux_kind linux_kind_timerfd;
extern const struct linux_kind linux_kind_signalfd;
extern const struct linux_kind linux_kind_inotify;
extern const struct linux_kind linux_kind_memfd;
extern const struct linux_kind linux_kind_pidfd;
extern const struct linux_kind linux_kind_ended_process;
extern const struct linux_kind linux_kind_shared_memory;
extern const struct linux_kind linux_kind_mapped_file;
extern const struct linux_kind linux_kind_removed_directory;
extern const struct linux_kind linux_kind_unknown;

/* A label for any description, from what the kernel calls it (unknown.c). */
const char *linux_unknown_label(const struct linux_description *description,
                                struct recap_arena *arena);

#endif
