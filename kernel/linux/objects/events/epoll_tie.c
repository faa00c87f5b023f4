/* epoll_tie.c: adding its entries to an epoll set that was made again.
 *
 * That is done after everything exists, by a process with a descriptor table of its own, in which
 * every target takes the number of its entry for a moment.
 */
#include "kernel/linux/objects/events/epoll_tie.h"

#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/apart.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

/* Bits that a one-shot entry keeps when it has been reported and is disabled. */
static const uint32_t private_bits = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;

bool linux_epoll_is_disabled(uint32_t events)
{
    return (events & EPOLLONESHOT) && !(events & ~private_bits);
}

struct addition {
    uint64_t target; /* object id */
    int fd;          /* of the target, in our table and then in the table apart */
    bool close;
    bool quiet;
    int number;
    struct epoll_event event;
};

struct additions {
    int set;
    struct addition *items;
    size_t count;
    size_t failed; /* the one that a failure is about */
};

static void free_additions(struct additions *additions)
{
    for (size_t i = 0; i < additions->count; i++)
        if (additions->items[i].close)
            close(additions->items[i].fd);
    free(additions->items);
    linux_close_descriptor(&additions->set);
}

/* Moves the set and all targets above every number that is going to be taken. */
static int move_away(struct additions *additions)
{
    int highest = 0;
    for (size_t i = 0; i < additions->count; i++)
        if (additions->items[i].number > highest)
            highest = additions->items[i].number;
    struct rlimit limit;
    rlim_t needed = (rlim_t)highest + additions->count + 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    if (limit.rlim_cur < needed) {
        limit.rlim_cur = needed;
        limit.rlim_max = limit.rlim_max > needed ? limit.rlim_max : needed;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            return -errno;
    }
    additions->set = fcntl(additions->set, F_DUPFD_CLOEXEC, highest + 1);
    if (additions->set < 0)
        return -errno;
    for (size_t i = 0; i < additions->count; i++) {
        additions->items[i].fd = fcntl(additions->items[i].fd, F_DUPFD_CLOEXEC, highest + 1);
        if (additions->items[i].fd < 0)
            return -errno;
    }
    return 0;
}

static int add_disabled(const struct additions *additions, struct addition *item)
{
    struct epoll_event event = item->event, reported;
    event.events |= EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;
    if (epoll_ctl(additions->set, EPOLL_CTL_ADD, item->number, &event) < 0)
        return -errno;
    int count = epoll_wait(additions->set, &reported, 1, 0);
    if (count < 0)
        return -errno;
    if (count > 0)
        return 0;
    if (!item->quiet)
        return -EAGAIN;
    return epoll_ctl(additions->set, EPOLL_CTL_MOD, item->number, &item->event) < 0 ? -errno : 0;
}

static int add_one(const struct additions *additions, struct addition *item)
{
    if (dup2(item->fd, item->number) < 0)
        return -errno;
    if (linux_epoll_is_disabled(item->event.events))
        return add_disabled(additions, item);
    return epoll_ctl(additions->set, EPOLL_CTL_ADD, item->number, &item->event) < 0 ? -errno : 0;
}

/* Disabled entries first: while there are only such ones, what is reported is the one just added.
 */
static int add_all(void *context)
{
    struct additions *additions = context;
    int result = move_away(additions);
    for (int disabled = 1; disabled >= 0; disabled--)
        for (size_t i = 0; result == 0 && i < additions->count; i++) {
            additions->failed = i;
            if (linux_epoll_is_disabled(additions->items[i].event.events) == disabled)
                result = add_one(additions, &additions->items[i]);
        }
    return result;
}

static int collect(struct linux_kernel *kernel, const struct recap_creation *creation,
                   const struct recap_object *object, struct additions *additions,
                   struct recap_error *error)
{
    const struct recap_value *list = recap_member(recap_member(object->state, "ties"), "entries");
    size_t count = list && list->type == RECAP_LIST ? list->u.items.count : 0;
    additions->items = calloc(count + 1, sizeof *additions->items);
    if (!additions->items)
        return recap_fail(error, -ENOMEM, "filling an epoll set");
    for (const struct recap_value *v = recap_first(list); v; v = v->next) {
        struct addition *item = &additions->items[additions->count];
        int64_t number;
        uint64_t target, events, data;
        if (recap_get_number(v, "number", &number) < 0 || number < 0 || number > INT32_MAX - 1 ||
            recap_get_object(v, "target", &target) < 0 ||
            !recap_graph_object(creation->graph, target) ||
            recap_get_hex(v, "events", &events) < 0 || events > UINT32_MAX ||
            recap_get_hex(v, "data", &data) < 0)
            return linux_state_damaged(object, "entries", error);
        struct linux_home home;
        item->number = (int)number;
        item->target = target;
        item->event = (struct epoll_event){.events = (uint32_t)events, .data.u64 = data};
        item->quiet = recap_number_or(v, "quiet", 0) != 0;
        if (linux_badge_home(kernel, creation->badges[target], &home) == 0 && !home.pid) {
            item->fd = home.fd;
        } else {
            int result = linux_badge_fd(kernel, creation->badges[target], &item->fd, error);
            if (result < 0)
                return result;
            item->close = true;
        }
        additions->count++;
    }
    return 0;
}

/* The selector that holds an object, or `otherwise`. */
static recap_selector holder_of(const struct recap_graph *graph, uint64_t id,
                                recap_selector otherwise)
{
    for (size_t p = 0; p < graph->pd_count; p++)
        for (size_t i = 0; i < graph->pds[p].slot_count; i++)
            if (graph->pds[p].slots[i].object == id)
                return graph->pds[p].slots[i].selector;
    return otherwise;
}

/* Files and directories cannot be watched: one was bound in the place of what could. */
static int say_failed(const struct recap_graph *graph, const struct addition *failed, int result,
                      struct recap_error *error)
{
    if (result != -EPERM)
        return recap_fail(error, result, "adding descriptor %d to an epoll set", failed->number);
    const struct recap_object *target = recap_graph_object(graph, failed->target);
    if (target && !target->external)
        return recap_refuse(
            error, RECAP_DAMAGED, result,
            "descriptor %d cannot be watched by an epoll set, but the image says that "
            "it was",
            failed->number);
    recap_selector selector = holder_of(graph, failed->target, (recap_selector)failed->number);
    recap_refuse(error, RECAP_FAILED, result,
                 "what is bound to selector %llu cannot be watched by an epoll set, and the old "
                 "object was",
                 (unsigned long long)selector);
    return recap_error_remedy(error,
                              "restore with --bind %llu=hangup (as if who was there had gone) or "
                              "with a connection, a pipe or a terminal",
                              (unsigned long long)selector);
}

/* The numbers as they were, because add_all's own are those of another descriptor table. */
int linux_epoll_tie(struct linux_pd *pd, const struct recap_creation *creation,
                    const struct recap_object *object, struct recap_error *error)
{
    __attribute__((cleanup(free_additions))) struct additions additions = {.set = -1};
    int result = collect(pd->kernel, creation, object, &additions, error);
    if (result == 0)
        result = linux_badge_fd(pd->kernel, creation->badges[object->id], &additions.set, error);
    if (result < 0)
        return result;
    struct additions apart = additions;
    apart.items = malloc((additions.count + 1) * sizeof *apart.items);
    if (!apart.items)
        return recap_fail(error, -ENOMEM, "filling an epoll set");
    memcpy(apart.items, additions.items, additions.count * sizeof *apart.items);
    result = linux_apart(0, add_all, &apart);
    free(apart.items);
    return result < 0 ? say_failed(creation->graph, &additions.items[apart.failed], result, error)
                      : 0;
}
