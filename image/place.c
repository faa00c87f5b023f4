/* place.c: where an image comes into being: a locked temporary directory beside its place.
 *
 * The name of the temporary directory follows from the name of the image, so that a second writer
 * to the same place meets the first one's lock, and what a killed writer left is found. The lock is
 * on the directory itself and goes with its writer; whoever holds it checks that the directory
 * still is the one with that name, as the writer before may have renamed or removed it.
 */
#include "image/place.h"
#include "files/name.h"
#include "image/checksum.h"
#include "image/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".recap-partial"

static char *temporary_name(const char *name)
{
    char *temporary = NULL;
    if (strlen(name) + strlen("." SUFFIX) <= NAME_MAX) {
        if (asprintf(&temporary, ".%s" SUFFIX, name) < 0)
            return NULL;
    } else if (asprintf(&temporary, ".%016llx" SUFFIX,
                        (unsigned long long)image_checksum(name, strlen(name))) < 0) {
        return NULL;
    }
    return temporary;
}

/* Removes files that an image has, and nothing else. */
static void remove_files(int directory, const char *prefix)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
    if (!list) {
        if (copy >= 0)
            close(copy);
        return;
    }
    for (struct dirent *entry; (entry = readdir(list));) {
        char name[NAME_MAX + sizeof IMAGE_OBJECTS + 1];
        uint64_t id;
        int length = snprintf(name, sizeof name, "%s%s", prefix, entry->d_name);
        if (length > 0 && image_name_parse(name, (size_t)length, &id) != IMAGE_FILE_NONE)
            unlinkat(directory, entry->d_name, 0);
    }
    closedir(list);
}

static void empty(int directory)
{
    int objects = openat(directory, IMAGE_OBJECTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (objects >= 0) {
        remove_files(objects, IMAGE_OBJECTS "/");
        close(objects);
        unlinkat(directory, IMAGE_OBJECTS, AT_REMOVEDIR);
    }
    remove_files(directory, "");
}

static bool has_name(int parent, const char *name, int directory)
{
    struct stat named, opened;
    return fstatat(parent, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstat(directory, &opened) == 0 && named.st_dev == opened.st_dev &&
           named.st_ino == opened.st_ino;
}

/* Locks the directory: 0, or -EBUSY while its writer lives. A file system without locks has to do
 * for a directory that we have just made. */
static int lock(int directory, bool made)
{
    if (flock(directory, LOCK_EX | LOCK_NB) == 0 || (made && errno != EWOULDBLOCK))
        return 0;
    return -EBUSY;
}

/* Whoever could write to it before could have left anything in it, and could keep it open. */
static int of_another(const struct image_place *place, const struct stat *status,
                      struct recap_error *error)
{
    recap_refuse(error, RECAP_FAILED, -EPERM,
                 "%s beside image %s belongs to user %u or may be written to by others: they could "
                 "change the image",
                 place->temporary, place->path, (unsigned)status->st_uid);
    recap_error_remedy(error, "remove it, or make the image in a folder of your own");
    return -EPERM;
}

/* One try: 0, -EAGAIN when the directory changed hands meanwhile, or a failure. */
static int try_make(struct image_place *place, struct recap_error *error)
{
    bool made = mkdirat(place->parent, place->temporary, 0700) == 0;
    if (!made && errno != EEXIST)
        return recap_fail(error, -errno, "making the directory %s for image %s", place->temporary,
                          place->path);
    int directory =
        openat(place->parent, place->temporary, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0) {
        int code = -errno;
        if (made)
            unlinkat(place->parent, place->temporary, AT_REMOVEDIR);
        return code == -ENOENT ? -EAGAIN
                               : recap_fail(error, code, "opening %s beside image %s",
                                            place->temporary, place->path);
    }
    struct stat status;
    int result = fstat(directory, &status) < 0 ? -errno : 0;
    if (result == 0 && (status.st_uid != geteuid() || !files_is_ours(&status))) {
        close(directory);
        return of_another(place, &status, error);
    }
    if (result == 0)
        result = lock(directory, made);
    if (result == 0 && !has_name(place->parent, place->temporary, directory))
        result = -EAGAIN;
    if (result == 0 && !made)
        empty(directory);
    if (result == 0 && fchmod(directory, 0700) < 0)
        result = -errno;
    if (result < 0) {
        /* What is busy or changed hands is another writer's. */
        if (made && result != -EBUSY && result != -EAGAIN)
            unlinkat(place->parent, place->temporary, AT_REMOVEDIR);
        close(directory);
        if (result == -EBUSY)
            recap_refuse(error, RECAP_FAILED, result,
                         "another checkpoint is writing image %s at this moment", place->path);
        else if (result != -EAGAIN)
            recap_fail(error, result, "taking over %s beside image %s", place->temporary,
                       place->path);
        return result;
    }
    place->directory = directory;
    place->ours = true;
    return 0;
}

static int taken(const struct image_place *place, struct recap_error *error)
{
    recap_refuse(error, RECAP_FAILED, -EEXIST, "%s exists already", place->path);
    return recap_error_remedy(error, "remove it or choose another name"), -EEXIST;
}

static int make(struct image_place *place, struct recap_error *error)
{
    struct files_name at;
    struct stat status;
    int result = files_find(place->path, FILES_AS_IS, &at, error);
    if (result < 0)
        return result;
    place->name = strdup(at.name);
    place->temporary = temporary_name(at.name);
    place->parent = openat(at.folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = -errno;
    files_name_clear(&at);
    if (!place->name || !place->temporary)
        return recap_fail(error, -ENOMEM, "making image %s", place->path);
    if (place->parent < 0)
        return recap_fail(error, code, "opening the folder that image %s is to be in", place->path);
    if (fstatat(place->parent, place->name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return taken(place, error);
    result = -EAGAIN;
    for (int tries = 0; result == -EAGAIN && tries < 100; tries++)
        result = try_make(place, error);
    return result == -EAGAIN
               ? recap_fail(error, result, "making the directory for image %s", place->path)
               : result;
}

int image_place_make(const char *path, struct image_place *place, struct recap_error *error)
{
    struct image_place made = {.path = strdup(path), .parent = -1, .directory = -1};
    int result =
        made.path ? make(&made, error) : recap_fail(error, -ENOMEM, "making image %s", path);
    if (result < 0)
        image_place_clear(&made);
    else
        *place = made;
    return result;
}

int image_place_file(int at, const char *name)
{
    int fd = openat(at, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0600) == 0)
        return fd;
    int code = -errno;
    close(fd);
    return code;
}

static int rename_into_place(const struct image_place *place)
{
    if (renameat2(place->parent, place->temporary, place->parent, place->name, RENAME_NOREPLACE) ==
        0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* This file system cannot refuse to replace; a plain rename replaces an empty directory only.
     */
    struct stat status;
    if (fstatat(place->parent, place->name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(place->parent, place->temporary, place->parent, place->name) < 0 ? -errno : 0;
}

int image_place_settle(struct image_place *place, struct recap_error *error)
{
    if (!has_name(place->parent, place->temporary, place->directory))
        return recap_fail(error, -ENOENT, "the unfinished image %s was removed by someone else",
                          place->path);
    int result = rename_into_place(place);
    if (result == -EEXIST)
        return taken(place, error);
    if (result < 0)
        return recap_fail(error, result, "renaming the finished image to %s", place->path);
    if (!has_name(place->parent, place->name, place->directory))
        return recap_fail(error, -ENOENT, "the finished image %s was replaced by someone else",
                          place->path);
    place->ours = false;
    if (fsync(place->parent) < 0) {
        result = -errno;
        image_place_unsettle(place);
        return recap_fail(error, result, "syncing the directory of image %s", place->path);
    }
    return 0;
}

/* Where it cannot be renamed, it is removed from its place. */
void image_place_unsettle(struct image_place *place)
{
    if (has_name(place->parent, place->name, place->directory))
        renameat(place->parent, place->name, place->parent, place->temporary);
    place->ours = true;
    fsync(place->parent);
}

void image_place_clear(struct image_place *place)
{
    if (place->ours) {
        empty(place->directory);
        const char *names[] = {place->temporary, place->name};
        for (size_t i = 0; i < 2; i++)
            if (has_name(place->parent, names[i], place->directory))
                unlinkat(place->parent, names[i], AT_REMOVEDIR);
    }
    if (place->directory >= 0)
        close(place->directory);
    if (place->parent >= 0)
        close(place->parent);
    free(place->path);
    free(place->name);
    free(place->temporary);
    *place = (struct image_place){.parent = -1, .directory = -1};
}
