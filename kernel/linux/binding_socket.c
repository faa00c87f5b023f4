/* binding_socket.c: what has another end: connections to unix:PATH and tcp:HOST:PORT, and hangup.
 */
#include "kernel/linux/binding.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 }; /* for a host that does not answer */

/* Connects a new socket without waiting longer than that; it blocks as usual afterwards. */
static int connected(int family, int type, const void *address, socklen_t length)
{
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int code = connect(fd, address, length) < 0 ? errno : 0;
    if (code == EINPROGRESS) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        socklen_t size = sizeof code;
        int ready = poll(&wait, 1, PATIENCE_MS);
        if (ready <= 0)
            code = ready == 0 ? ETIMEDOUT : errno;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0)
            code = errno;
    }
    int flags = code ? 0 : fcntl(fd, F_GETFL);
    if (!code && (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0))
        code = errno;
    if (code) {
        close(fd);
        return -code;
    }
    return fd;
}

int linux_bind_unix(const char *spec, const char *rest, uint32_t rights, int *fd,
                    struct recap_error *error)
{
    (void)rights;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(rest);
    if (!length)
        return linux_bind_malformed(error, spec, "unix: is followed by a path, or by @NAME");
    if (length >= sizeof address.sun_path)
        return linux_bind_malformed(error, spec, "the path is too long for a Unix socket");
    memcpy(address.sun_path, rest, length);
    if (*rest == '@')
        address.sun_path[0] = '\0'; /* an abstract name, which its length ends */
    socklen_t size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (*rest == '@' ? 0 : 1));
    /* Which type listens there is only known by trying. */
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};
    int result = -EPROTOTYPE;
    for (size_t i = 0; i < sizeof types / sizeof *types && result == -EPROTOTYPE; i++)
        result = connected(AF_UNIX, types[i], &address, size);
    if (result < 0)
        return recap_fail(error, result, "connecting to the Unix socket %s", rest);
    *fd = result;
    return 0;
}

/* HOST:PORT, [HOST]:PORT: splits a copy in place; false when it is neither. */
static bool split(char *text, char **host, char **port)
{
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || !colon[1])
        return false;
    *colon = '\0';
    *host = text;
    *port = colon + 1;
    if (*text != '[')
        return strchr(text, ':') == NULL;
    *host = text + 1;
    return colon[-1] == ']' && colon - text > 2 && (colon[-1] = '\0', true);
}

int linux_bind_tcp(const char *spec, const char *rest, uint32_t rights, int *fd,
                   struct recap_error *error)
{
    (void)rights;
    char *text = strdup(rest), *host, *port;
    if (!text)
        return recap_fail(error, -ENOMEM, "binding %s", spec);
    if (!split(text, &host, &port)) {
        free(text);
        return linux_bind_malformed(error, spec, "tcp: is followed by HOST:PORT or [HOST]:PORT");
    }
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int answer = getaddrinfo(host, port, &hints, &found);
    int result = -EHOSTUNREACH;
    for (struct addrinfo *at = found; at && result < 0; at = at->ai_next)
        result = connected(at->ai_family, SOCK_STREAM, at->ai_addr, at->ai_addrlen);
    if (answer)
        recap_refuse(error, RECAP_FAILED, result, "finding %s: %s", host, gai_strerror(answer));
    else if (result < 0)
        recap_fail(error, result, "connecting to %s", rest);
    if (found)
        freeaddrinfo(found);
    free(text);
    if (result < 0)
        return result;
    *fd = result;
    return 0;
}

int linux_bind_hangup(const char *spec, const char *rest, uint32_t rights, int *fd,
                      struct recap_error *error)
{
    int ends[2];
    if (*rest)
        return linux_bind_malformed(error, spec, "nothing may follow \"hangup\"");
    bool reads = rights == RECAP_RIGHT_READ, writes = rights == RECAP_RIGHT_WRITE;
    if ((reads || writes ? pipe2(ends, O_CLOEXEC)
                         : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) < 0)
        return recap_fail(error, -errno, "making something whose other end is closed");
    close(ends[writes ? 0 : 1]);
    *fd = ends[writes ? 1 : 0];
    return 0;
}
