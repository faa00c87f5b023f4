/* relay.c: what is typed goes to the restored session, what it prints comes back. */
#include "cli/relay.h"

#include "cli/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

/* Bytes on their way in one direction. */
struct stream {
    char data[4096];
    size_t start, end; /* start == end: there are none */
    bool closed;       /* there will be no more */
};

struct relay {
    int master;
    int slave; /* open until the session has it: without anybody there the master is at its end */
    char name[64];
    struct termios before;
    bool raw;
};

int relay_open(struct relay **opened, struct recap_error *error)
{
    struct relay *relay = malloc(sizeof *relay);
    if (!relay)
        return recap_fail(error, -ENOMEM, "making a pseudo-terminal");
    *relay = (struct relay){.slave = -1};
    relay->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (relay->master >= 0 && grantpt(relay->master) == 0 && unlockpt(relay->master) == 0 &&
        ptsname_r(relay->master, relay->name, sizeof relay->name) == 0)
        relay->slave = open(relay->name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct winsize size;
    if (relay->slave < 0 || tcgetattr(STDIN_FILENO, &relay->before) < 0 ||
        tcsetattr(relay->slave, TCSANOW, &relay->before) < 0) {
        int result = recap_fail(error, -errno, "making a pseudo-terminal");
        relay_close(relay);
        return result;
    }
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        ioctl(relay->slave, TIOCSWINSZ, &size);
    *opened = relay;
    return 0;
}

const char *relay_name(const struct relay *relay)
{
    return relay->name;
}

static void take_terminal(struct relay *relay)
{
    struct termios raw = relay->before;
    cfmakeraw(&raw);
    relay->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static void give_terminal(struct relay *relay)
{
    if (relay->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &relay->before);
    relay->raw = false;
}

void relay_close(struct relay *relay)
{
    if (!relay)
        return;
    give_terminal(relay);
    if (relay->slave >= 0)
        close(relay->slave);
    if (relay->master >= 0)
        close(relay->master);
    free(relay);
}

/* The size of the caller's terminal has changed; the kernel tells the session. */
static void resize(const struct relay *relay)
{
    struct winsize size;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0)
        ioctl(relay->master, TIOCSWINSZ, &size);
}

static void take_in(struct stream *stream, int fd)
{
    ssize_t got = read(fd, stream->data, sizeof stream->data);
    /* The master says EIO when nobody has the terminal open any more. */
    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
        stream->closed = true;
    stream->start = 0;
    stream->end = got > 0 ? (size_t)got : 0;
}

static void give_out(struct stream *stream, int fd)
{
    ssize_t wrote = write(fd, stream->data + stream->start, stream->end - stream->start);
    if (wrote > 0)
        stream->start += (size_t)wrote;
    else if (wrote < 0 && errno != EINTR && errno != EAGAIN)
        stream->start = stream->end = 0;
}

static bool empty(const struct stream *stream)
{
    return stream->start == stream->end;
}

/* What the session printed last. */
static void drain(struct relay *relay, struct stream *printed)
{
    while (!printed->closed || !empty(printed)) {
        if (!empty(printed))
            give_out(printed, STDOUT_FILENO);
        else
            take_in(printed, relay->master);
        if (empty(printed))
            break;
    }
}

/* Whether the process has ended; `status` is its wait status then. */
static bool handle_signals(struct relay *relay, int signals, pid_t pid, int *status)
{
    struct signalfd_siginfo signal;
    while (read(signals, &signal, sizeof signal) == (ssize_t)sizeof signal) {
        if (signal.ssi_signo == SIGWINCH)
            resize(relay);
        else if (signal.ssi_signo != SIGCHLD)
            kill(pid, (int)signal.ssi_signo);
    }
    switch (foreground_look(pid, status)) {
    case FOREGROUND_ENDED:
        return true;
    case FOREGROUND_STOPPED:
        give_terminal(relay);
        foreground_stop(pid);
        take_terminal(relay);
        break;
    case FOREGROUND_RUNNING:
        break;
    }
    return false;
}

static int relay_all(struct relay *relay, int signals, pid_t pid)
{
    struct stream typed = {0};
    struct stream printed = {0};
    int status;
    while (!handle_signals(relay, signals, pid, &status)) {
        struct pollfd watched[] = {
            {signals, POLLIN, 0},
            {empty(&typed) && !typed.closed ? STDIN_FILENO : -1, POLLIN, 0},
            {!empty(&printed) ? STDOUT_FILENO : -1, POLLOUT, 0},
            {printed.closed ? -1 : relay->master,
             (short)((empty(&printed) ? POLLIN : 0) | (empty(&typed) ? 0 : POLLOUT)), 0}};
        if (poll(watched, sizeof watched / sizeof *watched, -1) < 0)
            continue;
        if (watched[1].revents)
            take_in(&typed, STDIN_FILENO);
        if (watched[2].revents)
            give_out(&printed, STDOUT_FILENO);
        if (watched[3].revents & POLLOUT)
            give_out(&typed, relay->master);
        if (watched[3].revents & (POLLIN | POLLHUP | POLLERR) && empty(&printed))
            take_in(&printed, relay->master);
    }
    drain(relay, &printed);
    return status;
}

int relay_run(struct relay *relay, pid_t pid)
{
    sigset_t set;
    foreground_signals(&set);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0)
        return foreground_wait(pid);
    close(relay->slave);
    relay->slave = -1;
    take_terminal(relay);
    int status = relay_all(relay, signals, pid);
    close(signals);
    give_terminal(relay);
    return foreground_end(status);
}
