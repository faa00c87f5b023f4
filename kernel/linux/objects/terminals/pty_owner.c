/* pty_owner.c: who may open the terminal end of a pseudo-terminal: owner, group and mode of its
 * node.
 *
 * The node is reached through the master and not by its name, which may be of another instance of
 * the file system; and as a mere path, so that nothing is opened that the master would be told of.
 */
#include "kernel/linux/objects/terminals/pty_owner.h"

#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PERMISSIONS = 07777 };

static int open_node(int master, struct stat *status, int *fd, struct recap_error *error)
{
    int node = ioctl(master, TIOCGPTPEER, O_PATH | O_CLOEXEC);
    if (node < 0)
        return recap_fail(error, -errno, "finding the terminal end of a pseudo-terminal");
    if (fstat(node, status) < 0) {
        int code = -errno;
        close(node);
        return recap_fail(error, code, "reading who owns a pseudo-terminal");
    }
    *fd = node;
    return 0;
}

int linux_pty_owner_describe(int master, struct recap_arena *arena, struct recap_value *ties,
                             struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int node = -1;
    struct stat status;
    int result = open_node(master, &status, &node, error);
    if (result < 0)
        return result;
    recap_put_number(arena, ties, "owner", status.st_uid);
    recap_put_number(arena, ties, "group", status.st_gid);
    recap_put_number(arena, ties, "mode", status.st_mode & PERMISSIONS);
    return 0;
}

/* The number that stands for every user or group without one in this user namespace. */
static bool is_unmapped(const char *kind, int64_t id)
{
    char path[64], text[16];
    snprintf(path, sizeof path, "/proc/sys/kernel/overflow%s", kind);
    return linux_procfs_read_into(AT_FDCWD, path, text, sizeof text) > 0 &&
           (int64_t)strtoul(text, NULL, 10) == id;
}

/* What a new node has from its file system's options and cannot be named in a user namespace is
 * what the old one had from them, too. Returns whether `want` has to be set. */
static bool differs(const char *kind, int64_t want, int64_t now)
{
    return want != now && !is_unmapped(kind, now);
}

int linux_pty_owner_set(int master, const struct recap_object *object,
                        const struct recap_value *ties, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int node = -1;
    struct stat status;
    int64_t owner, group, mode;
    if (recap_get_number(ties, "owner", &owner) < 0 || owner < 0 || owner >= UINT32_MAX)
        return linux_state_damaged(object, "owner", error);
    if (recap_get_number(ties, "group", &group) < 0 || group < 0 || group >= UINT32_MAX)
        return linux_state_damaged(object, "group", error);
    if (recap_get_number(ties, "mode", &mode) < 0 || mode < 0 || mode > PERMISSIONS)
        return linux_state_damaged(object, "mode", error);
    int result = open_node(master, &status, &node, error);
    if (result < 0)
        return result;
    uid_t uid = differs("uid", owner, status.st_uid) ? (uid_t)owner : (uid_t)-1;
    gid_t gid = differs("gid", group, status.st_gid) ? (gid_t)group : (gid_t)-1;
    bool given = uid != (uid_t)-1 || gid != (gid_t)-1;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", node);
    /* The mode first: whoever gives a file away may not change it any more. */
    if ((status.st_mode & PERMISSIONS) != (mode_t)mode && chmod(path, (mode_t)mode) < 0)
        result = -errno;
    if (result == 0 && given && fchownat(node, "", uid, gid, AT_EMPTY_PATH) < 0)
        result = -errno;
    return result ? recap_fail(error, result,
                               "giving a pseudo-terminal its owner %lld, group %lld and mode %llo",
                               (long long)owner, (long long)group, (unsigned long long)mode)
                  : 0;
}
