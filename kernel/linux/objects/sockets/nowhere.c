/* nowhere.c: a file system that has no place in any other.
 *
 * It is a tmpfs that is mounted, but nowhere: only a descriptor leads to it. What has to have a
 * name for an instant gets it there, and names that come from an image are only ever followed
 * there. */
#include "kernel/linux/objects/sockets/nowhere.h"
#include "kernel/linux/namespace.h"
#include "kernel/linux/objects/apart.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

struct nowhere {
    int root;       /* of the file system; -1 until it is made */
    bool own_users; /* we are in a user namespace of our own, whose users are not mapped yet */
    uid_t user;
    gid_t group;
    /* A directory to be seen in it: -1 for none. */
    int directory;
    const char *place, *at;
    int (*work)(void *context);
    void *context;
};

int linux_nowhere_lead_to(const char *name)
{
    char path[PATH_MAX];
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t length = (size_t)(slash - name);
        if (length >= sizeof path)
            return -ENAMETOOLONG;
        memcpy(path, name, length);
        path[length] = '\0';
        if (length && mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static int make_root(struct nowhere *nowhere)
{
    int system = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (system < 0)
        return -errno;
    int root = -1, result = 0;
    if (fsconfig(system, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
        (root = fsmount(system, FSMOUNT_CLOEXEC,
                        MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)) < 0)
        result = -errno;
    close(system);
    if (result == 0)
        nowhere->root = root;
    return result;
}

static int enter(struct nowhere *nowhere)
{
    int result = nowhere->own_users ? linux_namespace_map_ids(nowhere->user, nowhere->group) : 0;
    if (result == 0 && nowhere->root < 0)
        result = make_root(nowhere);
    if (result == 0 && (fchdir(nowhere->root) < 0 || chroot(".") < 0))
        result = -errno;
    return result;
}

static int work_nowhere(void *context)
{
    struct nowhere *nowhere = context;
    int result = enter(nowhere);
    return result < 0 ? result : nowhere->work(nowhere->context);
}

/* Runs `start` with the privilege that mounting takes. */
static int apart_with_privilege(struct nowhere *nowhere, int flags, int (*start)(void *context))
{
    nowhere->user = geteuid();
    nowhere->group = getegid();
    int result = linux_apart(CLONE_FILES | flags, start, nowhere);
    if (result == -EPERM) {
        nowhere->own_users = true;
        result = linux_apart(CLONE_FILES | CLONE_NEWUSER | CLONE_NEWNS, start, nowhere);
    }
    return result;
}

int linux_apart_nowhere(struct linux_kernel *kernel, int (*work)(void *context), void *context)
{
    struct nowhere nowhere = {
        .root = kernel->nowhere, .directory = -1, .work = work, .context = context};
    int result = apart_with_privilege(&nowhere, 0, work_nowhere);
    kernel->nowhere = nowhere.root;
    return result;
}

void linux_nowhere_leave(struct linux_kernel *kernel)
{
    linux_close_descriptor(&kernel->nowhere);
    kernel->nowhere = -1;
}

/* --- with a directory that is there ------------------------------------------------------------
 */

/* A mount of the directory that can be put elsewhere. In mount namespaces of our own it has to be
 * found anew: a descriptor from before leads into the namespace that we left. */
static int take_directory(const struct nowhere *nowhere, int *tree)
{
    struct stat wanted, found;
    int here = open(nowhere->place, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (here < 0)
        return -errno;
    int result = fstat(nowhere->directory, &wanted) < 0 || fstat(here, &found) < 0 ? -errno : 0;
    if (result == 0 && (wanted.st_dev != found.st_dev || wanted.st_ino != found.st_ino))
        result = -ESTALE;
    if (result == 0 &&
        (*tree = open_tree(here, "",
                           AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)) < 0)
        result = -errno;
    close(here);
    return result;
}

/* Puts the mount where `parent` leads. Over the root it has to become the root. */
static int put_directory(int tree, const char *parent)
{
    struct stat root, under;
    if (stat("/", &root) < 0 || stat(parent, &under) < 0 ||
        move_mount(tree, "", AT_FDCWD, parent, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return -errno;
    if (root.st_dev != under.st_dev || root.st_ino != under.st_ino)
        return 0;
    return fchdir(tree) < 0 || chroot(".") < 0 ? -errno : 0;
}

/* Over our root, as a mount can only be put on one that has a place. */
static int work_with_directory(void *context)
{
    struct nowhere *nowhere = context;
    char parent[PATH_MAX];
    const char *slash = strrchr(nowhere->at, '/');
    size_t length = slash ? (size_t)(slash - nowhere->at) : 0;
    int tree = -1;
    if (length >= sizeof parent)
        return -ENAMETOOLONG;
    memcpy(parent, nowhere->at, length);
    parent[length] = '\0';
    int result = nowhere->own_users ? linux_namespace_map_ids(nowhere->user, nowhere->group) : 0;
    if (result == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        result = -errno;
    if (result == 0)
        result = take_directory(nowhere, &tree);
    if (result == 0)
        result = make_root(nowhere);
    if (result == 0 && (move_mount(nowhere->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
                        fchdir(nowhere->root) < 0 || chroot(".") < 0))
        result = -errno;
    if (result == 0)
        result = linux_nowhere_lead_to(nowhere->at);
    if (result == 0)
        result = put_directory(tree, length ? parent : ".");
    if (result == 0)
        result = nowhere->work(nowhere->context);
    if (tree >= 0)
        close(tree);
    if (nowhere->root >= 0)
        close(nowhere->root);
    nowhere->root = -1;
    return result;
}

int linux_apart_seen_as(int directory, const char *place, const char *at,
                        int (*work)(void *context), void *context)
{
    struct nowhere nowhere = {.root = -1,
                              .directory = directory,
                              .place = place,
                              .at = at,
                              .work = work,
                              .context = context};
    return apart_with_privilege(&nowhere, CLONE_NEWNS, work_with_directory);
}
