/* epoll.c: epoll sets.
 *
 * The key of an entry is a description together with the descriptor number under which it was
 * added. Both outlive that number: after close(2) or dup2(2) the entry still watches the old
 * description as long as something holds it. So the target of an entry is not what its number means
 * by now, but what the kernel says (KCMP_EPOLL_TFD). Entries are ties: epoll_tie.c adds them.
 *
 * What was ready is found ready again when the set is waited on. An edge-triggered entry that had
 * been reported already is reported once more, which such a waiter has to expect at any time. */
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/objects/events/epoll_polling.h"
#include "kernel/linux/objects/events/epoll_tie.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "kernel/linux/objects/sockets/unix/unix.h"
#include "kernel/linux/objects/status_flags.h"
#include "kernel/linux/objects/stopped.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

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
        if (result == 0 && linux_epoll_is_disabled(entry->events))
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
    .tie = linux_epoll_tie,
    .compare = compare,
};
