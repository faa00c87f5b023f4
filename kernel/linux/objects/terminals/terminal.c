/* terminal.c: terminals: the terminal end of a pseudo-terminal, consoles, serial lines.
 *
 * A terminal end whose master is inside (pty.c) is made anew. Otherwise whoever is at the other end
 * of a pseudo-terminal, or of the terminal that controls the process, stays outside: the terminal
 * is external, and is bound to the caller's own unless another binding is given. Any other line is
 * a device like others: it is opened again by its node. The settings go with each of them. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/memory/memory.h"
#include "kernel/linux/objects/files/device_node.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/terminals/pty.h"
#include "kernel/linux/objects/terminals/terminal_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kd.h>
#include <linux/vt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static bool is_pseudo(unsigned major_number)
{
    return major_number >= 136 && major_number <= 143;
}

static bool is_terminal_device(dev_t device)
{
    if (device == makedev(5, 2))
        return false;
    switch (major(device)) {
    case 4:   /* consoles and serial lines */
    case 5:   /* /dev/tty, /dev/console */
    case 188: /* serial lines over USB */
    case 204: /* serial lines of embedded controllers */
    case 229: /* consoles of hypervisors */
        return true;
    default:
        return is_pseudo(major(device));
    }
}

static bool recognise(const struct linux_description *description)
{
    return S_ISCHR(description->status.st_mode) && !(description->open_flags & O_PATH) &&
           is_terminal_device(description->status.st_rdev);
}

/* As the kernel packs a device into 32 bits. */
static dev_t device_of(unsigned packed)
{
    return makedev((packed >> 8) & 0xfff, (packed & 0xff) | ((packed >> 12) & 0xfff00));
}

/* The device behind a descriptor that may have been opened as /dev/tty; 0 when it has hung up. */
static dev_t real_device(int fd)
{
    unsigned device = 0;
    return ioctl(fd, TIOCGDEV, &device) < 0 ? 0 : device_of(device);
}

static int check_unread(int fd, struct recap_error *error)
{
    int unread = 0;
    if (ioctl(fd, FIONREAD, &unread) == 0 && unread)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%d bytes wait in the terminal, which nobody can look at without "
                            "taking them",
                            unread);
    return 0;
}

/* Whether it is the controlling terminal of the process that holds it. */
static bool controls_holder(const struct linux_description *description, dev_t device)
{
    char path[32], stat[2048];
    snprintf(path, sizeof path, "/proc/%d/stat", description->pid ? description->pid : getpid());
    if (linux_procfs_read_into(AT_FDCWD, path, stat, sizeof stat) < 0)
        return false;
    const char *terminal = linux_stat_field(stat, 7);
    return terminal && device_of((unsigned)strtoul(terminal, NULL, 10)) == device;
}

/* What a virtual console is beyond its settings belongs to whoever draws on it. */
static int check_console(int fd, dev_t device, struct recap_error *error)
{
    enum { CONSOLES = 4, CONSOLE_COUNT = 64 };
    int mode = KD_TEXT;
    struct vt_mode switching = {.mode = VT_AUTO};
    if (major(device) != CONSOLES || minor(device) >= CONSOLE_COUNT)
        return 0;
    if ((ioctl(fd, KDGETMODE, &mode) == 0 && mode != KD_TEXT) ||
        (ioctl(fd, VT_GETMODE, &switching) == 0 && switching.mode != VT_AUTO))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the console shows graphics, or asks its program before it is left");
    return 0;
}

static int describe_line(int fd, dev_t device, const struct linux_description *description,
                         struct recap_arena *arena, struct recap_object *object,
                         struct recap_value *state, struct recap_error *error)
{
    int exclusive = 0, result = check_console(fd, device, error);
    object->label = recap_arena_printf(arena, "terminal %s", description->link);
    if (result == 0)
        result = check_unread(fd, error);
    if (result == 0)
        result = linux_device_node_identify(description, arena, state, error);
    if (result < 0)
        return result;
    struct recap_value *ties = recap_put_record(arena, state, "ties");
    if (ioctl(fd, TIOCGEXCL, &exclusive) == 0 && exclusive)
        recap_put_number(arena, ties, "exclusive", exclusive);
    return linux_terminal_settings_describe(fd, arena, ties, error);
}

static int describe_outside(int fd, dev_t device, const struct linux_description *description,
                            struct recap_arena *arena, struct recap_object *object,
                            struct recap_value *state, struct recap_error *error)
{
    bool pseudo = is_pseudo(major(device)), alias = strcmp(description->link, "/dev/tty") == 0;
    object->label = pseudo && alias ? recap_arena_printf(arena, "terminal /dev/pts/%u as /dev/tty",
                                                         minor(device))
                                    : recap_arena_printf(arena, "terminal %s", description->link);
    object->external = true;
    recap_put_text(arena, state, "binding", "path:/dev/tty");
    struct recap_value *ties = recap_put_record(arena, state, "ties");
    return linux_terminal_settings_describe(fd, arena, ties, error);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    struct recap_value *state = recap_record(arena);
    struct recap_object described = *object;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result == 0)
        result = linux_status_flags_describe(description, arena, state, error);
    if (result < 0)
        return result;
    dev_t device = real_device(fd);
    recap_badge master = is_pseudo(major(device)) ? linux_pty_master(kernel, minor(device)) : 0;
    if (!device) {
        recap_put_number(arena, state, "hung_up", 1);
        described.label = "terminal that has hung up";
    } else if (master) {
        recap_put_object(arena, state, "master", master);
        described.label = recap_arena_printf(arena, "terminal /dev/pts/%u", minor(device));
        result = check_unread(fd, error);
    } else if (!is_pseudo(major(device)) && !controls_holder(description, device)) {
        result = describe_line(fd, device, description, arena, &described, state, error);
    } else {
        result = describe_outside(fd, device, description, arena, &described, state, error);
    }
    object->label = described.label;
    if (result == -EIO)
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "the terminal has just hung up");
    if (result < 0)
        return result;
    described.state = state;
    *object = described;
    return 0;
}

/* Without waiting for a carrier. An image may name any other device, which is not opened. */
static int open_line(const struct recap_object *object, int flags, int *fd,
                     struct recap_error *error)
{
    if (!is_terminal_device(makedev((unsigned)recap_number_or(object->state, "major", 0),
                                    (unsigned)recap_number_or(object->state, "minor", 0))))
        return linux_state_damaged(object, "major", error);
    return linux_device_node_open(object, flags | O_NONBLOCK, fd, error);
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    uint64_t flags, master;
    int fd = -1, result;
    if (recap_get_hex(object->state, "flags", &flags) < 0)
        return linux_state_damaged(object, "flags", error);
    if (recap_member(object->state, "hung_up"))
        result = linux_pty_hung_up((int)flags & O_ACCMODE, &fd, error);
    else if (recap_get_object(object->state, "master", &master) == 0 &&
             recap_graph_object(creation->graph, master))
        result = linux_pty_open(kernel, creation->badges[master],
                                (int)flags & (O_ACCMODE | LINUX_O_LARGEFILE), &fd, error);
    else if (recap_member(object->state, "path"))
        result = open_line(object, (int)flags & O_ACCMODE, &fd, error);
    else
        result = linux_state_damaged(object, "master", error);
    return result < 0 ? result : linux_status_flags_finish(kernel, fd, object, badge, error);
}

/* Whether it is our own terminal, which belongs to another process group at present: so do its
 * settings. */
static bool is_anothers(int fd)
{
    pid_t group = tcgetpgrp(fd);
    return group > 0 && group != getpgrp();
}

/* Those that hold it find their screen as somebody else left it. */
static void note_holders(const struct recap_creation *creation, uint64_t id)
{
    for (size_t p = 0; p < creation->graph->pd_count; p++) {
        const struct recap_pd_image *image = &creation->graph->pds[p];
        for (size_t i = 0; i < image->slot_count; i++)
            if (image->slots[i].object == id)
                linux_pd(creation->pds[p])->new_terminal = true;
    }
}

/* What a terminal outside was bound to takes on its settings, if it is a terminal at all and they
 * are ours to set; so does a line that was opened again. */
static int tie(struct linux_pd *pd, const struct recap_creation *creation,
               const struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(pd->kernel, creation->badges[object->id], &fd, error);
    if (result < 0 || !isatty(fd))
        return result;
    note_holders(creation, object->id);
    if (!is_anothers(fd))
        result = linux_terminal_settings_set(fd, object, recap_member(object->state, "ties"), false,
                                             error);
    if (result == 0 && recap_number_or(recap_member(object->state, "ties"), "exclusive", 0) &&
        ioctl(fd, TIOCEXCL) < 0)
        result = recap_fail(error, -errno, "setting a terminal to exclusive mode");
    return result ? result : linux_status_flags_set(fd, object, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    /* The number of a terminal end is that of its master, which is compared. */
    if (!recap_member(object->state, "path") || linux_device_node_is(object, &description->status))
        return 0;
    return recap_refuse(error, RECAP_FAILED, -ESTALE, "%s is another terminal", description->link);
}

const struct linux_kind linux_kind_terminal = {
    .name = "terminal",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .tie = tie,
    .compare = compare,
};
