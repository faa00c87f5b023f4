/* virtual_file.c: files that the kernel makes up (/proc, /sys, control groups): which they are, and
 * what is known of those whose open description is more than an offset.
 *
 * Their content is made when it is read, so a description that is opened anew is what it was. That
 * does not hold where the kernel keeps something with the description itself (a pressure trigger,
 * a place in a log, a transaction), nor for a file about what is not there yet when the file is
 * opened at a restore. */
#include "kernel/linux/objects/files/virtual_file.h"
#include "kernel/linux/objects/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* Files of drivers may keep anything with a description; nothing says what. */
static const struct system {
    unsigned long magic;
    const char *name;
    bool of_drivers;
} systems[] = {
    {PROC_SUPER_MAGIC, "proc", false},
    {SYSFS_MAGIC, "sysfs", false},
    {CGROUP_SUPER_MAGIC, "cgroup", false},
    {CGROUP2_SUPER_MAGIC, "cgroup2", false},
    {DEBUGFS_MAGIC, "debugfs", true},
    {TRACEFS_MAGIC, "tracefs", true},
    {SECURITYFS_MAGIC, "securityfs", true},
    {SELINUX_MAGIC, "selinuxfs", true},
    {BPF_FS_MAGIC, "bpf", true},
    {EFIVARFS_MAGIC, "efivarfs", true},
};
enum { SYSTEMS = sizeof systems / sizeof *systems };

static const struct system *system_at(const char *path)
{
    struct statfs found;
    if (statfs(path, &found) < 0)
        return NULL;
    for (size_t i = 0; i < SYSTEMS; i++)
        if ((unsigned long)found.f_type == systems[i].magic)
            return &systems[i];
    return NULL;
}

bool linux_virtual_path(const char *path)
{
    return system_at(path) != NULL;
}

static bool is_named_system(const char *type)
{
    size_t length = strcspn(type, " \n");
    for (size_t i = 0; i < SYSTEMS; i++)
        if (strlen(systems[i].name) == length && strncmp(systems[i].name, type, length) == 0)
            return true;
    return false;
}

bool linux_virtual_device(dev_t device)
{
    char number[32], *mounts;
    bool found = false;
    if (major(device) != 0 ||
        linux_procfs_read(AT_FDCWD, "/proc/self/mountinfo", &mounts, NULL) < 0)
        return false;
    snprintf(number, sizeof number, " %u:%u ", major(device), minor(device));
    for (const char *line = mounts; !found && line && *line;) {
        const char *end = strchr(line, '\n'), *at = strstr(line, number),
                   *type = strstr(line, " - ");
        found = at && type && (!end || type < end) && at < type && is_named_system(type + 3);
        line = end ? end + 1 : NULL;
    }
    free(mounts);
    return found;
}

/* What the last parts of a path are called, in files that say more than they are read for. */
static const struct {
    const char *tail;
    bool written; /* only a description that may write has state */
    const char *why;
} stateful[] = {
    {"/kmsg", false, "what is read from it is gone for all others"},
    {"/cgroup.event_control", false, "what it was told to watch cannot be read"},
    {".pressure", true, "a trigger that was written to it cannot be read"},
    {"/pressure/cpu", true, "a trigger that was written to it cannot be read"},
    {"/pressure/io", true, "a trigger that was written to it cannot be read"},
    {"/pressure/irq", true, "a trigger that was written to it cannot be read"},
    {"/pressure/memory", true, "a trigger that was written to it cannot be read"},
};

static bool ends_with(const char *text, const char *tail)
{
    size_t length = strlen(text), size = strlen(tail);
    return length >= size && strcmp(text + length - size, tail) == 0;
}

/* Of /proc/PID: the descriptors and mappings of a process are not there before the files are. */
static bool speaks_of_what_comes_later(const char *path)
{
    char *entry;
    if (strncmp(path, "/proc/", 6) != 0 || strtol(path + 6, &entry, 10) <= 0)
        return false;
    return strncmp(entry, "/fdinfo/", 8) == 0 || strncmp(entry, "/map_files/", 11) == 0;
}

int linux_virtual_file_stateless(const struct linux_description *description, const char *path,
                                 struct recap_error *error)
{
    if (!S_ISREG(description->status.st_mode) || description->open_flags & O_PATH)
        return 0;
    const struct system *system = system_at(path);
    if (system && system->of_drivers)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s is a file of %s: what the kernel keeps with it cannot be read",
                            path, system->name);
    if (speaks_of_what_comes_later(path))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s speaks of one descriptor or mapping of the process, which is not "
                            "there yet when it would be opened again",
                            path);
    for (size_t i = 0; i < sizeof stateful / sizeof *stateful; i++)
        if (ends_with(path, stateful[i].tail) &&
            (!stateful[i].written || (description->open_flags & O_ACCMODE) != O_RDONLY))
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "%s cannot be opened again as it was: %s", path, stateful[i].why);
    return 0;
}
