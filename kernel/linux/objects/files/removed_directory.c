/* removed_directory.c: directories without a name.
 *
 * Nothing can be in one, and nothing can be made in it; but a process may stand in it, and go up
 * from it, and two descriptors may be of the same one. It is made anew in the nearest directory
 * that is left, under a name that nobody knows, and removed at once. */
#include "kernel/linux/objects/files/removed_directory.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"

#include "kernel/linux/image_path.h"
#include "kernel/linux/objects/apart.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/inode_state.h"
#include "kernel/linux/objects/files/unlinked_file.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Kept with the badge of a live one: the latest way to it. */
struct known {
    char *path;
    char *live;
};

static void release(void *data)
{
    struct known *known = data;
    free(known->path);
    free(known->live);
    free(known);
}

int linux_removed_directory(struct linux_kernel *kernel, const struct stat *status,
                            const char *path, const char *live, recap_badge *badge,
                            struct recap_error *error)
{
    recap_badge inner;
    int result = linux_badge_inner(kernel, "removed-directory", status->st_dev, status->st_ino,
                                   &inner, error);
    if (result < 0)
        return result;
    struct known *known = calloc(1, sizeof *known);
    if (!known || !(known->path = strdup(path)) || !(known->live = strdup(live))) {
        if (known)
            release(known);
        return recap_fail(error, -ENOMEM, "noting a removed directory");
    }
    linux_badge_keep(kernel, inner, known, release);
    *badge = inner;
    return 0;
}

int linux_removed_directory_held(struct linux_kernel *kernel,
                                 const struct linux_description *description, const char *path,
                                 struct recap_arena *arena, struct recap_value *state,
                                 struct recap_error *error)
{
    char live[LINUX_HOME_PATH];
    const struct linux_home home = {description->pid, description->fd};
    recap_badge directory;
    int result = linux_removed_directory(kernel, &description->status, path,
                                         linux_home_path(home, live), &directory, error);
    if (result == 0)
        recap_put_object(arena, state, "directory", directory);
    return result;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    (void)description;
    const struct known *known = linux_badge_kept(kernel, badge, release);
    struct stat status;
    if (!known)
        return recap_fail(error, -EINVAL, "nothing is known of a removed directory");
    object->label = recap_arena_printf(arena, "%s (deleted)", known->path);
    if (stat(known->live, &status) < 0)
        return recap_fail(error, -errno, "looking at the removed directory %s", known->path);
    object->state = recap_record(arena);
    int result = linux_unlinked_place(arena, object->state, known->path, &status, error);
    return result ? result
                  : linux_inode_describe(arena, object->state, &status, known->live, error);
}

struct making {
    int above;
    int fd;
};

/* Here it has a name for an instant. */
static int make_and_remove(void *context)
{
    struct making *making = context;
    uint64_t number;
    char name[32];
    struct stat status;
    if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
        return -errno;
    snprintf(name, sizeof name, ".recap-%016llx", (unsigned long long)number);
    if (mkdirat(making->above, name, 0700) < 0)
        return -errno;
    making->fd = openat(making->above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int result = making->fd < 0 || fstat(making->fd, &status) < 0 ? -errno : 0;
    /* Where others may write, one of theirs may have taken its place. */
    if (result == 0 && (status.st_uid != geteuid() || (status.st_mode & 0777) != 0700))
        result = -ESTALE;
    if (unlinkat(making->above, name, AT_REMOVEDIR) < 0 && result == 0)
        result = -errno;
    return result;
}

/* A directory of ours below `above`, already without its name. It is made in a process that runs to
 * its end, also when we are killed. */
static int make_nameless(const char *above, int *fd)
{
    struct making making = {.fd = -1};
    int result = linux_image_path_open(above, O_DIRECTORY, &making.above);
    if (result < 0)
        return result;
    result = linux_apart(CLONE_FILES, make_and_remove, &making);
    close(making.above);
    if (result < 0)
        linux_close_descriptor(&making.fd);
    else
        *fd = making.fd;
    return result;
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    const char *above = recap_text_or_null(object->state, "above");
    if (!above || !linux_image_path_is_plain(above))
        return linux_state_damaged(object, "above", error);
    int fd = -1;
    int result = make_nameless(above, &fd);
    if (result < 0)
        return recap_fail(error, result, "making a removed directory again in %s", above);
    result = linux_inode_set(object, fd, error);
    if (result < 0) {
        close(fd);
        return result;
    }
    return linux_badge_own(kernel, fd, badge, error);
}

int linux_removed_directory_open(struct linux_kernel *kernel, const struct recap_creation *creation,
                                 const struct recap_object *object, int flags, int *fd,
                                 struct recap_error *error)
{
    uint64_t directory;
    if (recap_get_object(object->state, "directory", &directory) < 0 ||
        !recap_graph_object(creation->graph, directory) || !creation->badges[directory])
        return linux_state_damaged(object, "directory", error);
    __attribute__((cleanup(linux_close_descriptor))) int made = -1;
    int result = linux_badge_fd(kernel, creation->badges[directory], &made, error);
    if (result < 0)
        return result;
    result = linux_file_reopen(made, flags, fd);
    return result < 0 ? recap_fail(error, result, "opening the removed directory %s",
                                   object->label ? object->label : "")
                      : 0;
}

const struct linux_kind linux_kind_removed_directory = {
    .name = "removed-directory",
    .inner = true,
    .describe = describe,
    .create = create,
};
