/* inode_state.c: what an inode that has to be made anew is like.
 *
 * What the kernel keeps no number for (the times of birth and of the last change of the inode) is
 * that of the new one. */
#include "kernel/linux/objects/files/inode_state.h"

#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void put_time(struct recap_arena *arena, struct recap_value *state, const char *name,
                     const struct timespec *time)
{
    struct recap_value *record = recap_put_record(arena, state, name);
    recap_put_number(arena, record, "seconds", time->tv_sec);
    recap_put_number(arena, record, "nanoseconds", time->tv_nsec);
}

static struct timespec get_time(const struct recap_value *state, const char *name)
{
    const struct recap_value *record = recap_member(state, name);
    int64_t nanoseconds = recap_number_or(record, "nanoseconds", UTIME_OMIT);
    return (struct timespec){.tv_sec = recap_number_or(record, "seconds", 0),
                             .tv_nsec = nanoseconds >= 0 && nanoseconds < 1000000000 ? nanoseconds
                                                                                     : UTIME_OMIT};
}

/* What the kernel gives of a size that it tells when asked for none; NULL and errno. */
static void *fetch(const char *path, const char *name, size_t *length)
{
    for (;;) {
        ssize_t room = name ? getxattr(path, name, NULL, 0) : listxattr(path, NULL, 0);
        char *data = room < 0 ? NULL : malloc((size_t)room + 1);
        if (!data)
            return NULL;
        ssize_t got =
            name ? getxattr(path, name, data, (size_t)room) : listxattr(path, data, (size_t)room);
        if (got >= 0) {
            data[got] = '\0';
            *length = (size_t)got;
            return data;
        }
        free(data);
        if (errno != ERANGE)
            return NULL;
    }
}

/* What a security module labels files with follows from where they are. */
static bool is_kept(const char *name)
{
    return strncmp(name, "security.", 9) != 0 || strcmp(name, "security.capability") == 0;
}

static int describe_attributes(struct recap_arena *arena, struct recap_value *state,
                               const char *path, struct recap_error *error)
{
    size_t length, size;
    char *names = fetch(path, NULL, &length);
    if (!names && (errno == EOPNOTSUPP || errno == EACCES || errno == EPERM))
        return 0;
    int result = names ? 0 : recap_fail(error, -errno, "listing the attributes of a file");
    struct recap_value *list = NULL;
    for (const char *name = names; result == 0 && name < names + length; name += strlen(name) + 1) {
        if (!is_kept(name))
            continue;
        void *value = fetch(path, name, &size);
        if (!value && (errno == ENODATA || errno == EACCES || errno == EPERM))
            continue;
        if (!value)
            result = recap_fail(error, -errno, "reading the attribute %s of a file", name);
        if (!list)
            list = recap_put_list(arena, state, "attributes");
        struct recap_value *record = recap_put_record(arena, list, NULL);
        recap_put_text(arena, record, "name", name);
        if (value)
            recap_put_bytes(arena, record, "value", value, size);
        free(value);
    }
    free(names);
    return result;
}

int linux_inode_describe(struct recap_arena *arena, struct recap_value *state,
                         const struct stat *status, const char *path, struct recap_error *error)
{
    recap_put_number(arena, state, "mode", status->st_mode & 07777);
    recap_put_number(arena, state, "uid", status->st_uid);
    recap_put_number(arena, state, "gid", status->st_gid);
    if (!path)
        return 0;
    put_time(arena, state, "accessed", &status->st_atim);
    put_time(arena, state, "modified", &status->st_mtim);
    struct statx more;
    if (statx(AT_FDCWD, path, 0, 0, &more) == 0 &&
        more.stx_attributes & (STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE | STATX_ATTR_VERITY))
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "it may not be changed any more (chattr), and so could not be made "
                            "again");
    return describe_attributes(arena, state, path, error);
}

static int set_attributes(const struct recap_object *object, const char *path,
                          struct recap_error *error)
{
    for (const struct recap_value *value = recap_items(object->state, "attributes"); value;
         value = value->next) {
        const char *name = recap_text_or_null(value, "name");
        const void *data;
        size_t size;
        if (!name || recap_get_bytes(value, "value", &data, &size) < 0)
            return linux_state_damaged(object, "attributes", error);
        if (setxattr(path, name, data, size, 0) < 0)
            return recap_fail(error, -errno, "giving %s its attribute %s",
                              object->label ? object->label : object->kind, name);
    }
    return 0;
}

int linux_inode_set(const struct recap_object *object, int fd, struct recap_error *error)
{
    const char *label = object->label ? object->label : object->kind;
    int64_t mode, uid, gid;
    char path[64];
    struct stat now;
    if (recap_get_number(object->state, "mode", &mode) < 0 ||
        recap_get_number(object->state, "uid", &uid) < 0 ||
        recap_get_number(object->state, "gid", &gid) < 0)
        return linux_state_damaged(object, "mode", error);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fstat(fd, &now) < 0)
        return recap_fail(error, -errno, "looking at %s", label);
    if ((now.st_uid != (uid_t)uid || now.st_gid != (gid_t)gid) &&
        chown(path, (uid_t)uid, (gid_t)gid) < 0) {
        /* Only root gives files away. What stays with whoever restores it lends them to nobody. */
        if (errno != EPERM && errno != EINVAL)
            return recap_fail(error, -errno, "giving %s to user %lld, group %lld", label,
                              (long long)uid, (long long)gid);
        mode &= ~(int64_t)(S_ISUID | S_ISGID);
    }
    int result = set_attributes(object, path, error);
    if (result < 0)
        return result;
    const struct timespec times[] = {get_time(object->state, "accessed"),
                                     get_time(object->state, "modified")};
    if (chmod(path, (mode_t)mode & 07777) < 0 || utimensat(AT_FDCWD, path, times, 0) < 0)
        return recap_fail(error, -errno, "setting mode and times of %s", label);
    return 0;
}
