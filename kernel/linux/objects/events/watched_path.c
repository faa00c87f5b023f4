/* watched_path.c: the path of a file that is known by device and inode only.
 *
 * What may not be looked at, or not unseen, is passed over: the file is looked for wherever it may
 * be, and one that is not found is refused. Any other failure says nothing of where it is.
 */
#include "kernel/linux/objects/events/watched_path.h"
#include "kernel/linux/linux.h"
#include "kernel/linux/objects/files/file_identity.h"
#include "kernel/linux/objects/files/unseen.h"
#include "kernel/linux/objects/status_flags.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int linux_watched_is(const struct linux_watched *watched, const char *path)
{
    int result = linux_path_leads(path, AT_SYMLINK_NOFOLLOW, watched->device, watched->inode, NULL);
    return linux_procfs_hidden(result) ? 0 : result;
}

struct search {
    struct linux_kernel *kernel;
    const struct linux_watched *watched;
    char *path; /* PATH_MAX: of the file, once it is found */
};

/* What is passed over: where nothing is, and where nobody may look. */
static int unless_kept(int code)
{
    return linux_procfs_gone(code) || linux_procfs_hidden(code) || code == -EBUSY ||
                   code == -ENOTDIR || code == -ELOOP || code == -ENAMETOOLONG || code == -EOVERFLOW
               ? 0
               : code;
}

/* All of the following: 1 when it is found, 0, or a negative errno. */

/* --- by handle ------------------------------------------------------------- */

static int by_handle_in(const struct search *search, const char *mount)
{
    const struct linux_watched *watched = search->watched;
    struct {
        struct file_handle handle;
        unsigned char room[sizeof watched->handle];
    } known;
    char link[64];
    known.handle.handle_bytes = watched->handle_length;
    known.handle.handle_type = watched->handle_type;
    memcpy(known.handle.f_handle, watched->handle, watched->handle_length);
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_unseen_by_handle(mount, &known.handle, &fd);
    /* A mount by another name than it is listed with, and one that knows no such handle. */
    if (result == -ESTALE || result == -EOPNOTSUPP || result == -EINVAL)
        return 0;
    if (result < 0)
        return unless_kept(result);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = linux_procfs_link(AT_FDCWD, link, search->path, PATH_MAX);
    return length < 0 ? unless_kept((int)length) : linux_watched_is(watched, search->path);
}

static int by_handle(const struct search *search)
{
    char *mounts, *next = NULL;
    int found = linux_procfs_read(AT_FDCWD, "/proc/self/mountinfo", &mounts, NULL);
    if (found < 0)
        return found;
    for (char *line = mounts; line && *line && found == 0; line = next) {
        unsigned major, minor;
        char mount[PATH_MAX];
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &major, &minor, mount) == 3 &&
            makedev(major, minor) == search->watched->device)
            found = by_handle_in(search, mount);
    }
    free(mounts);
    return found;
}

/* --- by looking around ----------------------------------------------------- */

/* Looks at a directory and what is in it. */
static int in_directory(const struct search *search, const char *directory)
{
    int found = linux_watched_is(search->watched, directory);
    if (found != 0) {
        snprintf(search->path, PATH_MAX, "%s", directory);
        return found;
    }
    DIR *list = linux_unseen_list(search->kernel, directory);
    int result = list ? 0 : -errno;
    for (struct dirent *entry;
         result == 0 && (result = linux_procfs_next(list, &entry)) == 0 && entry;) {
        if (entry->d_ino != search->watched->inode || strcmp(entry->d_name, ".") == 0 ||
            strcmp(entry->d_name, "..") == 0)
            continue;
        bool top = strcmp(directory, "/") == 0;
        int length = snprintf(search->path, PATH_MAX, "%s/%s", top ? "" : directory, entry->d_name);
        if (length < PATH_MAX)
            result = linux_watched_is(search->watched, search->path);
    }
    if (list)
        closedir(list);
    return unless_kept(result);
}

/* Looks around `link`, a link below /proc/PID, and in every directory above where it leads. */
static int around(const struct search *search, const char *link)
{
    char place[PATH_MAX];
    ssize_t length = linux_procfs_link(AT_FDCWD, link, place, sizeof place);
    if (length <= 0 || place[0] != '/')
        return unless_kept(length < 0 ? (int)length : 0);
    for (;;) {
        int found = in_directory(search, place);
        char *slash = strrchr(place, '/');
        if (found != 0 || (slash == place && !slash[1]))
            return found;
        slash[slash == place] = '\0';
    }
}

static int around_held(const struct search *search, const char *process)
{
    char directory[64], link[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/fd", process);
    DIR *list = opendir(directory);
    int result = list ? 0 : -errno;
    for (struct dirent *entry;
         result == 0 && (result = linux_procfs_next(list, &entry)) == 0 && entry;) {
        snprintf(link, sizeof link, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.')
            result = around(search, link);
    }
    if (list)
        closedir(list);
    return unless_kept(result);
}

/* A directory that is still to be looked at. */
struct pending {
    struct pending *next;
    char path[];
};

static bool defer(struct pending ***last, const char *directory, const char *name)
{
    bool top = strcmp(directory, "/") == 0;
    size_t size = strlen(directory) + strlen(name) + 2;
    struct pending *one = malloc(sizeof *one + size);
    if (!one)
        return false;
    one->next = NULL;
    snprintf(one->path, size, "%s%s%s", top ? "" : directory, *name ? "/" : "", name);
    **last = one;
    *last = &one->next;
    return true;
}

/* Notes the directories in one, while fewer than `most` entries were looked at. */
static int defer_all(const struct search *search, const char *directory, size_t most,
                     size_t *looked, struct pending ***last)
{
    DIR *list = linux_unseen_list(search->kernel, directory);
    int result = list ? 0 : -errno;
    for (struct dirent *entry; result == 0 && (result = linux_procfs_next(list, &entry)) == 0 &&
                               entry && ++*looked < most;)
        if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
            strcmp(entry->d_name, "..") != 0 && !defer(last, directory, entry->d_name))
            result = -ENOMEM;
    if (list)
        closedir(list);
    return unless_kept(result);
}

/* Looks below a directory, level by level, for as long as that is a matter of moments. */
static int below(const struct search *search, const char *link)
{
    enum { MOST_ENTRIES = 100000 };
    char start[PATH_MAX];
    struct pending *first = NULL, **last = &first;
    size_t looked = 0;
    ssize_t length = linux_procfs_link(AT_FDCWD, link, start, sizeof start);
    if (length <= 0)
        return unless_kept((int)length);
    int result = defer(&last, start, "") ? 0 : -ENOMEM;
    while (first && result == 0 && looked < MOST_ENTRIES) {
        struct pending *directory = first;
        result = in_directory(search, directory->path);
        if (result == 0)
            result = defer_all(search, directory->path, MOST_ENTRIES, &looked, &last);
        first = directory->next;
        if (!first)
            last = &first;
        free(directory);
    }
    for (struct pending *next; first; first = next) {
        next = first->next;
        free(first);
    }
    return result;
}

int linux_watched_path(struct linux_kernel *kernel, pid_t pid, const struct linux_watched *watched,
                       char path[PATH_MAX])
{
    static const char *const places[] = {"cwd", "exe", "root"};
    const struct search search = {kernel, watched, path};
    char process[32], link[64];
    snprintf(process, sizeof process, "/proc/%d", pid ? pid : getpid());
    int found = watched->handle_length ? by_handle(&search) : 0;
    for (size_t i = 0; found == 0 && i < sizeof places / sizeof *places; i++) {
        snprintf(link, sizeof link, "%s/%s", process, places[i]);
        found = around(&search, link);
    }
    if (found == 0)
        found = around_held(&search, process);
    snprintf(link, sizeof link, "%s/cwd", process);
    if (found == 0)
        found = below(&search, link);
    return found < 0 ? found : found ? 0 : -ENOENT;
}
