/* flight.c: looking into Unix sockets, once while the component is stopped; and the
 * capabilities that are in flight in them. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/sockets/unix/unix.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/stopped.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void release(void *data)
{
    struct linux_unix_kept *kept = data;
    linux_socket_queue_clear(&kept->queue);
    free(kept->carried);
    linux_close_descriptor(&kept->other);
    linux_close_descriptor(&kept->place);
    free(kept);
}

struct linux_unix_kept *linux_unix_kept(struct linux_kernel *kernel, recap_badge badge)
{
    return linux_badge_kept(kernel, badge, release);
}

struct linux_unix_kept *linux_unix_keep(struct linux_kernel *kernel, recap_badge badge)
{
    struct linux_unix_kept *kept = linux_unix_kept(kernel, badge);
    if (kept)
        return kept;
    kept = calloc(1, sizeof *kept);
    if (!kept)
        return NULL;
    kept->other = kept->place = -1;
    linux_badge_keep(kernel, badge, kept, release);
    return kept;
}

/* Gives each descriptor that came with the queue to its badge. */
static int own_carried(struct linux_kernel *kernel, struct linux_unix_kept *kept,
                       struct recap_error *error)
{
    struct linux_socket_queue *queue = &kept->queue;
    int result = 0;
    free(kept->carried);
    kept->carried = calloc(queue->fd_count + 1, sizeof *kept->carried);
    if (!kept->carried)
        return recap_fail(error, -ENOMEM, "looking into a Unix socket");
    for (size_t i = 0; result == 0 && i < queue->fd_count; i++) {
        int fd = queue->fds[i];
        queue->fds[i] = -1;
        result = linux_badge_own(kernel, fd, &kept->carried[i], error);
    }
    return result;
}

int linux_unix_look(struct linux_kernel *kernel, recap_badge badge, int fd, int type,
                    const struct linux_unix_kept **found, struct recap_error *error)
{
    struct linux_unix_kept *kept = linux_unix_keep(kernel, badge);
    if (!kept)
        return recap_fail(error, -ENOMEM, "looking into a Unix socket");
    *found = kept;
    if (kept->looked && kept->moment == kernel->moment)
        return 0;
    linux_socket_queue_clear(&kept->queue);
    kept->looked = false;
    int result = linux_socket_peek(fd, type, &kept->queue, error);
    if (result == 0)
        result = own_carried(kernel, kept, error);
    kept->looked = result == 0;
    kept->moment = kernel->moment;
    return result;
}

/* The sockets that have something in flight, kept for the kernel as long as nothing changes. Badges
 * that were entered since the last look are looked at in addition. */
struct flights {
    uint64_t moment;
    recap_badge seen; /* the highest badge that was looked at */
    recap_badge *sockets;
    size_t count;
    size_t entered; /* how many of them have been looked into */
    int failed;     /* why a socket could not be looked at */
};

static void release_flights(void *data)
{
    struct flights *flights = data;
    free(flights->sockets);
    free(flights);
}

static bool collect_flights(void *context, recap_badge badge, struct linux_home home)
{
    struct flights *flights = context;
    char path[64], text[512];
    struct stat status;
    uint64_t carried;
    if (badge <= flights->seen)
        return false;
    flights->seen = badge;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", home.pid ? home.pid : getpid(), home.fd);
    if (stat(path, &status) < 0) {
        flights->failed = linux_procfs_gone(-errno) ? 0 : -errno;
        return flights->failed < 0;
    }
    if (!S_ISSOCK(status.st_mode))
        return false;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", home.pid ? home.pid : getpid(), home.fd);
    ssize_t length = linux_procfs_read_into(AT_FDCWD, path, text, sizeof text);
    if (length < 0) {
        flights->failed = linux_procfs_gone((int)length) ? 0 : (int)length;
        return flights->failed < 0;
    }
    if (!linux_fdinfo_number(text, "scm_fds", 10, &carried) || !carried)
        return false;
    if ((flights->count & (flights->count - 1)) == 0) {
        size_t room = flights->count ? flights->count * 2 : 1;
        recap_badge *more = reallocarray(flights->sockets, room, sizeof *more);
        if (!more) {
            flights->failed = -ENOMEM;
            return true;
        }
        flights->sockets = more;
    }
    flights->sockets[flights->count++] = badge;
    return false;
}

/* 1 when the socket was looked into, 0 while its holder runs. */
static int enter_carried(struct linux_kernel *kernel, recap_badge badge, struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    const struct linux_unix_kept *ignored;
    struct linux_home home;
    int type = SOCK_STREAM;
    socklen_t size = sizeof type;
    int result = linux_badge_home(kernel, badge, &home);
    if (result == 0)
        result = linux_home_is_stopped(home, error);
    if (result <= 0)
        return result;
    result = linux_badge_fd(kernel, badge, &fd, error);
    if (result == 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        result = recap_fail(error, -errno, "looking into a Unix socket");
    if (result == 0)
        result = linux_unix_look(kernel, badge, fd, type, &ignored, error);
    return result < 0 ? result : 1;
}

static struct flights *flights_of(struct linux_kernel *kernel)
{
    recap_badge badge;
    if (linux_badge_inner(kernel, "unix-flights", 0, 0, &badge, NULL) < 0)
        return NULL;
    struct flights *flights = linux_badge_kept(kernel, badge, release_flights);
    if (!flights && (flights = calloc(1, sizeof *flights)))
        linux_badge_keep(kernel, badge, flights, release_flights);
    if (flights && flights->moment != kernel->moment) {
        flights->moment = kernel->moment;
        flights->seen = 0;
        flights->count = flights->entered = 0;
    }
    return flights;
}

int linux_unix_enter_in_flight(struct linux_kernel *kernel, struct recap_error *error)
{
    struct flights *flights = flights_of(kernel);
    if (!flights)
        return recap_fail(error, -ENOMEM, "looking for capabilities in flight");
    recap_badge before = flights->seen;
    flights->failed = 0;
    linux_badge_find(kernel, collect_flights, flights);
    if (flights->failed < 0) {
        flights->seen = before;
        return recap_fail(error, flights->failed, "looking for capabilities in flight");
    }
    while (flights->entered < flights->count) {
        int result = enter_carried(kernel, flights->sockets[flights->entered], error);
        if (result < 0)
            return result;
        if (!result)
            break;
        flights->entered++;
    }
    return flights->count > 0;
}
