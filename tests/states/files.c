/* files.c: what descriptions and inodes keep: status flags, locks, owners, seals, masks, sizes. */
#include "states.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x20
#endif
#ifndef TFD_IOC_SET_TICKS
#define TFD_IOC_SET_TICKS _IOW('T', 0, uint64_t)
#endif

/* What is opened: numbers[0]. */
enum {
    A_FILE,
    REMOVED_FILE,
    DIRECTORY,
    REMOVED_DIRECTORY,
    PIPE_READER,
    PIPE_WRITER,
    FIFO,
    REMOVED_FIFO,
    MEMORY,
    SEALABLE_MEMORY,
    OF_PROC,
    EVENTS,
    TIMER,
    SIGNALS,
    INOTIFY,
    EPOLL,
    PROCESS,
    TERMINAL,
};

static const char *path_of(const struct held *held, char path[64])
{
    snprintf(path, 64, "%p", (const void *)held->state);
    return path;
}

static int open_removed(struct held *held, const char *path, int flags)
{
    held->fd = open(path, flags);
    return held->fd < 0 ||
                   (held->state->numbers[0] == REMOVED_DIRECTORY ? rmdir(path) : unlink(path))
               ? -1
               : 0;
}

static int open_terminal(int flags)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    return master < 0 || grantpt(master) || unlockpt(master)
               ? -1
               : open(ptsname(master), flags | O_NOCTTY);
}

static int open_end(struct held *held, int end)
{
    int ends[2];
    if (pipe(ends) < 0)
        return -1;
    held->fd = ends[end];
    held->other = ends[!end];
    return 0;
}

/* With the flags numbers[1]; set opens anew with numbers[1] | numbers[2]. */
static int open_with(struct held *held, int flags)
{
    char path[64];
    path_of(held, path);
    switch (held->state->numbers[0]) {
    case A_FILE:
        held->fd = open(path, O_RDWR | O_CREAT, 0600);
        if (held->fd < 0 || close(held->fd) < 0)
            return -1;
        held->fd = open(path, flags);
        break;
    case REMOVED_FILE:
        close(open(path, O_RDWR | O_CREAT, 0600));
        return open_removed(held, path, flags);
    case DIRECTORY:
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -1;
        held->fd = open(path, flags);
        break;
    case REMOVED_DIRECTORY:
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -1;
        return open_removed(held, path, flags);
    case FIFO:
        if (mkfifo(path, 0600) < 0 && errno != EEXIST)
            return -1;
        held->fd = open(path, flags);
        break;
    case REMOVED_FIFO:
        if (mkfifo(path, 0600) < 0 && errno != EEXIST)
            return -1;
        return open_removed(held, path, flags);
    case PIPE_READER:
    case PIPE_WRITER:
        return open_end(held, held->state->numbers[0] == PIPE_WRITER);
    case MEMORY:
        held->fd = memfd_create("memory", 0);
        break;
    case SEALABLE_MEMORY:
        held->fd = memfd_create("memory", MFD_ALLOW_SEALING);
        break;
    case OF_PROC:
        held->fd = open("/proc/self/maps", flags);
        break;
    case EVENTS:
        held->fd = eventfd(0, 0);
        break;
    case TIMER:
        held->fd = timerfd_create(CLOCK_REALTIME, 0);
        break;
    case SIGNALS: {
        sigset_t none;
        sigemptyset(&none);
        held->fd = signalfd(-1, &none, 0);
        break;
    }
    case INOTIFY:
        held->fd = inotify_init1(0);
        break;
    case EPOLL:
        held->fd = epoll_create1(0);
        break;
    case PROCESS:
        held->fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
        break;
    case TERMINAL:
        held->fd = open_terminal(flags);
        break;
    default:
        errno = EINVAL;
        return -1;
    }
    return held->fd < 0 ? -1 : 0;
}

static int open_it(struct held *held)
{
    return open_with(held, (int)held->state->numbers[1]);
}

static int open_again(struct held *held)
{
    close(held->fd);
    return open_with(held, (int)(held->state->numbers[1] | held->state->numbers[2]));
}

static int open_nameless(struct held *held)
{
    if (held->fd >= 0)
        close(held->fd);
    held->fd = open(".", O_TMPFILE | O_RDWR | (int)held->state->numbers[2], 0600);
    return held->fd < 0 ? -1 : 0;
}

static int open_linkable(struct held *held)
{
    held->fd = open(".", O_TMPFILE | O_RDWR, 0600);
    return held->fd < 0 ? -1 : 0;
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

static void read_flags(struct held *held, char text[STATE_TEXT])
{
    int flags = fcntl(held->fd, F_GETFL);
    state_say(text, flags >= 0, "%#o", flags);
}

/* Every line of its fdinfo but those that number what is new each time. */
static void read_information(struct held *held, char text[STATE_TEXT])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", held->fd);
    state_say_field(text, path, (const char *)held->memory);
}

/* --- fcntl with a number: numbers[3] sets, numbers[4] gets, numbers[2] is the value --- */

static int set_command(struct held *held)
{
    return fcntl(held->fd, (int)held->state->numbers[3], held->state->numbers[2]) < 0 ? -1 : 0;
}

static void read_command(struct held *held, char text[STATE_TEXT])
{
    int value = fcntl(held->fd, (int)held->state->numbers[4]);
    state_say(text, value >= 0 || errno == 0, "%d", value);
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

/* --- locks --- */

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

/* --- inodes --- */

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

static int set_offset(struct held *held)
{
    return lseek(held->fd, held->state->numbers[2], SEEK_SET) < 0 ? -1 : 0;
}

static void read_offset(struct held *held, char text[STATE_TEXT])
{
    off_t offset = lseek(held->fd, 0, SEEK_CUR);
    state_say(text, offset >= 0, "%lld", (long long)offset);
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

/* --- memory files --- */

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

/* --- what counts, times and watches --- */

static int set_semaphore(struct held *held)
{
    close(held->fd);
    held->fd = eventfd(3, EFD_SEMAPHORE);
    return held->fd < 0 ? -1 : 0;
}

static void read_field_of_events(struct held *held, char text[STATE_TEXT])
{
    held->memory = "eventfd-semaphore";
    read_information(held, text);
}

static int set_timer(struct held *held)
{
    const struct itimerspec times = {.it_value = {.tv_sec = 1L << 33}};
    return timerfd_settime(held->fd, (int)held->state->numbers[2], &times, NULL);
}

static void read_timer(struct held *held, char text[STATE_TEXT])
{
    held->memory = "settime flags";
    read_information(held, text);
}

static int set_ticks(struct held *held)
{
    uint64_t ticks = 42;
    return ioctl(held->fd, TFD_IOC_SET_TICKS, &ticks);
}

static void read_ticks(struct held *held, char text[STATE_TEXT])
{
    held->memory = "ticks";
    read_information(held, text);
}

static int set_signals(struct held *held)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    return signalfd(held->fd, &set, 0) < 0 ? -1 : 0;
}

static void read_signals(struct held *held, char text[STATE_TEXT])
{
    held->memory = "sigmask";
    read_information(held, text);
}

static int set_watch(struct held *held)
{
    return inotify_add_watch(held->fd, ".", (uint32_t)held->state->numbers[2]) < 0 ? -1 : 0;
}

static void read_watch(struct held *held, char text[STATE_TEXT])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", held->fd);
    state_say_file(text, path);
    char *watch = strstr(text, "inotify wd");
    memmove(text, watch ? watch : "none", strlen(watch ? watch : "none") + 1);
}

static int set_entry(struct held *held)
{
    held->other = eventfd(0, 0);
    struct epoll_event event = {.events = (uint32_t)held->state->numbers[2], .data.u64 = 77};
    return epoll_ctl(held->fd, EPOLL_CTL_ADD, held->other, &event);
}

static void read_entry(struct held *held, char text[STATE_TEXT])
{
    char path[64], *events;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", held->fd);
    state_say_file(text, path);
    events = strstr(text, "events:");
    char kept[STATE_TEXT];
    snprintf(kept, sizeof kept, "%.40s", events ? events : "none");
    memcpy(text, kept, sizeof kept);
}

static int set_process(struct held *held)
{
    close(held->fd);
    held->fd = (int)syscall(SYS_pidfd_open, getpid(), (int)held->state->numbers[2]);
    return held->fd < 0 ? -1 : 0;
}

#define SHOWN(what, kind, how, flag)                                                               \
    {                                                                                              \
        .name = what, .claims = #flag, .open = open_it, .set = open_again, .read = read_flags,     \
        .numbers = {                                                                               \
            kind,                                                                                  \
            how,                                                                                   \
            flag                                                                                   \
        }                                                                                          \
    }
#define SET_FLAG(what, kind, how, flag)                                                            \
    {                                                                                              \
        .name = what, .claims = #flag " F_SETFL F_GETFL", .open = open_it, .set = add_flag,        \
        .read = read_flags, .numbers = {                                                           \
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
     .open = open_it,
     .set = open_nameless,
     .read = read_flags,
     .numbers = {REMOVED_FILE, O_RDWR, 0}},
    {.name = "O_LARGEFILE of a pipe",
     .open = open_it,
     .set = open_link,
     .read = read_flags,
     .numbers = {PIPE_READER}},
    {.name = "O_LARGEFILE of a written pipe",
     .claims = "O_LARGEFILE",
     .open = open_it,
     .set = open_link,
     .read = read_flags,
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
     .open = open_it,
     .set = set_async,
     .read = read_flags,
     .numbers = {PIPE_READER, 0, O_ASYNC}},
    {.name = "F_SETFD",
     .claims = "F_SETFD F_GETFD FD_CLOEXEC",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {A_FILE, O_RDWR, FD_CLOEXEC, F_SETFD, F_GETFD}},
    {.name = "F_SETPIPE_SZ",
     .claims = "F_SETPIPE_SZ F_GETPIPE_SZ",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {PIPE_READER, 0, 8192, F_SETPIPE_SZ, F_GETPIPE_SZ}},
    {.name = "F_SETPIPE_SZ of a removed FIFO",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {REMOVED_FIFO, O_RDWR, 8192, F_SETPIPE_SZ, F_GETPIPE_SZ}},
    {.name = "F_SETSIG",
     .claims = "F_SETSIG F_GETSIG",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {PIPE_READER, 0, SIGURG, F_SETSIG, F_GETSIG}},
    {.name = "F_SETOWN",
     .claims = "F_SETOWN F_GETOWN F_OWNER_PID",
     .open = open_it,
     .set = set_owner,
     .read = read_owner,
     .numbers = {PIPE_READER}},
    {.name = "F_SETOWN_EX",
     .claims = "F_SETOWN_EX F_GETOWN_EX F_OWNER_TID",
     .open = open_it,
     .set = set_owner_thread,
     .read = read_owner,
     .numbers = {PIPE_READER}},
    {.name = "F_SET_RW_HINT",
     .claims = "F_SET_RW_HINT F_GET_RW_HINT",
     .open = open_it,
     .set = set_hint,
     .read = read_hint,
     .numbers = {REMOVED_FILE, O_RDWR, RWH_WRITE_LIFE_SHORT},
     .limit = "F_SET_RW_HINT"},
    {.name = "F_SETLK",
     .claims = "F_SETLK F_WRLCK",
     .open = open_it,
     .set = set_lock,
     .read = read_lock,
     .numbers = {A_FILE, O_RDWR, 0, F_SETLK}},
    {.name = "F_SETLK of a removed file",
     .open = open_it,
     .set = set_lock,
     .read = read_lock,
     .numbers = {REMOVED_FILE, O_RDWR, 0, F_SETLK}},
    {.name = "F_OFD_SETLK",
     .open = open_it,
     .set = set_lock,
     .read = read_lock,
     .numbers = {A_FILE, O_RDWR, 0, F_OFD_SETLK}},
    {.name = "F_OFD_SETLK of memory",
     .open = open_it,
     .set = set_lock,
     .read = read_lock,
     .numbers = {MEMORY, 0, 0, F_OFD_SETLK}},
    {.name = "LOCK_EX",
     .open = open_it,
     .set = set_flock,
     .read = read_lock,
     .numbers = {A_FILE, O_RDWR}},
    {.name = "LOCK_EX of a directory",
     .open = open_it,
     .set = set_flock,
     .read = read_lock,
     .numbers = {DIRECTORY, O_RDONLY}},
    {.name = "F_SETLEASE",
     .claims = "F_SETLEASE F_GETLEASE F_RDLCK",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {A_FILE, O_RDONLY, F_RDLCK, F_SETLEASE, F_GETLEASE},
     .refused = "lease"},
    {.name = "F_NOTIFY",
     .claims = "F_NOTIFY DN_CREATE",
     .open = open_it,
     .set = set_command,
     .read = read_owner,
     .numbers = {DIRECTORY, O_RDONLY, DN_CREATE, F_NOTIFY},
     .refused = "F_NOTIFY"},
    {.name = "F_ADD_SEALS",
     .claims = "F_ADD_SEALS F_GET_SEALS F_SEAL_GROW",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_GROW, F_ADD_SEALS, F_GET_SEALS}},
    {.name = "F_SEAL_WRITE",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_WRITE | F_SEAL_SHRINK, F_ADD_SEALS, F_GET_SEALS},
     .claims = "F_SEAL_WRITE F_SEAL_SHRINK"},
    {.name = "F_SEAL_FUTURE_WRITE",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_FUTURE_WRITE, F_ADD_SEALS, F_GET_SEALS}},
    {.name = "F_SEAL_SEAL",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_SEAL, F_ADD_SEALS, F_GET_SEALS}},
    {.name = "F_SEAL_EXEC",
     .open = open_it,
     .set = set_command,
     .read = read_command,
     .numbers = {SEALABLE_MEMORY, 0, F_SEAL_EXEC, F_ADD_SEALS, F_GET_SEALS},
     .since = "6.3"},
    {.name = "MFD_EXEC",
     .open = open_it,
     .set = fill_program,
     .read = read_executable,
     .numbers = {MEMORY}},
    {.name = "ETXTBSY",
     .open = open_it,
     .set = open_writer,
     .read = read_executable,
     .numbers = {MEMORY}},
    {.name = "MFD_HUGETLB",
     .open = open_it,
     .set = open_huge,
     .read = read_kind,
     .numbers = {MEMORY},
     .refused = "huge pages",
     .may_lack = "huge pages"},
    {.name = "memfd_secret",
     .open = open_it,
     .set = open_secret,
     .read = read_kind,
     .numbers = {MEMORY},
     .refused = "secret memory",
     .may_lack = "secret memory"},
    {.name = "fchmod of a removed file",
     .open = open_it,
     .set = set_mode,
     .read = read_mode,
     .numbers = {REMOVED_FILE, O_RDWR, 0751}},
    {.name = "fchmod of a removed directory",
     .open = open_it,
     .set = set_mode,
     .read = read_mode,
     .numbers = {REMOVED_DIRECTORY, O_RDONLY, 0751}},
    {.name = "fchmod of a removed FIFO",
     .open = open_it,
     .set = set_mode,
     .read = read_mode,
     .numbers = {REMOVED_FIFO, O_RDWR, 0640}},
    {.name = "fchmod of memory",
     .open = open_it,
     .set = set_mode,
     .read = read_mode,
     .numbers = {MEMORY, 0, 0640}},
    {.name = "futimens of a removed file",
     .open = open_it,
     .set = set_times,
     .read = read_times,
     .numbers = {REMOVED_FILE, O_RDWR}},
    {.name = "futimens of a removed directory",
     .open = open_it,
     .set = set_times,
     .read = read_times,
     .numbers = {REMOVED_DIRECTORY, O_RDONLY}},
    {.name = "futimens of a removed FIFO",
     .open = open_it,
     .set = set_times,
     .read = read_times,
     .numbers = {REMOVED_FIFO, O_RDWR}},
    {.name = "futimens of memory",
     .open = open_it,
     .set = set_times,
     .read = read_times,
     .numbers = {MEMORY}},
    {.name = "ftruncate of a removed file",
     .open = open_it,
     .set = set_size,
     .read = read_size,
     .numbers = {REMOVED_FILE, O_RDWR}},
    {.name = "ftruncate of memory",
     .open = open_it,
     .set = set_size,
     .read = read_size,
     .numbers = {MEMORY}},
    {.name = "fsetxattr of a removed file",
     .open = open_it,
     .set = set_attribute,
     .read = read_attribute,
     .numbers = {REMOVED_FILE, O_RDWR}},
    {.name = "fsetxattr of a removed directory",
     .open = open_it,
     .set = set_attribute,
     .read = read_attribute,
     .numbers = {REMOVED_DIRECTORY, O_RDONLY}},
    {.name = "fsetxattr of memory",
     .open = open_it,
     .set = set_attribute,
     .read = read_attribute,
     .numbers = {MEMORY},
     .since = "6.6",
     .may_lack = "attributes of users on tmpfs"},
    {.name = "FS_NODUMP_FL",
     .claims = "FS_NODUMP_FL FS_IOC_SETFLAGS FS_IOC_GETFLAGS",
     .open = open_it,
     .set = set_inode_flags,
     .read = read_inode_flags,
     .numbers = {REMOVED_FILE, O_RDWR, FS_NODUMP_FL},
     .may_lack = "flags of inodes"},
    {.name = "FS_APPEND_FL",
     .open = open_it,
     .set = set_inode_flags,
     .read = read_inode_flags,
     .numbers = {REMOVED_FILE, O_RDWR, FS_APPEND_FL},
     .refused = "may not be changed any more",
     .may_lack = "flags of inodes"},
    {.name = "a removed file that can be linked",
     .claims = "O_EXCL",
     .open = open_it,
     .set = open_nameless,
     .read = read_link,
     .numbers = {REMOVED_FILE, O_RDWR, 0}},
    {.name = "O_EXCL of a file that was never named",
     .open = open_linkable,
     .set = open_nameless,
     .read = read_link,
     .numbers = {REMOVED_FILE, O_RDWR, O_EXCL},
     .limit = "O_EXCL",
     .claims = ""},
    {.name = "lseek of a file",
     .open = open_it,
     .set = set_offset,
     .read = read_offset,
     .numbers = {A_FILE, O_RDWR, 4096}},
    {.name = "lseek of a removed file",
     .open = open_it,
     .set = set_offset,
     .read = read_offset,
     .numbers = {REMOVED_FILE, O_RDWR, 4096}},
    {.name = "lseek of a file of proc",
     .open = open_it,
     .set = set_offset,
     .read = read_offset,
     .numbers = {OF_PROC, O_RDONLY, 10}},
    {.name = "EFD_SEMAPHORE",
     .open = open_it,
     .set = set_semaphore,
     .read = read_field_of_events,
     .numbers = {EVENTS},
     .since = "6.5"},
    {.name = "TFD_TIMER_ABSTIME",
     .open = open_it,
     .set = set_timer,
     .read = read_timer,
     .numbers = {TIMER, 0, TFD_TIMER_ABSTIME}},
    {.name = "TFD_TIMER_CANCEL_ON_SET",
     .open = open_it,
     .set = set_timer,
     .read = read_timer,
     .numbers = {TIMER, 0, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET}},
    {.name = "TFD_IOC_SET_TICKS",
     .open = open_it,
     .set = set_ticks,
     .read = read_ticks,
     .numbers = {TIMER},
     .may_lack = "CONFIG_CHECKPOINT_RESTORE"},
    {.name = "sigmask of a signalfd",
     .open = open_it,
     .set = set_signals,
     .read = read_signals,
     .numbers = {SIGNALS}},
    {.name = "IN_MODIFY",
     .open = open_it,
     .set = set_watch,
     .read = read_watch,
     .numbers = {INOTIFY, 0, IN_MODIFY}},
    {.name = "IN_ONESHOT",
     .claims = "IN_ONESHOT IN_DELETE_SELF",
     .open = open_it,
     .set = set_watch,
     .read = read_watch,
     .numbers = {INOTIFY, 0, IN_ONESHOT | IN_DELETE_SELF}},
    {.name = "IN_EXCL_UNLINK",
     .claims = "IN_EXCL_UNLINK IN_MODIFY IN_ONLYDIR",
     .open = open_it,
     .set = set_watch,
     .read = read_watch,
     .numbers = {INOTIFY, 0, IN_EXCL_UNLINK | IN_MODIFY | IN_ONLYDIR}},
    {.name = "EPOLLIN",
     .open = open_it,
     .set = set_entry,
     .read = read_entry,
     .numbers = {EPOLL, 0, EPOLLIN}},
    {.name = "EPOLLET",
     .claims = "EPOLLET EPOLLPRI EPOLLRDHUP",
     .open = open_it,
     .set = set_entry,
     .read = read_entry,
     .numbers = {EPOLL, 0, EPOLLET | EPOLLPRI | EPOLLRDHUP}},
    {.name = "EPOLLONESHOT",
     .claims = "EPOLLONESHOT EPOLLWAKEUP",
     .open = open_it,
     .set = set_entry,
     .read = read_entry,
     .numbers = {EPOLL, 0, EPOLLIN | EPOLLONESHOT}},
    {.name = "EPOLLEXCLUSIVE",
     .open = open_it,
     .set = set_entry,
     .read = read_entry,
     .numbers = {EPOLL, 0, EPOLLIN | EPOLLEXCLUSIVE}},
    {.name = "PIDFD_NONBLOCK",
     .open = open_it,
     .set = set_process,
     .read = read_flags,
     .numbers = {PROCESS, 0, O_NONBLOCK}},
};

STATE_FAMILY(files_family, "files", states);
