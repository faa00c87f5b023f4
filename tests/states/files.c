/* files.c: what an open file description keeps: flags, an owner, locks, an offset. */
#include "opening.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int open_again(struct held *held)
{
    close(held->fd);
    return file_open_with(held, (int)(held->state->numbers[1] | held->state->numbers[2]));
}

/* Opened by its link in /proc, which shows (O_LARGEFILE). */
static int open_link(struct held *held)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", held->fd);
    int again = open(path, fcntl(held->fd, F_GETFL) & O_ACCMODE);
    if (again < 0)
        return -1;
    close(held->fd);
    held->fd = again;
    return 0;
}

static int add_flag(struct held *held)
{
    return fcntl(held->fd, F_SETFL, fcntl(held->fd, F_GETFL) | (int)held->state->numbers[2]);
}

static int set_hint(struct held *held)
{
    uint64_t hint = (uint64_t)held->state->numbers[2];
    return fcntl(held->fd, F_SET_RW_HINT, &hint);
}

static void read_hint(struct held *held, char text[STATE_TEXT])
{
    uint64_t hint = 0;
    bool told = fcntl(held->fd, F_GET_RW_HINT, &hint) == 0;
    state_say(text, told, "%llu", (unsigned long long)hint);
}

static int set_owner(struct held *held)
{
    return fcntl(held->fd, F_SETOWN, getpid());
}

static void read_owner(struct held *held, char text[STATE_TEXT])
{
    struct f_owner_ex owner = {0};
    bool told = fcntl(held->fd, F_GETOWN_EX, &owner) == 0;
    state_say(text, told, "%d of type %d", owner.pid, (int)owner.type);
}

static int set_owner_thread(struct held *held)
{
    const struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = gettid()};
    return fcntl(held->fd, F_SETOWN_EX, &owner);
}

static int set_async(struct held *held)
{
    return set_owner(held) < 0 ? -1 : add_flag(held);
}

static int set_lock(struct held *held)
{
    const struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 3, .l_len = 5};
    return fcntl(held->fd, (int)held->state->numbers[3], &lock);
}

static int set_flock(struct held *held)
{
    return flock(held->fd, LOCK_EX | LOCK_NB);
}

static void read_lock(struct held *held, char text[STATE_TEXT])
{
    char path[64], line[STATE_TEXT], kind[32] = "", mode[32] = "", range[64] = "";
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", held->fd);
    state_say_field(line, path, "lock");
    sscanf(line, "%*[^:]: %31s %*s %31s %*s %*s %63[^\n]", kind, mode, range);
    state_say(text, true, "%s %s %s", kind, mode, range);
}

static int set_offset(struct held *held)
{
    return lseek(held->fd, held->state->numbers[2], SEEK_SET) < 0 ? -1 : 0;
}

static void read_offset(struct held *held, char text[STATE_TEXT])
{
    off_t offset = lseek(held->fd, 0, SEEK_CUR);
    state_say(text, offset >= 0, "%lld", (long long)offset);
}

#define SHOWN(what, kind, how, flag)                                                               \
    {                                                                                              \
        .name = what, .claims = #flag, .open = file_open, .set = open_again,                       \
        .read = file_read_flags, .numbers = {                                                      \
            kind,                                                                                  \
            how,                                                                                   \
            flag                                                                                   \
        }                                                                                          \
    }
#define SET_FLAG(what, kind, how, flag)                                                            \
    {                                                                                              \
        .name = what, .claims = #flag " F_SETFL F_GETFL", .open = file_open, .set = add_flag,      \
        .read = file_read_flags, .numbers = {                                                      \
            kind,                                                                                  \
            how,                                                                                   \
            flag                                                                                   \
        }                                                                                          \
    }

static const struct state states[] = {
    SHOWN("O_DIRECTORY", DIRECTORY, O_RDONLY, O_DIRECTORY),
    SHOWN("O_NOFOLLOW of a file", A_FILE, O_RDWR, O_NOFOLLOW),
    SHOWN("O_NOFOLLOW of a directory", DIRECTORY, O_RDONLY, O_NOFOLLOW),
    SHOWN("O_NOFOLLOW of a file of proc", OF_PROC, O_RDONLY, O_NOFOLLOW),
    SHOWN("O_NOFOLLOW and O_PATH", A_FILE, O_PATH, O_NOFOLLOW),
    SHOWN("O_DIRECTORY and O_PATH", DIRECTORY, O_PATH, O_DIRECTORY),
    SHOWN("O_PATH", A_FILE, O_RDONLY, O_PATH),
    SHOWN("O_SYNC", A_FILE, O_RDWR, O_SYNC),
    SHOWN("O_DSYNC", A_FILE, O_RDWR, O_DSYNC),
    SHOWN("O_SYNC of a removed file", REMOVED_FILE, O_RDWR, O_SYNC),
    SHOWN("O_DIRECTORY of a removed one", REMOVED_DIRECTORY, O_RDONLY, O_DIRECTORY),
    SHOWN("O_NONBLOCK of a FIFO", FIFO, O_RDWR, O_NONBLOCK),
    SHOWN("O_NONBLOCK of a removed FIFO", REMOVED_FIFO, O_RDWR, O_NONBLOCK),
    SHOWN("O_NONBLOCK of a terminal", TERMINAL, O_RDWR, O_NONBLOCK),
    {.name = "O_TMPFILE",
     .open = file_open,
     .set = file_open_nameless,
     .read = file_read_flags,
     .numbers = {REMOVED_FILE, O_RDWR, 0}},
    {.name = "O_LARGEFILE of a pipe",
     .open = file_open,
     .set = open_link,
     .read = file_read_flags,
     .numbers = {PIPE_READER}},
    {.name = "O_LARGEFILE of a written pipe",
     .claims = "O_LARGEFILE",
     .open = file_open,
     .set = open_link,
     .read = file_read_flags,
     .numbers = {PIPE_WRITER}},
    SET_FLAG("O_APPEND", A_FILE, O_RDWR, O_APPEND),
    SET_FLAG("O_APPEND of memory", MEMORY, O_RDWR, O_APPEND),
    SET_FLAG("O_DIRECT", A_FILE, O_RDWR, O_DIRECT),
    SET_FLAG("O_DIRECT of a pipe", PIPE_WRITER, O_RDWR, O_DIRECT),
    SET_FLAG("O_NOATIME", A_FILE, O_RDWR, O_NOATIME),
    SET_FLAG("O_NOATIME of a removed file", REMOVED_FILE, O_RDWR, O_NOATIME),
    SET_FLAG("O_NOATIME of a directory", DIRECTORY, O_RDONLY, O_NOATIME),
    SET_FLAG("O_NONBLOCK", PIPE_READER, O_RDWR, O_NONBLOCK),
    SET_FLAG("O_NONBLOCK of a file", A_FILE, O_RDWR, O_NONBLOCK),
    SET_FLAG("O_NONBLOCK of an eventfd", EVENTS, 0, O_NONBLOCK),
    SET_FLAG("O_NONBLOCK of a timerfd", TIMER, 0, O_NONBLOCK),
    SET_FLAG("O_NONBLOCK of a signalfd", SIGNALS, 0, O_NONBLOCK),
    SET_FLAG("O_NONBLOCK of inotify", INOTIFY, 0, O_NONBLOCK),
    SET_FLAG("O_NONBLOCK of a pidfd", PROCESS, 0, O_NONBLOCK),
    {.name = "O_ASYNC",
     .open = file_open,
     .set = set_async,
     .read = file_read_flags,
     .numbers = {PIPE_READER, 0, O_ASYNC}},
    {.name = "F_SETFD",
     .claims = "F_SETFD F_GETFD FD_CLOEXEC",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {A_FILE, O_RDWR, FD_CLOEXEC, F_SETFD, F_GETFD}},
    {.name = "F_SETPIPE_SZ",
     .claims = "F_SETPIPE_SZ F_GETPIPE_SZ",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {PIPE_READER, 0, 8192, F_SETPIPE_SZ, F_GETPIPE_SZ}},
    {.name = "F_SETPIPE_SZ of a removed FIFO",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {REMOVED_FIFO, O_RDWR, 8192, F_SETPIPE_SZ, F_GETPIPE_SZ}},
    {.name = "F_SETSIG",
     .claims = "F_SETSIG F_GETSIG",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {PIPE_READER, 0, SIGURG, F_SETSIG, F_GETSIG}},
    {.name = "F_SETOWN",
     .claims = "F_SETOWN F_GETOWN F_OWNER_PID",
     .open = file_open,
     .set = set_owner,
     .read = read_owner,
     .numbers = {PIPE_READER}},
    {.name = "F_SETOWN_EX",
     .claims = "F_SETOWN_EX F_GETOWN_EX F_OWNER_TID",
     .open = file_open,
     .set = set_owner_thread,
     .read = read_owner,
     .numbers = {PIPE_READER}},
    {.name = "F_SET_RW_HINT",
     .claims = "F_SET_RW_HINT F_GET_RW_HINT",
     .open = file_open,
     .set = set_hint,
     .read = read_hint,
     .numbers = {REMOVED_FILE, O_RDWR, RWH_WRITE_LIFE_SHORT},
     .limit = "F_SET_RW_HINT"},
    {.name = "F_SETLK",
     .claims = "F_SETLK F_WRLCK",
     .open = file_open,
     .set = set_lock,
     .read = read_lock,
     .numbers = {A_FILE, O_RDWR, 0, F_SETLK}},
    {.name = "F_SETLK of a removed file",
     .open = file_open,
     .set = set_lock,
     .read = read_lock,
     .numbers = {REMOVED_FILE, O_RDWR, 0, F_SETLK}},
    {.name = "F_OFD_SETLK",
     .open = file_open,
     .set = set_lock,
     .read = read_lock,
     .numbers = {A_FILE, O_RDWR, 0, F_OFD_SETLK}},
    {.name = "F_OFD_SETLK of memory",
     .open = file_open,
     .set = set_lock,
     .read = read_lock,
     .numbers = {MEMORY, 0, 0, F_OFD_SETLK}},
    {.name = "LOCK_EX",
     .open = file_open,
     .set = set_flock,
     .read = read_lock,
     .numbers = {A_FILE, O_RDWR}},
    {.name = "LOCK_EX of a directory",
     .open = file_open,
     .set = set_flock,
     .read = read_lock,
     .numbers = {DIRECTORY, O_RDONLY}},
    {.name = "F_SETLEASE",
     .claims = "F_SETLEASE F_GETLEASE F_RDLCK",
     .open = file_open,
     .set = file_set_command,
     .read = file_read_command,
     .numbers = {A_FILE, O_RDONLY, F_RDLCK, F_SETLEASE, F_GETLEASE},
     .refused = "lease"},
    {.name = "F_NOTIFY",
     .claims = "F_NOTIFY DN_CREATE",
     .open = file_open,
     .set = file_set_command,
     .read = read_owner,
     .numbers = {DIRECTORY, O_RDONLY, DN_CREATE, F_NOTIFY},
     .refused = "F_NOTIFY"},
    {.name = "lseek of a file",
     .open = file_open,
     .set = set_offset,
     .read = read_offset,
     .numbers = {A_FILE, O_RDWR, 4096}},
    {.name = "lseek of a removed file",
     .open = file_open,
     .set = set_offset,
     .read = read_offset,
     .numbers = {REMOVED_FILE, O_RDWR, 4096}},
    {.name = "lseek of a file of proc",
     .open = file_open,
     .set = set_offset,
     .read = read_offset,
     .numbers = {OF_PROC, O_RDONLY, 10}},
};

STATE_FAMILY(files_family, "files", states);
