/* opening.c: opens what a state of a file is about. */
#include "opening.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

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
int file_open_with(struct held *held, int flags)
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

int file_open(struct held *held)
{
    return file_open_with(held, (int)held->state->numbers[1]);
}

int file_open_nameless(struct held *held)
{
    if (held->fd >= 0)
        close(held->fd);
    held->fd = open(".", O_TMPFILE | O_RDWR | (int)held->state->numbers[2], 0600);
    return held->fd < 0 ? -1 : 0;
}

void file_read_flags(struct held *held, char text[STATE_TEXT])
{
    int flags = fcntl(held->fd, F_GETFL);
    state_say(text, flags >= 0, "%#o", flags);
}

int file_set_command(struct held *held)
{
    return fcntl(held->fd, (int)held->state->numbers[3], held->state->numbers[2]) < 0 ? -1 : 0;
}

void file_read_command(struct held *held, char text[STATE_TEXT])
{
    int value = fcntl(held->fd, (int)held->state->numbers[4]);
    state_say(text, value >= 0 || errno == 0, "%d", value);
}
