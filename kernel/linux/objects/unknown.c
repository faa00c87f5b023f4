/* unknown.c: what no other kind recognises: named as well as the kernel names it, and refused. */
#include "kernel/linux/objects/kinds.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

struct name {
    const char *kernel; /* the start of the link, or the protocol */
    const char *label;
    const char *why; /* completes "... cannot be restored: "; NULL: no kind for it exists */
};

static const struct name anonymous[] = {
    {"anon_inode:[io_uring]", "io_uring", "requests in flight live inside the kernel"},
    {"anon_inode:[userfaultfd]", "userfaultfd", "the memory it watches cannot be asked for"},
    {"anon_inode:[perf_event]", "perf event", "its counters cannot be set"},
    {"anon_inode:bpf-map", "BPF map", "it belongs to the running kernel"},
    {"anon_inode:bpf-prog", "BPF program", "it belongs to the running kernel"},
    {"anon_inode:bpf_link", "BPF link", "it belongs to the running kernel"},
    {"anon_inode:bpf_iter", "BPF iterator", "it belongs to the running kernel"},
    {"anon_inode:bpf-token", "BPF token", "it belongs to the running kernel"},
    {"anon_inode:btf", "BPF type information", "it belongs to the running kernel"},
    {"anon_inode:[fanotify]", "fanotify group", "its marks and events cannot be set"},
    {"anon_inode:seccomp notify", "seccomp notifier", "it supervises another process"},
    {"anon_inode:[landlock-ruleset]", "Landlock ruleset", "its rules cannot be read"},
    {"anon_inode:[fscontext]", "mount context", "its options cannot be read"},
    {"anon_inode:[pidfd]", "pidfd", "its process is not known"},
    {"anon_inode:kvm", "virtual machine (KVM)", "its state is in the kernel and the processor"},
    {"anon_inode:[vfio", "device assignment (VFIO)", "it holds hardware"},
    {"anon_inode:iommufd", "device assignment (IOMMU)", "it holds hardware"},
    {"anon_inode:sync_file", "fence of a device", "it waits for hardware"},
    {"anon_inode:inotify", "inotify", NULL},
    {"/dmabuf:", "buffer of a device (DMA-BUF)", "its memory is shared with hardware"},
    {"/secretmem", "secret memory", "its pages are hidden from the kernel itself"},
    {"mnt:[", "mount namespace", "a namespace cannot be made again"},
    {"net:[", "network namespace", "a namespace cannot be made again"},
    {"pid:[", "PID namespace", "a namespace cannot be made again"},
    {"user:[", "user namespace", "a namespace cannot be made again"},
    {"uts:[", "UTS namespace", "a namespace cannot be made again"},
    {"ipc:[", "IPC namespace", "a namespace cannot be made again"},
    {"cgroup:[", "cgroup namespace", "a namespace cannot be made again"},
    {"time:[", "time namespace", "a namespace cannot be made again"},
    {"socket:", "socket", NULL},
    {"pipe:", "pipe", NULL},
};

static const struct name protocols[] = {
    {"PACKET", "packet socket", "its filters and rings cannot be read"},
    {"RAWv6", "raw socket (IPv6)", NULL},
    {"RAW", "raw socket", NULL},
    {"PINGv6", "ping socket (IPv6)", NULL},
    {"PING", "ping socket", NULL},
    {"MPTCP", "MPTCP socket", NULL},
    {"SCTP", "SCTP socket", NULL},
    {"UDPLITE", "UDP-Lite socket", NULL},
    {"AF_VSOCK", "socket to the hypervisor (vsock)", "the other end is another machine"},
    {"ALG", "kernel cryptography socket", "its keys and state cannot be read"},
    {"XDP", "XDP socket", "its rings are shared with a device"},
    {"CAN", "CAN socket", NULL},
    {"TCP", "TCP socket", NULL},
    {"UDP", "UDP socket", NULL},
    {"UNIX", "Unix socket", NULL},
};

static const struct name *name_in(const struct name *names, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strncmp(text, names[i].kernel, strlen(names[i].kernel)) == 0)
            return &names[i];
    return NULL;
}

static const struct name *name_of(const struct linux_description *description)
{
    const struct name *name = NULL;
    if (description->protocol)
        name = name_in(protocols, sizeof protocols / sizeof *protocols, description->protocol);
    if (!name && (description->link[0] != '/' || description->status.st_nlink == 0))
        name = name_in(anonymous, sizeof anonymous / sizeof *anonymous, description->link);
    return name;
}

const char *linux_unknown_label(const struct linux_description *description,
                                struct recap_arena *arena)
{
    const struct name *name = name_of(description);
    const struct stat *status = &description->status;
    if (name)
        return name->label;
    if (strncmp(description->link, "anon_inode:", 11) == 0)
        return recap_arena_text(arena, description->link + 11);
    if (S_ISBLK(status->st_mode) || S_ISCHR(status->st_mode))
        return recap_arena_printf(arena, "%s (%s device %u:%u)", description->link,
                                  S_ISBLK(status->st_mode) ? "block" : "character",
                                  major(status->st_rdev), minor(status->st_rdev));
    return recap_arena_text(arena, description->link);
}

static bool recognise(const struct linux_description *description)
{
    (void)description;
    return true;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    const struct name *name = name_of(description);
    object->label = linux_unknown_label(description, arena);
    if (name && name->why)
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s: cannot be restored: %s",
                     name->label, name->why);
    else
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "%s: Recap has no way to restore this kind of object",
                     object->label ? object->label : description->link);
    recap_error_remedy(error, "checkpoint with --external %d and restore with --bind %d=OBJECT",
                       description->fd, description->fd);
    return -EOPNOTSUPP;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)kernel;
    (void)creation;
    (void)badge;
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP, "%s cannot be created",
                        object->label ? object->label : "an unknown object");
}

/* Only an object that was bound can be compared, and that one is compared by its badge. */
static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)object;
    return recap_refuse(error, RECAP_FAILED, -ESTALE, "%s is of an unknown kind",
                        description->link);
}

const struct linux_kind linux_kind_unknown = {
    .name = "unknown",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .compare = compare,
};
