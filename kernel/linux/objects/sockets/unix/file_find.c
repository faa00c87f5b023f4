/* file_find.c: where the file that a Unix socket is bound to is now.
 *
 * The kernel tells of a socket the text that it was bound to and the inode of its file. The text
 * may lead elsewhere by now: the file was renamed or has another name, another file has its name, a
 * directory was renamed or is hidden by a mount, the text is relative and the process has gone to
 * another directory. With CAP_NET_ADMIN the kernel gives the file itself. Without it the file is
 * looked for, and only its inode is believed. */
#include "kernel/linux/objects/files/unseen.h"
#include "kernel/linux/objects/sockets/unix/file.h"
#include "kernel/linux/objects/status_flags.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of <linux/un.h>, which does not go together with <sys/un.h>. */
#ifndef SIOCUNIXFILE
#define SIOCUNIXFILE (SIOCPROTOPRIVATE + 0)
#endif

struct search {
    struct linux_kernel *kernel;
    const struct linux_unix_diag *diag;
    const char *name; /* that it is bound to */
    pid_t pid;
    char path[PATH_MAX]; /* of the file, once it is found */
    struct stat status;
    char start[PATH_MAX]; /* where the name leads to it from; empty if it does not */
    int failed;           /* why something could not be looked at though the caller may */
    int kept;             /* why something may not be looked at: -EACCES, or -EBUSY (unseen.h) */
};

/* Notes what keeps a place from being looked at: what is there is not known then. */
static void note(struct search *search, int code)
{
    if (linux_procfs_hidden(code) || code == -EBUSY)
        search->kept = linux_procfs_hidden(code) ? -EACCES : code;
    else if (code < 0 && !linux_procfs_gone(code) && code != -ENOTDIR && code != -ELOOP &&
             code != -ENAMETOOLONG)
        search->failed = code;
}

/* Whether `path` leads to the file; then it has been found. The kernel tells of an inode no more
 * than 32 bits. */
static bool leads_there(struct search *search, const char *path)
{
    struct stat status;
    if (lstat(path, &status) < 0) {
        note(search, -errno);
        return false;
    }
    if (!S_ISSOCK(status.st_mode) || (uint32_t)status.st_ino != search->diag->file_inode ||
        status.st_dev != search->diag->file_device)
        return false;
    search->status = status;
    return true;
}

/* Without links and dots, so that the path means the same from everywhere. */
static bool settle(struct search *search, const char *path)
{
    char copy[PATH_MAX], real[PATH_MAX];
    int length = snprintf(copy, sizeof copy, "%s", path);
    char *slash = strrchr(copy, '/');
    if (length < 0 || (size_t)length >= sizeof copy || !slash)
        return false;
    const char *last = slash + 1;
    *slash = '\0';
    if (!realpath(slash == copy ? "/" : copy, real))
        return false;
    length =
        snprintf(search->path, sizeof search->path, "%s/%s", strcmp(real, "/") ? real : "", last);
    return (size_t)length < sizeof search->path && leads_there(search, search->path);
}

/* Another name in the same directory. */
static bool beside(struct search *search, const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_MAX], other[PATH_MAX + NAME_MAX + 2];
    if (!slash || (size_t)(slash - path) + 2 > sizeof directory)
        return false;
    snprintf(directory, sizeof directory, "%.*s/", (int)(slash - path), path);
    DIR *list = linux_unseen_list(search->kernel, directory);
    int result = list ? 0 : -errno;
    bool found = false;
    for (struct dirent *entry;
         !found && result == 0 && (result = linux_procfs_next(list, &entry)) == 0 && entry;) {
        if ((uint32_t)entry->d_ino != search->diag->file_inode)
            continue;
        snprintf(other, sizeof other, "%s%s", directory, entry->d_name);
        found = leads_there(search, other) && settle(search, other);
    }
    if (list)
        closedir(list);
    note(search, result);
    return found;
}

/* The name from directory `from`, or with `renamed` another one in the directory that it leads to.
 */
static bool find_from(struct search *search, const char *from, bool renamed)
{
    char path[PATH_MAX];
    bool absolute = search->name[0] == '/';
    int length = snprintf(path, sizeof path, "%s%s%s", absolute ? "" : from, absolute ? "" : "/",
                          search->name);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    if (renamed)
        return beside(search, path);
    if (!leads_there(search, path) || !settle(search, path))
        return false;
    snprintf(search->start, sizeof search->start, "%s", absolute ? "/" : from);
    return true;
}

/* From a directory, and from the one that a file is in. */
static bool find_near(struct search *search, const char *path, bool renamed)
{
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (path[0] != '/' || (size_t)(slash - path) >= sizeof directory)
        return false;
    snprintf(directory, sizeof directory, "%.*s", (int)(slash - path), path);
    return find_from(search, path, renamed) || find_from(search, directory, renamed);
}

/* The paths among the words of a file of /proc: arguments, and what variables are set to. */
static bool find_near_words(struct search *search, const char *name, bool renamed)
{
    char file[64], *text = NULL;
    size_t length = 0;
    snprintf(file, sizeof file, "/proc/%d/%s", (int)search->pid, name);
    int result = linux_procfs_read(AT_FDCWD, file, &text, &length);
    note(search, result);
    if (result < 0)
        return false;
    bool found = false;
    for (const char *word = text; !found && word < text + length; word += strlen(word) + 1)
        found = find_near(search, word + strcspn(word, "=/") + (word[strcspn(word, "=/")] == '='),
                          renamed);
    free(text);
    return found;
}

static bool find_near_link(struct search *search, const char *name, bool renamed)
{
    char file[64 + NAME_MAX], path[PATH_MAX];
    snprintf(file, sizeof file, "/proc/%d/%s", (int)search->pid, name);
    ssize_t length = linux_procfs_link(AT_FDCWD, file, path, sizeof path);
    /* What is too long for a path is none that anybody was in. */
    note(search, length == -EOVERFLOW ? 0 : (int)length);
    return length > 0 && find_near(search, path, renamed);
}

static bool find_near_descriptors(struct search *search, bool renamed)
{
    char file[64], name[NAME_MAX + 8];
    snprintf(file, sizeof file, "/proc/%d/fd", (int)search->pid);
    DIR *list = opendir(file);
    int result = list ? 0 : -errno;
    bool found = false;
    for (struct dirent *entry;
         !found && result == 0 && (result = linux_procfs_next(list, &entry)) == 0 && entry;) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "fd/%s", entry->d_name);
        found = find_near_link(search, name, renamed);
    }
    if (list)
        closedir(list);
    note(search, result);
    return found;
}

/* A relative name, from where the process may have been when it bound the socket. These are hints:
 * only the inode is believed. */
static bool find_relative(struct search *search, bool renamed)
{
    char directory[PATH_MAX];
    return find_near_link(search, "cwd", renamed) || find_near_descriptors(search, renamed) ||
           find_near_words(search, "environ", renamed) ||
           find_near_words(search, "cmdline", renamed) || find_near_link(search, "exe", renamed) ||
           (getcwd(directory, sizeof directory) && find_from(search, directory, renamed));
}

static int fail(const struct search *search, struct recap_error *error)
{
    return recap_fail(error, search->failed, "looking for the file of socket %s", search->name);
}

/* A name that leads nowhere says that the file was removed only to who could look for it. */
static int refuse_kept(const struct search *search, struct recap_error *error)
{
    if (search->kept == -EBUSY) {
        recap_refuse(
            error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
            "whether the file of the socket that is bound to %s was removed or has another "
            "name cannot be seen without those noticing who watch the directory (inotify)",
            search->name);
        return recap_error_remedy(error, "run recap as root, who can look unseen");
    }
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "whether the file of the socket that is bound to %s was removed cannot be seen: a "
                 "folder on the way to it may not be searched or listed by user %ld",
                 search->name, (long)geteuid());
    return recap_error_remedy(error, "run recap as root, or as a user who may search it");
}

/* Asks the kernel. 1: found; 0: it was removed; -EPERM: it does not tell us. */
static int ask(struct search *search, int fd, struct recap_error *error)
{
    static const char removed[] = " (deleted)";
    char link[64], path[PATH_MAX];
    struct stat status;
    __attribute__((cleanup(linux_close_descriptor))) int file = ioctl(fd, SIOCUNIXFILE);
    if (file < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return recap_fail(error, -errno, "asking for a socket's file");
    if (file < 0)
        return -EPERM;
    if (fstat(file, &status) < 0)
        return recap_fail(error, -errno, "looking at a socket file");
    if (!status.st_nlink)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = linux_procfs_link(AT_FDCWD, link, path, sizeof path);
    if (length < 0)
        return recap_fail(error, (int)length, "looking for a socket file");
    if (leads_there(search, path) && settle(search, path))
        return 1;
    size_t tail = sizeof removed - 1;
    if ((size_t)length > tail && strcmp(path + length - tail, removed) == 0)
        path[(size_t)length - tail] = '\0';
    if (beside(search, path))
        return 1;
    if (search->failed)
        return fail(search, error);
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "the file of the socket that is bound to %s is %s, and no path that can be found "
                 "from here leads to it",
                 search->name, path);
    recap_error_remedy(error, "give the file a name in the directory that it was in, or "
                              "unmount what hides it");
    return -EOPNOTSUPP;
}

static int find(struct search *search, int fd, struct recap_error *error)
{
    bool absolute = search->name[0] == '/';
    char file[64], directory[PATH_MAX] = "/";
    if (!absolute) {
        snprintf(file, sizeof file, "/proc/%d/cwd", (int)search->pid);
        ssize_t length = linux_procfs_link(AT_FDCWD, file, directory, sizeof directory);
        if (length < 0)
            return recap_fail(error, (int)length, "looking for a socket file");
    }
    char path[PATH_MAX + sizeof search->diag->name + 2];
    snprintf(path, sizeof path, "%s%s%s", absolute ? "" : directory, absolute ? "" : "/",
             search->name);
    if (leads_there(search, path) && settle(search, path)) {
        strcpy(search->start, directory);
        return 1;
    }
    int result = ask(search, fd, error);
    if (result != -EPERM)
        return result;
    bool found = absolute ? find_from(search, "/", true)
                          : find_relative(search, false) || find_relative(search, true);
    if (!found && search->failed)
        return fail(search, error);
    if (!found && absolute && search->kept)
        return refuse_kept(search, error);
    if (found || absolute)
        return found;
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "the socket is bound to \"%s\", and its file is in no directory that the process "
                 "is known to have used",
                 search->name);
    recap_error_remedy(error, "checkpoint as root, whom the kernel tells where its file "
                              "is, or from the directory that the file is in");
    return -EOPNOTSUPP;
}

int linux_unix_file_describe(struct linux_kernel *kernel, const struct linux_unix_diag *diag,
                             int fd, pid_t pid, struct recap_arena *arena,
                             struct recap_value *state, struct recap_error *error)
{
    char name[sizeof diag->name + 1] = "", proc[64];
    struct stat root, ours;
    memcpy(name, diag->name, diag->name_length);
    struct search search = {
        .kernel = kernel, .diag = diag, .name = name, .pid = pid ? pid : getpid()};
    snprintf(proc, sizeof proc, "/proc/%d/root", (int)search.pid);
    if (stat(proc, &root) < 0 || stat("/", &ours) < 0)
        return recap_fail(error, -errno, "looking for a socket file");
    if (root.st_ino != ours.st_ino || root.st_dev != ours.st_dev)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the socket is bound to %s in another root directory", name);
    int found = find(&search, fd, error);
    if (found <= 0)
        return found;
    struct recap_value *file = recap_put_record(arena, state, "file");
    recap_put_text(arena, file, "path", search.path);
    if (search.start[0])
        recap_put_text(arena, file, "directory", search.start);
    recap_put_hex(arena, file, "mode", search.status.st_mode & 07777);
    recap_put_number(arena, file, "user", search.status.st_uid);
    recap_put_number(arena, file, "group", search.status.st_gid);
    return 0;
}
