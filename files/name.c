/* name.c: resolving a path folder by folder, without trusting anybody but root and the caller. */
#include "files/name.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MOST_LINKS = 40 }; /* as the kernel has it */

struct walk {
    const char *path; /* as it was given */
    enum files_last last;
    struct files_name *found;
    struct recap_error *error;
    struct stat folder;
    char *rest; /* what is still to be resolved, in memory of its own */
    char *next; /* where in it */
    unsigned links;
};

/* Where root's own folder does not look like root's, we are in a user namespace: root and all other
 * users look alike. Then the kernel alone guards us (fs.protected_symlinks and the like). */
static bool is_trusted(uid_t user)
{
    struct stat root;
    return user == 0 || user == geteuid() || (stat("/", &root) == 0 && root.st_uid == user);
}

/* Whether somebody else may give the names in a folder to other files. */
static bool is_shared(const struct stat *folder)
{
    return !is_trusted(folder->st_uid) ||
           ((folder->st_mode & (S_IWGRP | S_IWOTH)) && !(folder->st_mode & S_ISVTX));
}

bool files_is_ours(const struct stat *status)
{
    return is_trusted(status->st_uid) && !(status->st_mode & (S_IWGRP | S_IWOTH));
}

/* Whether an entry of the folder is no trap. What an owner of a folder puts there is not one for
 * other users, who have come to that folder by its name; root trusts nobody's. */
static bool is_no_trap(const struct stat *folder, const struct stat *entry)
{
    return is_trusted(entry->st_uid) ||
           (geteuid() != 0 && entry->st_uid == folder->st_uid && !(folder->st_mode & S_IWOTH));
}

static int failed(const struct walk *walk, int code)
{
    return recap_fail(walk->error, code, "finding %s", walk->path);
}

/* Goes into what `opened` is. */
static int enter(struct walk *walk, int opened)
{
    if (opened < 0)
        return failed(walk, -errno);
    close(walk->found->folder);
    walk->found->folder = opened;
    if (fstat(opened, &walk->folder) < 0)
        return failed(walk, -errno);
    walk->found->others |= is_shared(&walk->folder);
    return 0;
}

static int enter_root(struct walk *walk, const char *root)
{
    return enter(walk, open(root, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* A link of /proc leads to what is open, and has no path that could be followed. */
static bool is_magic(int folder, const char *name)
{
    struct statfs system;
    int link = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    bool magic = link >= 0 && fstatfs(link, &system) == 0 && system.f_type == PROC_SUPER_MAGIC;
    if (link >= 0)
        close(link);
    return magic;
}

/* Puts what the link says before the rest of the path. */
static int follow(struct walk *walk, const char *name)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(walk->found->folder, name, target, sizeof target);
    if (length < 0 || length == sizeof target)
        return failed(walk, length < 0 ? -errno : -ENAMETOOLONG);
    size_t rest = strlen(walk->next) + 1;
    char *joined = malloc((size_t)length + 1 + rest);
    if (!joined)
        return failed(walk, -ENOMEM);
    memcpy(joined, target, (size_t)length);
    joined[length] = '/';
    memcpy(joined + length + 1, walk->next, rest);
    free(walk->rest);
    walk->rest = walk->next = joined;
    return joined[0] == '/' ? enter_root(walk, "/") : 0;
}

static int take_link(struct walk *walk, const char *name, const struct stat *link, bool last)
{
    if (++walk->links > MOST_LINKS)
        return failed(walk, -ELOOP);
    if (!is_no_trap(&walk->folder, link)) {
        recap_refuse(
            walk->error, RECAP_FAILED, -ELOOP,
            "%s leads through the symbolic link \"%s\", which user %u could have put there",
            walk->path, name, (unsigned)link->st_uid);
        recap_error_remedy(walk->error, "give the path that the link leads to");
        return -ELOOP;
    }
    if (!is_magic(walk->found->folder, name))
        return follow(walk, name);
    int opened = openat(walk->found->folder, name, O_PATH | O_CLOEXEC | (last ? 0 : O_DIRECTORY));
    if (!last)
        return enter(walk, opened);
    if (opened < 0)
        return failed(walk, -errno);
    walk->found->open = opened;
    return 1;
}

static bool ends_in_name(const char *path)
{
    size_t end = strlen(path);
    while (end && path[end - 1] == '/')
        end--;
    size_t length = 0;
    while (length < end && path[end - length - 1] != '/')
        length++;
    const char *last = path + end - length;
    return length && !(length == 1 && last[0] == '.') &&
           !(length == 2 && last[0] == '.' && last[1] == '.');
}

/* The next component. 1: it was the last one. */
static int step(struct walk *walk)
{
    char name[NAME_MAX + 1];
    struct stat status;
    size_t length = strcspn(walk->next, "/");
    if (length > NAME_MAX)
        return failed(walk, -ENAMETOOLONG);
    memcpy(name, walk->next, length);
    name[length] = '\0';
    walk->next += length;
    walk->next += strspn(walk->next, "/");
    bool last = !*walk->next, up = strcmp(name, "..") == 0;
    if (last && (!*name || up || strcmp(name, ".") == 0))
        return failed(walk, -EISDIR);
    if (!*name || strcmp(name, ".") == 0)
        return 0;
    if (up)
        return enter(walk, openat(walk->found->folder, "..", O_PATH | O_DIRECTORY | O_CLOEXEC));
    bool there = fstatat(walk->found->folder, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && (!last || errno != ENOENT))
        return failed(walk, -errno);
    if (there && S_ISLNK(status.st_mode) && !(last && walk->last == FILES_AS_IS))
        return take_link(walk, name, &status, last);
    if (there && !is_trusted(status.st_uid))
        walk->found->others = true;
    if (!last)
        return enter(
            walk, openat(walk->found->folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    walk->found->name = strdup(name);
    return walk->found->name ? 1 : failed(walk, -ENOMEM);
}

int files_find(const char *path, enum files_last last, struct files_name *found,
               struct recap_error *error)
{
    struct files_name made = {.folder = -1, .open = -1};
    struct walk walk = {.path = path, .last = last, .found = &made, .error = error};
    if (!ends_in_name(path))
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "the path \"%s\" does not end in a name",
                            path);
    walk.rest = walk.next = strdup(path);
    int result = walk.rest ? enter_root(&walk, path[0] == '/' ? "/" : ".") : failed(&walk, -ENOMEM);
    while (result == 0)
        result = step(&walk);
    free(walk.rest);
    if (result < 0)
        files_name_clear(&made);
    else
        *found = made;
    return result < 0 ? result : 0;
}

void files_name_clear(struct files_name *found)
{
    if (found->folder >= 0)
        close(found->folder);
    if (found->open >= 0)
        close(found->open);
    free(found->name);
    *found = (struct files_name){.folder = -1, .open = -1};
}

int files_look(const struct files_name *at, struct stat *status)
{
    int result = at->name ? fstatat(at->folder, at->name, status, AT_SYMLINK_NOFOLLOW)
                          : fstat(at->open, status);
    return result < 0 ? -errno : 0;
}

int files_may_change(const struct files_name *at, const char *path, struct recap_error *error)
{
    struct stat folder, status;
    if (!at->name || files_look(at, &status) < 0)
        return 0;
    if (fstat(at->folder, &folder) < 0)
        return recap_fail(error, -errno, "looking at %s", path);
    /* A link to a file of ours that somebody made here is one of several names. */
    bool linked = S_ISREG(status.st_mode) && status.st_nlink > 1 &&
                  (is_shared(&folder) || (folder.st_mode & S_IWOTH));
    if (is_no_trap(&folder, &status) && !linked)
        return 0;
    if (linked)
        recap_refuse(error, RECAP_FAILED, -EPERM,
                     "%s has %lu names, and others may have given it this one", path,
                     (unsigned long)status.st_nlink);
    else
        recap_refuse(error, RECAP_FAILED, -EPERM,
                     "%s belongs to user %u, who may have put it there", path,
                     (unsigned)status.st_uid);
    recap_error_remedy(error, "remove it or choose another name");
    return -EPERM;
}

void files_remove(const struct files_name *at, const struct stat *status)
{
    struct stat now;
    if (at->name && files_look(at, &now) == 0 && now.st_dev == status->st_dev &&
        now.st_ino == status->st_ino)
        unlinkat(at->folder, at->name, 0);
}
