/* name.c: giving a Unix socket its name.
 *
 * The name of a socket is the text that it was bound with. Where only that matters (the socket is
 * connected, or its file was removed) it is bound in a file system that has no place in any other,
 * so that whatever is at that path by now is left alone, and the name leads nowhere. */
#include "kernel/linux/objects/sockets/unix/name.h"
#include "kernel/linux/objects/sockets/nowhere.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

socklen_t linux_unix_address(const void *name, size_t length, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!length || length > sizeof address->sun_path)
        return 0;
    memcpy(address->sun_path, name, length);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

bool linux_unix_is_path(const void *name, size_t length)
{
    const char *text = name;
    if (!length || length > sizeof((struct sockaddr_un *)NULL)->sun_path || !text[0] ||
        memchr(text, '\0', length))
        return false;
    const char *slash = memrchr(text, '/', length);
    const char *last = slash ? slash + 1 : text;
    size_t rest = length - (size_t)(last - text);
    return rest && !(rest == 1 && last[0] == '.') &&
           !(rest == 2 && last[0] == '.' && last[1] == '.');
}

const char *linux_unix_name_text(struct recap_arena *arena, const void *name, size_t length)
{
    if (length && *(const char *)name)
        length = strnlen(name, length);
    char *text = recap_arena_copy(arena, name, length);
    for (size_t i = 0; text && i < length; i++)
        if (!text[i])
            text[i] = '@';
    return text;
}

struct binding {
    int fd;
    struct sockaddr_un address;
    socklen_t length;
    int place;
};

static int bind_nowhere(void *context)
{
    struct binding *binding = context;
    char name[sizeof binding->address.sun_path + 1] = "";
    memcpy(name, binding->address.sun_path, sizeof binding->address.sun_path);
    umask(0);
    int result = linux_nowhere_lead_to(name);
    if (result == 0 && bind(binding->fd, (struct sockaddr *)&binding->address, binding->length) < 0)
        result = -errno;
    if (result < 0)
        return result;
    binding->place = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (binding->place < 0)
        result = -errno;
    unlink(name);
    return result;
}

int linux_unix_bind(struct linux_kernel *kernel, int fd, const void *name, size_t length,
                    int *place, struct recap_error *error)
{
    struct binding binding = {.fd = fd, .place = -1};
    binding.length = linux_unix_address(name, length, &binding.address);
    bool path = binding.address.sun_path[0];
    if (!binding.length || (path && !linux_unix_is_path(name, length)))
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                            "no socket can have the name of %zu "
                            "bytes that the image gives it",
                            length);
    int result;
    if (path)
        result = linux_apart_nowhere(kernel, bind_nowhere, &binding);
    else
        result = bind(fd, (struct sockaddr *)&binding.address, binding.length) < 0 ? -errno : 0;
    if (result < 0)
        return recap_fail(error, result, "binding a socket to %s%.*s", path ? "" : "@",
                          (int)(length - !path), (const char *)name + !path);
    if (place)
        *place = binding.place;
    else if (binding.place >= 0)
        close(binding.place);
    return 0;
}
