/* pty.c: masters of pseudo-terminals.
 *
 * The terminal end (terminal.c) names its master when that is inside. It gets its number again,
 * because its name is known to the component: the lowest free number is what the kernel gives, so
 * others are taken and given back on the way. What waits in a terminal cannot be looked at without
 * taking it, so a pseudo-terminal with something unread in it is refused. */
#include "kernel/linux/objects/terminals/pty.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/terminals/pty_owner.h"
#include "kernel/linux/objects/terminals/terminal_settings.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { PACKET_MODE = 1 };

static bool recognise(const struct linux_description *description)
{
    return S_ISCHR(description->status.st_mode) && !(description->open_flags & O_PATH) &&
           description->status.st_rdev == makedev(5, 2);
}

/* --- finding a master ------------------------------------------------------ */

static bool is_master_of(void *context, recap_badge badge, struct linux_home home)
{
    (void)badge;
    char path[64], text[512];
    struct stat status;
    uint64_t index;
    pid_t pid = home.pid ? home.pid : getpid();
    snprintf(path, sizeof path, "/proc/%d/fd/%d", pid, home.fd);
    if (stat(path, &status) < 0 || !S_ISCHR(status.st_mode) || status.st_rdev != makedev(5, 2))
        return false;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", pid, home.fd);
    return linux_procfs_read_into(AT_FDCWD, path, text, sizeof text) > 0 &&
           linux_fdinfo_number(text, "tty-index", 10, &index) &&
           index == *(const unsigned *)context;
}

recap_badge linux_pty_master(struct linux_kernel *kernel, unsigned index)
{
    return linux_badge_find(kernel, is_master_of, &index);
}

static bool is_end_of(void *context, recap_badge badge, struct linux_home home)
{
    (void)badge;
    char path[64];
    struct stat status;
    unsigned index = *(const unsigned *)context;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", home.pid ? home.pid : getpid(), home.fd);
    return stat(path, &status) == 0 && S_ISCHR(status.st_mode) && major(status.st_rdev) >= 136 &&
           major(status.st_rdev) <= 143 && minor(status.st_rdev) == index;
}

/* --- describe -------------------------------------------------------------- */

static int number_of(int fd, unsigned long request)
{
    int value = -1;
    return ioctl(fd, request, &value) < 0 ? -errno : value;
}

static int describe_settings(int fd, struct recap_arena *arena, struct recap_value *state,
                             struct recap_error *error)
{
    struct pollfd poll_one = {.fd = fd, .events = POLLIN};
    if (poll(&poll_one, 1, 0) < 0)
        return recap_fail(error, -errno, "looking into a pseudo-terminal");
    int unread = number_of(fd, FIONREAD), locked = number_of(fd, TIOCGPTLCK),
        packets = number_of(fd, TIOCGPKT), exclusive = number_of(fd, TIOCGEXCL);
    if (unread > 0)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%d bytes wait in the pseudo-terminal, which nobody can look at "
                            "without taking them",
                            unread);
    if (locked < 0 || packets < 0 || exclusive < 0)
        return recap_fail(error, -EIO, "reading the state of a pseudo-terminal");
    recap_put_number(arena, state, "locked", locked);
    recap_put_number(arena, state, "packets", packets);
    recap_put_number(arena, state, "exclusive", exclusive);
    if (poll_one.revents & POLLHUP)
        recap_put_number(arena, state, "left", 1);
    int result = linux_pty_owner_describe(fd, arena, state, error);
    return result ? result : linux_terminal_settings_describe(fd, arena, state, error);
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(kernel, badge, &fd, error);
    if (result < 0)
        return result;
    int index = number_of(fd, TIOCGPTN);
    struct recap_value *state = recap_record(arena);
    if (index < 0)
        return recap_fail(error, index, "reading the number of a pseudo-terminal");
    object->label = recap_arena_printf(arena, "master of /dev/pts/%d", index);
    recap_put_number(arena, state, "index", index);
    result = linux_status_flags_describe(description, arena, state, error);
    /* Its settings are tied, for a terminal end may be opened only while it is not locked. */
    struct recap_value *ties = recap_put_record(arena, state, "ties");
    if (result == 0)
        result = describe_settings(fd, arena, ties, error);
    if (result < 0)
        return result;
    unsigned number = (unsigned)index;
    if (!recap_number_or(ties, "locked", 0) && !recap_member(ties, "left") &&
        !linux_badge_find(kernel, is_end_of, &number))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the terminal end of the pseudo-terminal, /dev/pts/%d, is held by a "
                            "process outside",
                            index);
    object->state = state;
    return 0;
}

/* --- create ---------------------------------------------------------------- */

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* Opens masters until one has the number: those opened before it are closed again. */
static int open_number(int wanted, int *fd, struct recap_error *error)
{
    int *others = calloc((size_t)wanted + 1, sizeof *others), result = 0, index = -1, opened = -1;
    size_t count = 0;
    if (!others)
        return recap_fail(error, -ENOMEM, "making a pseudo-terminal");
    while (result == 0 && index < wanted) {
        opened = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        index = opened < 0 ? -errno : number_of(opened, TIOCGPTN);
        if (index < 0)
            result = recap_fail(error, index, "making a pseudo-terminal");
        else if (index < wanted)
            others[count++] = opened;
    }
    close_all(others, count);
    free(others);
    if (result == 0 && index > wanted) {
        recap_refuse(error, RECAP_FAILED, -EBUSY, "the terminal /dev/pts/%d is in use", wanted);
        result = recap_error_remedy(error, "end what uses /dev/pts/%d", wanted);
    }
    if (result < 0) {
        if (opened >= 0)
            close(opened);
        return result;
    }
    *fd = opened;
    return 0;
}

static int unlock(int fd, int locked, struct recap_error *error)
{
    return ioctl(fd, TIOCSPTLCK, &locked) < 0
               ? recap_fail(error, -errno, "unlocking a pseudo-terminal")
               : 0;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    enum { MOST = 1 << 20 };
    (void)creation;
    int64_t index;
    int fd = -1;
    if (recap_get_number(object->state, "index", &index) < 0 || index < 0 || index > MOST)
        return linux_state_damaged(object, "index", error);
    int result = open_number((int)index, &fd, error);
    if (result == 0)
        result = unlock(fd, 0, error);
    if (result < 0) {
        linux_close_descriptor(&fd);
        return result;
    }
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

/* Opens the terminal end. Not with O_CLOEXEC, which the kernel would count among the flags of the
 * description for ever. */
static int open_end(int master, int flags)
{
    int fd = ioctl(master, TIOCGPTPEER, flags | O_NOCTTY);
    if (fd >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

int linux_pty_open(struct linux_kernel *kernel, recap_badge master, int flags, int *fd,
                   struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int own = -1;
    int result = linux_badge_fd(kernel, master, &own, error);
    if (result < 0)
        return result;
    int opened = open_end(own, flags);
    if (opened < 0)
        return recap_fail(error, -errno, "opening the terminal end of a pseudo-terminal");
    *fd = opened;
    return 0;
}

int linux_pty_hung_up(int flags, int *fd, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int master =
        open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
        return recap_fail(error, -errno, "making a pseudo-terminal");
    int result = unlock(master, 0, error);
    int opened = result < 0 ? -1 : open_end(master, flags);
    if (opened < 0)
        return result < 0 ? result : recap_fail(error, -errno, "making a pseudo-terminal");
    *fd = opened;
    return 0;
}

static int tie(struct linux_pd *pd, const struct recap_creation *creation,
               const struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    const struct recap_value *ties = recap_member(object->state, "ties");
    int packets = recap_number_or(ties, "packets", 0) != 0;
    int result = linux_badge_fd(pd->kernel, creation->badges[object->id], &fd, error);
    if (result == 0)
        result = linux_terminal_settings_set(fd, object, ties, true, error);
    if (result == 0)
        result = linux_pty_owner_set(fd, object, ties, error);
    if (result == 0 && recap_member(ties, "left")) {
        /* Somebody had it open and has left: the master is told so until the next one comes. */
        int end = open_end(fd, O_RDWR);
        if (end < 0)
            result = recap_fail(error, -errno, "opening the terminal end of a pseudo-terminal");
        else
            close(end);
    }
    if (result == 0 && packets && ioctl(fd, TIOCPKT, &packets) < 0)
        result = recap_fail(error, -errno, "setting a pseudo-terminal to packet mode");
    if (result == 0 && recap_number_or(ties, "exclusive", 0) && ioctl(fd, TIOCEXCL) < 0)
        result = recap_fail(error, -errno, "setting a pseudo-terminal to exclusive mode");
    return result ? result : unlock(fd, recap_number_or(ties, "locked", 0) != 0, error);
}

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    uint64_t index = 0;
    linux_fdinfo_number(description->fdinfo, "tty-index", 10, &index);
    if ((int64_t)index != recap_number_or(object->state, "index", -1))
        return recap_refuse(error, RECAP_FAILED, -ESTALE, "it is the master of /dev/pts/%llu",
                            (unsigned long long)index);
    return 0;
}

const struct linux_kind linux_kind_pty = {
    .name = "pty",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .tie = tie,
    .compare = compare,
};
