/* epoll.c: epoll sets.
 *
 * The key of an entry is a description together with the descriptor number under which it was
 * added. Both outlive that number: after close(2) or dup2(2) the entry still watches the old
 * description as long as something holds it. So the target of an entry is not what its number means
 * by now, but what the kernel says (KCMP_EPOLL_TFD). Entries are ties: they are added after
 * everything exists, by a process with a descriptor table of its own in which every target takes
 * its number for a moment.
 *
 * What was ready is found ready again when the set is waited on. An edge-triggered entry that had
 * been reported already is reported once more, which such a waiter has to expect at any time. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/objects/apart.h"
#include "kernel/linux/objects/events/epoll_polling.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/sockets/unix/unix.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/stopped.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bits that a one-shot entry keeps when it has been reported and is disabled. */
static const uint32_t private_bits = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;

struct entry {
    int number;
    uint32_t events;
    uint64_t data;
    uint64_t inode;
    uint32_t same; /* how many entries before it have the same number */
    recap_badge target;
};

static bool recognise(const struct linux_description *description)
{
    return strcmp(description->link, "anon_inode:[eventpoll]") == 0;
}

static bool is_disabled(uint32_t events)
{
    return (events & EPOLLONESHOT) && !(events & ~private_bits);
}

static int by_number(const void *a, const void *b)
{
    const struct entry *const *x = a, *const *y = b;
    int order = ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
    return order ? order : (*x > *y) - (*x < *y);
}

static int count_same(struct entry *entries, size_t count)
{
    struct entry **sorted = calloc(count + 1, sizeof *sorted);
    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &entries[i];
    qsort(sorted, count, sizeof(struct entry *), by_number);
    for (size_t i = 1; i < count; i++)
        if (sorted[i]->number == sorted[i - 1]->number)
            sorted[i]->same = sorted[i - 1]->same + 1;
    free(sorted);
    return 0;
}

static int parse(const char *fdinfo, struct entry **entries, size_t *count)
{
    size_t capacity = 0, used = 0;
    struct entry *list = NULL;
    for (const char *line = fdinfo; line; line = linux_fdinfo_next(line)) {
        if (strncmp(line, "tfd:", 4) != 0)
            continue;
        if (used == capacity) {
            capacity = capacity ? capacity * 2 : 16;
            struct entry *more = reallocarray(list, capacity, sizeof *list);
            if (!more) {
                free(list);
                return -ENOMEM;
            }
            list = more;
        }
        unsigned long long data, inode;
        unsigned events;
        int number;
        if (linux_procfs_scan(line, "tfd: %d events: %x data: %llx pos:%*d ino:%llx", &number,
                              &events, &data, &inode) != 4) {
            free(list);
            return -EPROTO;
        }
        list[used++] =
            (struct entry){.number = number, .events = events, .data = data, .inode = inode};
    }
    int result = count_same(list, used);
    if (result < 0) {
        free(list);
        return result;
    }
    *entries = list;
    *count = used;
    return 0;
}

/* --- describe ----------------------------------------------------------------------------------
 */

struct search {
    pid_t pid;
    int set;
    const struct entry *entry;
};

static pid_t kernel_pid(pid_t pid)
{
    return pid ? pid : getpid();
}

/* Whether the entry watches the description at `home`. */
static bool watches(const struct search *search, struct linux_home home)
{
    struct kcmp_epoll_slot slot = {.efd = (uint32_t)search->set,
                                   .tfd = (uint32_t)search->entry->number,
                                   .toff = search->entry->same};
    return syscall(SYS_kcmp, kernel_pid(home.pid), kernel_pid(search->pid), KCMP_EPOLL_TFD, home.fd,
                   &slot) == 0;
}

static bool match(void *context, recap_badge badge, struct linux_home home)
{
    (void)badge;
    return watches(context, home);
}

/* Whether the number still means the target. The inode of a socket belongs to one description
 * alone and answers that at once; the kernel's own answer costs a walk over the set. */
static bool is_in_place(const struct search *search)
{
    struct linux_home home = {search->pid, search->entry->number};
    struct stat status;
    char path[64];
    if (home.pid)
        snprintf(path, sizeof path, "/proc/%d/fd/%d", home.pid, home.fd);
    else
        snprintf(path, sizeof path, "/proc/self/fd/%d", home.fd);
    if (stat(path, &status) < 0 || status.st_ino != search->entry->inode)
        return false;
    return S_ISSOCK(status.st_mode) || watches(search, home);
}

static int find_target(struct linux_kernel *kernel, const struct linux_description *set,
                       struct entry *entry, struct recap_error *error)
{
    struct search search = {set->pid, set->fd, entry};
    if (is_in_place(&search))
        return linux_badge_at(kernel, (struct linux_home){set->pid, entry->number}, &entry->target,
                              error);
    entry->target = linux_badge_find(kernel, match, &search);
    if (!entry->target) {
        int result = linux_unix_enter_in_flight(kernel, error);
        if (result < 0)
            return result;
        entry->target = linux_badge_find(kernel, match, &search);
    }
    if (!entry->target)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the epoll set watches, as descriptor %d, an object that no selector "
                            "holds any more",
                            entry->number);
    return 0;
}

/* A disabled entry is made by having it reported once, which takes a target that is ready for
 * something. Without that it may stay enabled for errors and hang-ups alone, if its target never
 * has any. */
static int check_disabled(struct linux_kernel *kernel, const struct entry *entry, bool *quiet,
                          struct recap_error *error)
{
    __attribute__((cleanup(linux_close_descriptor))) int fd = -1;
    int result = linux_badge_fd(kernel, entry->target, &fd, error);
    if (result < 0)
        return result;
    struct pollfd poll_one = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP};
    struct linux_description *description;
    result = linux_description_read((struct linux_home){0, fd}, &description, error);
    if (result < 0)
        return result;
    int listening = 0;
    socklen_t size = sizeof listening;
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size);
    *quiet = listening || strncmp(description->link, "anon_inode:", 11) == 0;
    linux_description_free(description);
    if (!*quiet && poll(&poll_one, 1, 0) == 0)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "the one-shot entry of descriptor %d in the epoll set is disabled, and "
                            "cannot be made so again while the descriptor is not ready",
                            entry->number);
    return 0;
}

static int describe_entries(struct linux_kernel *kernel, const struct linux_description *set,
                            struct entry *entries, size_t count, struct recap_arena *arena,
                            struct recap_value *list, struct recap_error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = &entries[i];
        bool quiet = false;
        int result = find_target(kernel, set, entry, error);
        if (result == 0 && is_disabled(entry->events))
            result = check_disabled(kernel, entry, &quiet, error);
        if (result < 0)
            return result;
        struct recap_value *record = recap_put_record(arena, list, NULL);
        recap_put_number(arena, record, "number", entry->number);
        recap_put_object(arena, record, "target", entry->target);
        recap_put_hex(arena, record, "events", entry->events);
        recap_put_hex(arena, record, "data", entry->data);
        if (quiet)
            recap_put_number(arena, record, "quiet", 1);
    }
    return 0;
}

static int describe_set(struct linux_kernel *kernel, const struct linux_description *set,
                        struct recap_arena *arena, struct recap_object *object,
                        struct recap_error *error)
{
    struct entry *entries;
    size_t count;
    int result = parse(set->fdinfo, &entries, &count);
    if (result < 0)
        return recap_fail(error, result, "reading an epoll set");
    struct recap_value *state = recap_record(arena);
    result = linux_status_flags_describe(set, arena, state, error);
    if (result == 0 && count) {
        struct recap_value *ties = recap_put_record(arena, state, "ties");
        struct recap_value *list = recap_put_list(arena, ties, "entries");
        result = describe_entries(kernel, set, entries, count, arena, list, error);
    }
    free(entries);
    if (result < 0)
        return result;
    object->state = state;
    object->label = recap_arena_printf(arena, "epoll set of %zu", count);
    return 0;
}

static int describe(struct linux_kernel *kernel, recap_badge badge,
                    const struct linux_description *description, struct recap_arena *arena,
                    struct recap_object *object, struct recap_error *error)
{
    enum { ATTEMPTS = 4 };
    struct linux_home home = {description->pid, description->fd};
    int result = describe_set(kernel, description, arena, object, error);
    /* A running program may have taken an entry out, or closed its target, between two looks. */
    for (int i = 1; result < 0 && i < ATTEMPTS && linux_home_is_stopped(home, NULL) == 0; i++) {
        struct linux_description *again;
        if (linux_description_read(home, &again, NULL) < 0)
            break;
        if (recognise(again))
            result = describe_set(kernel, again, arena, object, error);
        linux_description_free(again);
    }
    return result ? result
                  : linux_epoll_polling_describe(kernel, badge, arena, object->state, error);
}

static int create(struct linux_kernel *kernel, const struct recap_creation *creation,
                  const struct recap_object *object, recap_badge *badge, struct recap_error *error)
{
    (void)creation;
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0)
        return recap_fail(error, -errno, "creating an epoll set");
    int result = linux_epoll_polling_set(fd, object, error);
    if (result < 0) {
        close(fd);
        return result;
    }
    return linux_status_flags_finish(kernel, fd, object, badge, error);
}

/* --- tie ----------------------------------------------------------------------------------------
 */

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
    if (is_disabled(item->event.events))
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
            if (is_disabled(additions->items[i].event.events) == disabled)
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
static int tie(struct linux_pd *pd, const struct recap_creation *creation,
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

static int compare(struct linux_kernel *kernel, recap_badge badge,
                   const struct linux_description *description, const struct recap_object *object,
                   struct recap_error *error)
{
    (void)kernel;
    (void)badge;
    (void)description;
    (void)object;
    (void)error;
    return 0; /* what a set watches is state: epoll_ctl(2) changes it */
}

const struct linux_kind linux_kind_epoll = {
    .name = "epoll",
    .recognise = recognise,
    .describe = describe,
    .create = create,
    .tie = tie,
    .compare = compare,
};
