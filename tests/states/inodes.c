/* inodes.c: what an inode keeps that has no name any more, or is memory. */
#include "opening.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif

static int open_linkable(struct held *held)
{
    held->fd = open(".", O_TMPFILE | O_RDWR, 0600);
    return held->fd < 0 ? -1 : 0;
}

static int set_mode(struct held *held)
{
    return fchmod(held->fd, (mode_t)held->state->numbers[2]);
}

static void read_mode(struct held *held, char text[STATE_TEXT])
{
    struct stat status;
    bool told = fstat(held->fd, &status) == 0;
    state_say(text, told, "%o, %d names, owner %u, group %u", status.st_mode, (int)status.st_nlink,
              status.st_uid, status.st_gid);
}

static int set_times(struct held *held)
{
    const struct timespec times[] = {{.tv_sec = 1000, .tv_nsec = 7}, {.tv_sec = -2000}};
    return futimens(held->fd, times);
}

static void read_times(struct held *held, char text[STATE_TEXT])
{
    struct stat status;
    bool told = fstat(held->fd, &status) == 0;
    state_say(text, told, "%lld.%09ld %lld.%09ld", (long long)status.st_atim.tv_sec,
              status.st_atim.tv_nsec, (long long)status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

static int set_size(struct held *held)
{
    return ftruncate(held->fd, 5L << 30) < 0 || pwrite(held->fd, "x", 1, 3L << 30) != 1 ? -1 : 0;
}

static void read_size(struct held *held, char text[STATE_TEXT])
{
    char byte = 0;
    struct stat status;
    bool told = fstat(held->fd, &status) == 0 && pread(held->fd, &byte, 1, 3L << 30) >= 0;
    state_say(text, told, "%lld bytes, %s, '%c'", (long long)status.st_size,
              status.st_blocks < 2048 ? "sparse" : "filled", byte ? byte : '0');
}

static int set_attribute(struct held *held)
{
    return fsetxattr(held->fd, "user.recap", "kept", 4, 0);
}

static void read_attribute(struct held *held, char text[STATE_TEXT])
{
    char value[16] = "";
    ssize_t got = fgetxattr(held->fd, "user.recap", value, sizeof value);
    state_say(text, got >= 0, "%.*s", (int)got, value);
}

static int set_inode_flags(struct held *held)
{
    int flags = 0;
    if (ioctl(held->fd, FS_IOC_GETFLAGS, &flags) < 0)
        return -1;
    flags |= (int)held->state->numbers[2];
    return ioctl(held->fd, FS_IOC_SETFLAGS, &flags);
}

static void read_inode_flags(struct held *held, char text[STATE_TEXT])
{
    int flags = 0;
    bool told = ioctl(held->fd, FS_IOC_GETFLAGS, &flags) == 0;
    state_say(text, told, "%#x", flags & (FS_NODUMP_FL | FS_APPEND_FL));
}

static void read_link(struct held *held, char text[STATE_TEXT])
{
    char path[64], link[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", held->fd);
    snprintf(link, sizeof link, "linked-%p", (const void *)held->state);
    bool linked = linkat(AT_FDCWD, path, AT_FDCWD, link, AT_SYMLINK_FOLLOW) == 0;
    int code = errno;
    unlink(link);
    errno = code;
    state_say(text, linked, "can be linked");
}

static int fill_program(struct held *held)
{
    char buffer[4096];
    int program = open("/bin/true", O_RDONLY);
    ssize_t got;
    while ((got = read(program, buffer, sizeof buffer)) > 0)
        if (write(held->fd, buffer, (size_t)got) != got)
            return -1;
    return close(program);
}

/* Opened once more, which counts as a writer: then it cannot be executed. */
static int open_writer(struct held *held)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", held->fd);
    held->other = open(path, O_RDWR);
    return held->other < 0 ? -1 : fill_program(held);
}

static void read_executable(struct held *held, char text[STATE_TEXT])
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        syscall(SYS_execveat, held->fd, "", (char *[]){"true", NULL}, environ, AT_EMPTY_PATH);
        _exit(errno);
    }
    bool ended = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status);
    errno = WEXITSTATUS(status);
    state_say(text, ended && !errno, "executed");
}

static int open_huge(struct held *held)
{
    close(held->fd);
    held->fd = memfd_create("huge", MFD_HUGETLB);
    return held->fd < 0 ? -1 : 0;
}

static int open_secret(struct held *held)
{
    close(held->fd);
    held->fd = (int)syscall(SYS_memfd_secret, 0);
    return held->fd < 0 || ftruncate(held->fd, 4096) < 0 ? -1 : 0;
}

static void read_kind(struct held *held, char text[STATE_TEXT])
{
    char path[64], link[256] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", held->fd);
    bool told = readlink(path, link, sizeof link - 1) >= 0;
    state_say(text, told, "%s", link);
}

static const struct state states[] = {
    {.name = "F_ADD_SEALS",
     .claims = "F_ADD_SEALS F_GET_SEALS F_SEAL_GROW",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_GROW, F_ADD_SEALS, F_GET_SEALS}},
    {.name = "F_SEAL_WRITE",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_WRITE | F_SEAL_SHRINK, F_ADD_SEALS, F_GET_SEALS},
     .claims = "F_SEAL_WRITE F_SEAL_SHRINK"},
    {.name = "F_SEAL_FUTURE_WRITE",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_FUTURE_WRITE, F_ADD_SEALS, F_GET_SEALS}},
    {.name = "F_SEAL_SEAL",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_SEAL, F_ADD_SEALS, F_GET_SEALS}},
    {.name = "F_SEAL_EXEC",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_EXEC, F_ADD_SEALS, F_GET_SEALS},
     .since = "6.3"},
    {.name = "MFD_EXEC",
     .open = file_open,
     .set = fill_program,
     .read = read_executable,
     .numbers = {MEMORY}},
    {.name = "ETXTBSY",
     .open = file_open,
     .set = open_writer,
     .read = read_executable,
     .numbers = {MEMORY}},
    {.name = "MFD_HUGETLB",
     .open = file_open,
     .set = open_huge,
     .read = read_kind,
     .numbers = {MEMORY},
     .refused = "huge pages",
     .may_lack = "huge pages"},
    {.name = "memfd_secret",
     .open = file_open,
     .set = open_secret,
     .read = read_kind,
     .numbers = {MEMORY},
     .refused = "secret memory",
     .may_lack = "secret memory"},
    {.name = "fchmod of a removed file",
     .open = file_open,
     .set = set_mode,
     .read = read_mode,
     .numbers = {REMOVED_FILE, O_RDWR, 0751}},
    {.name = "fchmod of a removed directory",
     .open = file_open,
     .set = set_mode,
     .read = read_mode,
     .numbers = {REMOVED_DIRECTORY, O_RDONLY, 0751}},
    {.name = "fchmod of a removed FIFO",
     .open = file_open,
     .set = set_mode,
     .read = read_mode,
     .numbers = {REMOVED_FIFO, O_RDWR, 0640}},
    {.name = "fchmod of memory",
     .open = file_open,
     .set = set_mode,
     .read = read_mode,
     .numbers = {MEMORY, 0, 0640}},
    {.name = "futimens of a removed file",
     .open = file_open,
     .set = set_times,
     .read = read_times,
     .numbers = {REMOVED_FILE, O_RDWR}},
    {.name = "futimens of a removed directory",
     .open = file_open,
     .set = set_times,
     .read = read_times,
     .numbers = {REMOVED_DIRECTORY, O_RDONLY}},
    {.name = "futimens of a removed FIFO",
     .open = file_open,
     .set = set_times,
     .read = read_times,
     .numbers = {REMOVED_FIFO, O_RDWR}},
    {.name = "futimens of memory",
     .open = file_open,
     .set = set_times,
     .read = read_times,
     .numbers = {MEMORY}},
    {.name = "ftruncate of a removed file",
     .open = file_open,
     .set = set_size,
     .read = read_size,
     .numbers = {REMOVED_FILE, O_RDWR}},
    {.name = "ftruncate of memory",
     .open = file_open,
     .set = set_size,
     .read = read_size,
     .numbers = {MEMORY}},
    {.name = "fsetxattr of a removed file",
     .open = file_open,
     .set = set_attribute,
     .read = read_attribute,
     .numbers = {REMOVED_FILE, O_RDWR}},
    {.name = "fsetxattr of a removed directory",
     .open = file_open,
     .set = set_attribute,
     .read = read_attribute,
     .numbers = {REMOVED_DIRECTORY, O_RDONLY}},
    {.name = "fsetxattr of memory",
     .open = file_open,
     .set = set_attribute,
     .read = read_attribute,
     .numbers = {MEMORY},
     .since = "6.6",
     .may_lack = "attributes of users on tmpfs"},
    {.name = "FS_NODUMP_FL",
     .claims = "FS_NODUMP_FL FS_IOC_SETFLAGS FS_IOC_GETFLAGS",
     .open = file_open,
     .set = set_inode_flags,
     .read = read_inode_flags,
     .numbers = {REMOVED_FILE, O_RDWR, FS_NODUMP_FL},
     .may_lack = "flags of inodes"},
    {.name = "FS_APPEND_FL",
     .open = file_open,
     .set = set_inode_flags,
     .read = read_inode_flags,
     .numbers = {REMOVED_FILE, O_RDWR, FS_APPEND_FL},
     .refused = "may not be changed any more",
     .may_lack = "flags of inodes"},
    {.name = "a removed file that can be linked",
     .claims = "O_EXCL",
     .open = file_open,
     .set = file_open_nameless,
     .read = read_link,
     .numbers = {REMOVED_FILE, O_RDWR, 0}},
    {.name = "O_EXCL of a file that was never named",
     .open = open_linkable,
     .set = file_open_nameless,
     .read = read_link,
     .numbers = {REMOVED_FILE, O_RDWR, O_EXCL},
     .limit = "O_EXCL",
     .claims = ""},
};

STATE_FAMILY(inodes_family, "inodes", states);
