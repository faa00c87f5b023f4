/* watched_path.c: the path of a file that is known by device and inode only. */
#include "kernel/linux/objects/events/watched_path.h"
#include "kernel/linux/linux.h"
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

bool linux_watched_is(const struct linux_watched *watched, const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && status.st_dev == watched->device &&
           status.st_ino == watched->inode;
}

/* --- by handle ------------------------------------------------------------- */

static bool by_handle_in(const struct linux_watched *watched, const char *mount,
                         char path[PATH_MAX])
{
    struct {
        struct file_handle handle;
        unsigned char room[sizeof watched->handle];
    } known;
    char link[64];
    known.handle.handle_bytes = watched->handle_length;
    known.handle.handle_type = watched->handle_type;
    memcpy(known.handle.f_handle, watched->handle, watched->handle_length);
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    if (linux_unseen_by_handle(mount, &known.handle, &fd) < 0)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return linux_procfs_link(AT_FDCWD, link, path, PATH_MAX) > 0 && linux_watched_is(watched, path);
}

static bool by_handle(const struct linux_watched *watched, char path[PATH_MAX])
{
    char *mounts, *next = NULL;
    bool found = false;
    if (linux_procfs_read(AT_FDCWD, "/proc/self/mountinfo", &mounts, NULL) < 0)
        return false;
    for (char *line = mounts; line && *line && !found; line = next) {
        unsigned major, minor;
        char mount[PATH_MAX];
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (sscanf(line, "%*d %*d %u:%u %*s %4095s", &major, &minor, mount) == 3 &&
            makedev(major, minor) == watched->device)
            found = by_handle_in(watched, mount, path);
    }
    free(mounts);
    return found;
}

/* --- by looking around ----------------------------------------------------- */

/* Looks at a directory and what is in it. */
static bool in_directory(struct linux_kernel *kernel, const struct linux_watched *watched,
                         const char *directory, char path[PATH_MAX])
{
    if (linux_watched_is(watched, directory)) {
        snprintf(path, PATH_MAX, "%s", directory);
        return true;
    }
    DIR *list = linux_unseen_list(kernel, directory);
    const struct dirent *entry;
    bool found = false;
    while (list && !found && (entry = readdir(list))) {
        if (entry->d_ino != watched->inode || strcmp(entry->d_name, ".") == 0 ||
            strcmp(entry->d_name, "..") == 0)
            continue;
        bool top = strcmp(directory, "/") == 0;
        int length = snprintf(path, PATH_MAX, "%s/%s", top ? "" : directory, entry->d_name);
        found = length < PATH_MAX && linux_watched_is(watched, path);
    }
    if (list)
        closedir(list);
    return found;
}

/* Looks around `link`, a link below /proc/PID, and in every directory above where it leads. */
static bool around(struct linux_kernel *kernel, const struct linux_watched *watched,
                   const char *link, char path[PATH_MAX])
{
    char place[PATH_MAX];
    if (linux_procfs_link(AT_FDCWD, link, place, sizeof place) <= 0 || place[0] != '/')
        return false;
    for (;;) {
        if (in_directory(kernel, watched, place, path))
            return true;
        char *slash = strrchr(place, '/');
        if (slash == place && !slash[1])
            return false;
        slash[slash == place] = '\0';
    }
}

static bool around_held(struct linux_kernel *kernel, const struct linux_watched *watched,
                        const char *process, char path[PATH_MAX])
{
    char directory[64], link[PATH_MAX];
    snprintf(directory, sizeof directory, "%s/fd", process);
    DIR *list = opendir(directory);
    const struct dirent *entry;
    bool found = false;
    while (list && !found && (entry = readdir(list))) {
        snprintf(link, sizeof link, "%s/%s", directory, entry->d_name);
        found = entry->d_name[0] != '.' && around(kernel, watched, link, path);
    }
    if (list)
        closedir(list);
    return found;
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

/* Looks below a directory, level by level, for as long as that is a matter of moments. */
static bool below(struct linux_kernel *kernel, const struct linux_watched *watched,
                  const char *link, char path[PATH_MAX])
{
    enum { MOST_ENTRIES = 100000 };
    char start[PATH_MAX];
    struct pending *first = NULL, **last = &first;
    bool found = false;
    size_t looked = 0;
    if (linux_procfs_link(AT_FDCWD, link, start, sizeof start) <= 0 || !defer(&last, start, ""))
        return false;
    while (first && !found && looked < MOST_ENTRIES) {
        struct pending *directory = first;
        found = in_directory(kernel, watched, directory->path, path);
        DIR *list = found ? NULL : linux_unseen_list(kernel, directory->path);
        const struct dirent *entry;
        while (list && (entry = readdir(list)) && ++looked < MOST_ENTRIES)
            if (entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
                strcmp(entry->d_name, "..") != 0 && !defer(&last, directory->path, entry->d_name))
                break;
        if (list)
            closedir(list);
        first = directory->next;
        if (!first)
            last = &first;
        free(directory);
    }
    for (struct pending *next; first; first = next) {
        next = first->next;
        free(first);
    }
    return found;
}

int linux_watched_path(struct linux_kernel *kernel, pid_t pid, const struct linux_watched *watched,
                       char path[PATH_MAX])
{
    static const char *const places[] = {"cwd", "exe", "root"};
    char process[32], link[64];
    snprintf(process, sizeof process, "/proc/%d", pid ? pid : getpid());
    if (watched->handle_length && by_handle(watched, path))
        return 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(link, sizeof link, "%s/%s", process, places[i]);
        if (around(kernel, watched, link, path))
            return 0;
    }
    snprintf(link, sizeof link, "%s/cwd", process);
    return around_held(kernel, watched, process, path) || below(kernel, watched, link, path)
               ? 0
               : -ENOENT;
}
