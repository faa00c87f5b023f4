/* description_read.c: what /proc says of a description, in as few system calls as it takes. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/objects/kinds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { PATH_ROOM = LINUX_HOME_PATH }; /* "/proc/PID/fdinfo/FD" with any two 32-bit numbers */

const char *linux_home_path(struct linux_home home, char path[LINUX_HOME_PATH])
{
    if (home.pid)
        snprintf(path, LINUX_HOME_PATH, "/proc/%d/fd/%d", (int)home.pid, home.fd);
    else
        snprintf(path, LINUX_HOME_PATH, "/proc/self/fd/%d", home.fd);
    return path;
}

/* "fd/N" and "fdinfo/N" of /proc/PID, as seen from the directory "fdinfo" there or from anywhere.
 */
static const char *link_path(char path[PATH_ROOM], int directory, struct linux_home home)
{
    if (directory == AT_FDCWD)
        return linux_home_path(home, path);
    snprintf(path, PATH_ROOM, "../fd/%d", home.fd);
    return path;
}

static const char *fdinfo_path(char path[PATH_ROOM], int directory, struct linux_home home)
{
    if (directory != AT_FDCWD)
        snprintf(path, PATH_ROOM, "%d", home.fd);
    else if (home.pid)
        snprintf(path, PATH_ROOM, "/proc/%d/fdinfo/%d", (int)home.pid, home.fd);
    else
        snprintf(path, PATH_ROOM, "/proc/self/fdinfo/%d", home.fd);
    return path;
}

static int grow(char **text, size_t *size)
{
    size_t larger = *size ? *size * 2 : 512;
    char *moved = realloc(*text, larger);
    if (!moved)
        return -ENOMEM;
    *text = moved;
    *size = larger;
    return 0;
}

/* fdinfo is one record: the kernel cuts it only where the buffer ends, so that a short read is the
 * end, and reading on with a larger buffer continues the same record. */
static int read_fdinfo(struct linux_description_room *room, const char *path, int directory)
{
    int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -EBADF : -errno;
    size_t have = 0;
    int result = 0;
    for (;;) {
        if (have + 1 >= room->fdinfo_size && (result = grow(&room->fdinfo, &room->fdinfo_size)) < 0)
            break;
        size_t wanted = room->fdinfo_size - 1 - have;
        ssize_t count = read(fd, room->fdinfo + have, wanted);
        if (count < 0) {
            /* The selector was open when its file was, and is not any more. */
            result = errno == ENOENT ? -EBADF : -errno;
            break;
        }
        have += (size_t)count;
        if ((size_t)count < wanted)
            break;
    }
    close(fd);
    if (result == 0)
        room->fdinfo[have] = '\0';
    return result;
}

static int read_link(struct linux_description_room *room, const char *path, int directory)
{
    ssize_t length = -EOVERFLOW;
    while (length == -EOVERFLOW) {
        if (room->link_size)
            length = linux_procfs_link(directory, path, room->link, room->link_size);
        if (length == -EOVERFLOW && grow(&room->link, &room->link_size) < 0)
            return -ENOMEM;
    }
    return length == -ENOENT ? -EBADF : length < 0 ? (int)length : 0;
}

/* The value of one of the lines that every fdinfo starts with. */
static bool number(const char *fdinfo, const char *name, int base, uint64_t *value)
{
    const char *digits = linux_procfs_field(fdinfo, name);
    char *end = NULL;
    if (digits)
        *value = strtoull(digits, &end, base);
    return digits && end != digits;
}

/* What the link of an anonymous inode has to be, where fdinfo gives it away by the line that
 * follows the four general ones; NULL otherwise. Saves reading the link for the kinds that come in
 * great numbers. */
static const char *link_by_fdinfo(const char *fdinfo)
{
    static const char *const known[][2] = {
        {"eventfd-count:", "anon_inode:[eventfd]"},
        {"clockid:", "anon_inode:[timerfd]"},
        {"sigmask:", "anon_inode:[signalfd]"},
        {"tfd:", "anon_inode:[eventpoll]"},
    };
    for (int line = 0; line < 4; line++) {
        fdinfo = strchr(fdinfo, '\n');
        if (!fdinfo++)
            return NULL;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(fdinfo, known[i][0], strlen(known[i][0])) == 0)
            return known[i][1];
    return NULL;
}

static void read_protocol(struct linux_description_room *room, struct linux_home home)
{
    char path[PATH_ROOM];
    ssize_t length = getxattr(link_path(path, AT_FDCWD, home), "system.sockprotoname",
                              room->protocol, sizeof room->protocol - 1);
    room->protocol[length > 0 ? length : 0] = '\0';
    room->description.protocol = room->protocol;
}

int linux_description_fill(struct linux_description_room *room, int directory,
                           struct linux_home home)
{
    char path[PATH_ROOM];
    int result = read_fdinfo(room, fdinfo_path(path, directory, home), directory);
    if (result < 0)
        return result;
    uint64_t flags, mount, inode;
    if (!number(room->fdinfo, "flags", 8, &flags) || !number(room->fdinfo, "mnt_id", 10, &mount) ||
        !number(room->fdinfo, "ino", 10, &inode))
        return -EPROTO;
    struct linux_description *d = &room->description;
    *d = (struct linux_description){.pid = home.pid,
                                    .fd = home.fd,
                                    .fdinfo = room->fdinfo,
                                    .open_flags = (uint32_t)flags & ~(uint32_t)O_CLOEXEC,
                                    .close_on_exec = flags & O_CLOEXEC,
                                    .mount = mount,
                                    .status = {.st_ino = inode}};
    d->link = link_by_fdinfo(room->fdinfo);
    if (d->link)
        return 0;
    link_path(path, directory, home);
    result = read_link(room, path, directory);
    if (result < 0)
        return result;
    d->link = room->link;
    if (strncmp(d->link, "socket:", 7) == 0) {
        d->status.st_mode = S_IFSOCK;
        read_protocol(room, home);
    } else if (strncmp(d->link, "pipe:", 5) == 0) {
        d->status.st_mode = S_IFIFO;
    } else if (d->link[0] == '/' && fstatat(directory, path, &d->status, 0) < 0) {
        /* A file system that does not answer is no reason to stop a walk: the kind stays unknown.
         */
        d->status = (struct stat){.st_ino = inode};
        return errno == ENOENT ? -EBADF : 0;
    }
    return 0;
}

void linux_description_room_clear(struct linux_description_room *room)
{
    free(room->fdinfo);
    free(room->link);
    *room = (struct linux_description_room){0};
}

/* One allocation: the struct and the texts behind it. */
struct linux_description *linux_description_copy(const struct linux_description *description)
{
    size_t link = strlen(description->link) + 1, fdinfo = strlen(description->fdinfo) + 1;
    size_t protocol = description->protocol ? strlen(description->protocol) + 1 : 0;
    struct linux_description *copy = malloc(sizeof *copy + link + fdinfo + protocol);
    if (!copy)
        return NULL;
    char *texts = (char *)(copy + 1);
    *copy = *description;
    copy->link = memcpy(texts, description->link, link);
    copy->fdinfo = memcpy(texts + link, description->fdinfo, fdinfo);
    if (protocol)
        copy->protocol = memcpy(texts + link + fdinfo, description->protocol, protocol);
    return copy;
}

int linux_description_read(struct linux_home home, struct linux_description **description,
                           struct recap_error *error)
{
    struct linux_description_room room = {0};
    int result = linux_description_fill(&room, AT_FDCWD, home);
    struct linux_description *copy = result == 0 ? linux_description_copy(&room.description) : NULL;
    linux_description_room_clear(&room);
    if (copy)
        *description = copy;
    else if (result == -EPROTO)
        return recap_refuse(error, RECAP_UNSUPPORTED, result,
                            "this kernel's fdinfo lacks flags, mount or inode (Linux 5.14 has it)");
    else if (home.pid)
        return recap_fail(error, result < 0 ? result : -ENOMEM,
                          "reading descriptor %d of process %d", home.fd, (int)home.pid);
    else
        return recap_fail(error, result < 0 ? result : -ENOMEM, "reading descriptor %d", home.fd);
    return 0;
}

void linux_description_free(struct linux_description *description)
{
    free(description);
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

uint64_t linux_description_immutable(const struct linux_description *description)
{
    uint64_t hash = mix(mix(1, description->status.st_ino), description->mount), id;
    hash = mix(hash, description->open_flags & (O_ACCMODE | O_PATH));
    if (strcmp(description->link, "anon_inode:[eventfd]") == 0 &&
        number(description->fdinfo, "eventfd-id", 10, &id))
        hash = mix(hash, id);
    return hash;
}

bool linux_description_has_ends(const struct linux_description *description)
{
    return S_ISSOCK(description->status.st_mode) || S_ISFIFO(description->status.st_mode);
}
