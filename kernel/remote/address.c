/* address.c: where core is: unix:PATH, serial:PATH, fd:N. */
#include "kernel/remote/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static int open_unix(const char *path, int *fd, struct recap_error *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (!length || length >= sizeof name.sun_path)
        return recap_refuse(error, RECAP_USAGE, -ENAMETOOLONG,
                            "\"%s\" cannot be the path of a socket", path);
    memcpy(name.sun_path, path, length);
    int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made < 0 || connect(made, (struct sockaddr *)&name, sizeof name) < 0) {
        int code = -errno;
        if (made >= 0)
            close(made);
        recap_fail(error, code, "connecting to core at %s", path);
        if (code == -ENOENT || code == -ECONNREFUSED)
            recap_error_remedy(error, "start one: recap core --listen unix:%s", path);
        return code;
    }
    *fd = made;
    return 0;
}

/* Eight bits, as they are, at the speed that the line has. */
static int make_raw(int fd)
{
    struct termios settings;
    if (tcgetattr(fd, &settings) < 0)
        return -errno;
    cfmakeraw(&settings);
    settings.c_cflag |= CLOCAL | CREAD;
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    return tcsetattr(fd, TCSAFLUSH, &settings) < 0 ? -errno : 0;
}

static int open_serial(const char *path, int *fd, struct recap_error *error)
{
    int opened = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (opened < 0)
        return recap_fail(error, -errno, "opening the serial line %s", path);
    /* Two clients would read each other's answers, and end each other's sessions. */
    if (flock(opened, LOCK_EX | LOCK_NB) < 0) {
        int code = -errno;
        close(opened);
        return recap_fail(error, code, "having the serial line %s alone", path);
    }
    int result = make_raw(opened);
    if (result < 0) {
        close(opened);
        return recap_fail(error, result, "setting up the serial line %s", path);
    }
    *fd = opened;
    return 0;
}

/* A session that was handed on. */
static int take_inherited(const char *number, int *fd, struct recap_error *error)
{
    char *end;
    errno = 0;
    long given = strtol(number, &end, 10);
    if (!*number || *end || errno || given < 0 || given > INT32_MAX)
        return recap_refuse(error, RECAP_USAGE, -EINVAL, "\"%s\" is not a descriptor", number);
    struct stat status;
    if (fstat((int)given, &status) < 0)
        return recap_fail(error, -errno, "taking descriptor %ld", given);
    if (!S_ISSOCK(status.st_mode))
        return recap_refuse(error, RECAP_FAILED, -ENOTSOCK,
                            "descriptor %ld is not a session with core", given);
    int copy = fcntl((int)given, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return recap_fail(error, -errno, "taking descriptor %ld", given);
    *fd = copy;
    return 0;
}

int remote_address_open(const char *address, int *fd, bool *carries, struct recap_error *error)
{
    *carries = strncmp(address, "serial:", 7) != 0;
    if (strncmp(address, "unix:", 5) == 0)
        return open_unix(address + 5, fd, error);
    if (strncmp(address, "serial:", 7) == 0)
        return open_serial(address + 7, fd, error);
    if (strncmp(address, "fd:", 3) == 0)
        return take_inherited(address + 3, fd, error);
    recap_refuse(error, RECAP_USAGE, -EINVAL, "\"%s\" is not where a core can be", address);
    return recap_error_remedy(error, "an address is one of unix:PATH, serial:PATH, fd:N");
}
