/* binding.c: the objects that people name (path:FILE, fd:N, pid:PID:SEL, null; those with another
 * end are in binding_socket.c), and capabilities of the caller itself. */
#include "kernel/linux/binding.h"
#include "files/name.h"
#include "kernel/linux/badges/badges.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char usage[] = "an object is one of path:FILE[,OPTION]..., fd:N, pid:PID:SELECTOR, "
                            "unix:PATH, tcp:HOST:PORT, hangup, null";

int linux_bind_malformed(struct recap_error *error, const char *spec, const char *why)
{
    recap_refuse(error, RECAP_USAGE, -EINVAL, "\"%s\" names no object: %s", spec, why);
    recap_error_remedy(error, "%s", usage);
    return -EINVAL;
}

static int access_mode(uint32_t rights)
{
    if (rights & RECAP_RIGHT_PATH)
        return O_PATH;
    if (rights & RECAP_RIGHT_WRITE)
        return rights & RECAP_RIGHT_READ ? O_RDWR : O_WRONLY;
    return O_RDONLY;
}

static const struct path_option {
    const char *word;
    int flags;
    bool access; /* says how the file may be accessed: in place of the rights that are wanted */
} path_options[] = {
    {"r", O_RDONLY, true},        {"w", O_WRONLY, true},           {"rw", O_RDWR, true},
    {"path", O_PATH, true},       {"append", O_APPEND, false},     {"create", O_CREAT, false},
    {"truncate", O_TRUNC, false}, {"nonblock", O_NONBLOCK, false},
};

struct path_mode {
    int flags;
    bool access; /* stated by an option */
};

/* Takes the options off the end of `file`. A name that ends like an option is protected by a comma
 * after it: "path:odd,w," is the file "odd,w". */
static void take_options(char *file, struct path_mode *mode)
{
    for (char *comma; (comma = strrchr(file, ','));) {
        const struct path_option *option = NULL;
        for (size_t i = 0; !option && i < sizeof path_options / sizeof *path_options; i++)
            if (strcmp(comma + 1, path_options[i].word) == 0)
                option = &path_options[i];
        if (!option && comma[1])
            return;
        *comma = '\0';
        if (!option)
            return;
        mode->flags |= option->flags;
        mode->access |= option->access;
    }
}

/* Opens what may be made or written over: not where somebody else has put something. */
static int open_carefully(const char *file, int flags, struct recap_error *error)
{
    struct files_name at;
    int result = files_find(file, FILES_FOLLOW, &at, error);
    if (result == 0 && (result = files_may_change(&at, file, error)) < 0)
        files_name_clear(&at);
    if (result < 0)
        return result;
    int fd;
    if (at.name) {
        fd = openat(at.folder, at.name, flags | O_NOFOLLOW, 0666);
    } else {
        char open_as[32];
        snprintf(open_as, sizeof open_as, "/proc/self/fd/%d", at.open);
        fd = open(open_as, flags);
    }
    if (fd < 0)
        fd = recap_fail(error, -errno, "opening %s", file);
    files_name_clear(&at);
    return fd;
}

/* Opened without waiting for another end or a carrier; then as the options say. */
static int open_path(const char *file, int flags, struct recap_error *error)
{
    bool wait = !(flags & (O_NONBLOCK | O_PATH)), careful = flags & (O_CREAT | O_TRUNC);
    int with = flags | O_CLOEXEC | O_NOCTTY | (wait ? O_NONBLOCK : 0);
    int fd = careful ? open_carefully(file, with, error) : open(file, with);
    if (fd < 0)
        return careful ? fd : recap_fail(error, -errno, "opening %s", file);
    int now = wait ? fcntl(fd, F_GETFL) : 0;
    if (now < 0 || (wait && fcntl(fd, F_SETFL, now & ~O_NONBLOCK) < 0)) {
        int code = -errno;
        close(fd);
        return recap_fail(error, code, "opening %s", file);
    }
    return fd;
}

static int bind_path(const char *spec, const char *rest, uint32_t rights, int *fd,
                     struct recap_error *error)
{
    struct path_mode mode = {0};
    char *file = strdup(rest);
    if (!file)
        return recap_fail(error, -ENOMEM, "binding %s", spec);
    take_options(file, &mode);
    if (!*file) {
        free(file);
        return linux_bind_malformed(error, spec, "it has no file name");
    }
    int opened = -EINVAL;
    if (mode.access || rights) {
        opened = open_path(file, mode.flags | (mode.access ? 0 : access_mode(rights)), error);
    } else {
        /* Nobody said how: as much as the file permits. */
        static const int modes[] = {O_RDWR, O_RDONLY, O_WRONLY};
        for (size_t i = 0; i < sizeof modes / sizeof *modes && opened < 0; i++)
            opened = open_path(file, mode.flags | modes[i], error);
    }
    if (opened == -ENXIO)
        recap_refuse(error, RECAP_FAILED, opened,
                     "opening %s: a FIFO that nobody reads, or a device that is not there", file);
    else if (opened >= 0)
        *fd = opened;
    free(file);
    return opened < 0 ? opened : 0;
}

static int bind_null(const char *spec, const char *rest, uint32_t rights, int *fd,
                     struct recap_error *error)
{
    if (*rest)
        return linux_bind_malformed(error, spec, "nothing may follow \"null\"");
    int opened = open("/dev/null", (rights ? access_mode(rights) : O_RDWR) | O_CLOEXEC);
    if (opened < 0)
        return recap_fail(error, -errno, "opening /dev/null");
    *fd = opened;
    return 0;
}

/* A decimal number with nothing but `end` behind it, or -1. `rest` is moved behind that. */
static int take_number(const char **rest, char end)
{
    char *stop;
    if (**rest < '0' || **rest > '9')
        return -1;
    errno = 0;
    unsigned long number = strtoul(*rest, &stop, 10);
    if (errno || number > INT_MAX || *stop != end)
        return -1;
    *rest = end ? stop + 1 : stop;
    return (int)number;
}

static int bind_fd(const char *spec, const char *rest, uint32_t rights, int *fd,
                   struct recap_error *error)
{
    (void)rights;
    int number = take_number(&rest, '\0');
    if (number < 0)
        return linux_bind_malformed(error, spec, "fd: is followed by one descriptor number");
    int copy = fcntl(number, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return recap_fail(error, -errno, "taking our own descriptor %d", number);
    *fd = copy;
    return 0;
}

static int bind_pid(const char *spec, const char *rest, uint32_t rights, int *fd,
                    struct recap_error *error)
{
    (void)rights;
    int pid = take_number(&rest, ':'), selector = pid < 0 ? -1 : take_number(&rest, '\0');
    if (pid <= 0 || selector < 0)
        return linux_bind_malformed(error, spec, "pid: is followed by PID:SELECTOR");
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return recap_fail(error, -errno, "opening process %d", pid);
    int got = (int)syscall(SYS_pidfd_getfd, pidfd, selector, 0);
    int result = got < 0 ? -errno : 0;
    close(pidfd);
    if (result < 0)
        return recap_fail(error, result, "taking selector %d of process %d", selector, pid);
    *fd = got;
    return 0;
}

static const struct {
    const char *prefix;
    int (*bind)(const char *spec, const char *rest, uint32_t rights, int *fd,
                struct recap_error *error);
} forms[] = {
    {"path:", bind_path},          {"fd:", bind_fd},         {"pid:", bind_pid},
    {"unix:", linux_bind_unix},    {"tcp:", linux_bind_tcp}, {"null", bind_null},
    {"hangup", linux_bind_hangup},
};

/* What is wanted has to be permitted; more is no harm. */
static int check_rights(const char *spec, int fd, uint32_t wanted, struct recap_error *error)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return recap_fail(error, -errno, "reading how %s is opened", spec);
    uint32_t has = linux_rights_of((uint32_t)flags);
    if ((wanted & has) == wanted)
        return 0;
    bool path = wanted & ~has & RECAP_RIGHT_PATH;
    recap_refuse(error, RECAP_FAILED, -EACCES, "%s does not permit %s", spec,
                 wanted & ~has & RECAP_RIGHT_WRITE  ? "writing"
                 : wanted & ~has & RECAP_RIGHT_READ ? "reading"
                                                    : "use as a mere path");
    recap_error_remedy(error, path ? "name a file as path:FILE,path"
                                   : "choose an object that permits it: a connection to nobody is "
                                     "\"hangup\", a file that swallows everything \"null\"");
    return -EACCES;
}

int linux_binding_open(const char *spec, uint32_t rights, int *fd, struct recap_error *error)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t length = strlen(forms[i].prefix);
        if (strncmp(spec, forms[i].prefix, length) != 0)
            continue;
        int opened;
        int result = forms[i].bind(spec, spec + length, rights, &opened, error);
        if (result < 0)
            return result;
        result = check_rights(spec, opened, rights, error);
        if (result < 0) {
            close(opened);
            return result;
        }
        *fd = opened;
        return 0;
    }
    return linux_bind_malformed(error, spec, "it starts with none of the known words");
}

int linux_bind(struct recap_kernel *kernel, const char *spec, uint32_t rights, recap_badge *badge,
               struct recap_error *error)
{
    int fd;
    int result = linux_binding_open(spec, rights, &fd, error);
    return result ? result : linux_badge_own(linux_kernel(kernel), fd, badge, error);
}

int linux_local(struct recap_kernel *kernel, recap_badge badge, int *fd, struct recap_error *error)
{
    return linux_badge_fd(linux_kernel(kernel), badge, fd, error);
}

int linux_adopt(struct recap_kernel *kernel, int fd, recap_badge *badge, struct recap_error *error)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return recap_fail(error, -errno, "taking our own descriptor %d", fd);
    return linux_badge_own(linux_kernel(kernel), copy, badge, error);
}
