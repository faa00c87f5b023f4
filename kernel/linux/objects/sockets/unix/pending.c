/* pending.c: connections that wait to be accepted at a Unix socket. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/sockets/unix/diag.h"
#include "kernel/linux/objects/sockets/unix/name.h"
#include "kernel/linux/objects/sockets/unix/unix.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

struct search {
    uint32_t client;
    uint32_t found;
};

static int listener_of(void *context, const struct linux_unix_diag *diag)
{
    struct search *search = context;
    for (size_t i = 0; i < diag->pending_count; i++)
        if (diag->pending[i] == search->client)
            search->found = diag->inode;
    return search->found != 0;
}

int linux_unix_pending_at(uint32_t client, struct linux_unix_diag **listener)
{
    struct search search = {.client = client};
    int result = linux_unix_diag_all(1u << TCP_LISTEN, listener_of, &search);
    if (result < 0 || !search.found)
        return result < 0 ? result : 0;
    result = linux_unix_diag(search.found, listener);
    return result == -ENOENT ? 0 : result;
}

static const char *name_of(const struct linux_unix_diag *listener, struct recap_arena *arena)
{
    return listener->name_length
               ? linux_unix_name_text(arena, listener->name, listener->name_length)
               : "a socket without a name";
}

static int refuse(const struct linux_unix_diag *listener, int selector, const char *why,
                  struct recap_arena *arena, struct recap_error *error)
{
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "a connection %s waits to be accepted at %s", why, name_of(listener, arena));
    return recap_error_remedy(error,
                              "try again once it is accepted, or checkpoint with --external %d and "
                              "restore with --bind %d=fd:N, where recap itself is given a socket "
                              "that listens",
                              selector, selector);
}

int linux_unix_pending_describe(struct linux_kernel *kernel, const struct linux_unix_diag *listener,
                                int selector, struct recap_arena *arena, struct recap_value *ties,
                                struct recap_error *error)
{
    if (!listener->pending_count)
        return 0;
    struct recap_value *list = ties ? recap_put_list(arena, ties, "pending") : NULL;
    for (size_t i = 0; i < listener->pending_count; i++) {
        recap_badge client = linux_unix_inside(kernel, listener->pending[i]);
        __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
        int unread = 0;
        if (!client)
            return refuse(listener, selector, "from outside", arena, error);
        int result = linux_badge_fd(kernel, client, &fd, error);
        if (result < 0)
            return result;
        if (ioctl(fd, SIOCOUTQ, &unread) < 0 || unread)
            return refuse(listener, selector, "with data, which nobody can read before that,",
                          arena, error);
        if (list)
            recap_put_object(arena, list, NULL, client);
    }
    return 0;
}

int linux_unix_pending_refuse(const struct linux_unix_diag *listener, int selector,
                              struct recap_arena *arena, struct recap_error *error)
{
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "it waits to be accepted at %s, which cannot be restored with what waits there",
                 name_of(listener, arena));
    return recap_error_remedy(error,
                              "try again once it is accepted, or checkpoint with --external %d and "
                              "restore with --bind %d=hangup, as if who listens had gone",
                              selector, selector);
}
