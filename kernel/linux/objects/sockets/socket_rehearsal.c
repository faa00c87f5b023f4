/* socket_rehearsal.c: what a fresh socket says of its options, and whether it would take others.
 *
 * Some options have company: the type of service sets the priority, a buffer size its lock. What
 * they change is found by trying, so that no table has to know it. */
#include "kernel/linux/objects/sockets/socket_rehearsal.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct defaults {
    struct linux_socket_shape shape;
    struct defaults *next;
    struct linux_socket_value values[];
};

/* One that passed: what was set, and what the kernel needed to be told besides. */
struct rehearsal {
    struct linux_socket_shape shape;
    struct rehearsal *next;
    bool *asked, *kept;
    struct linux_socket_value values[];
};

static struct defaults *known_defaults;
static struct rehearsal *known_rehearsals;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool same_shape(const struct linux_socket_shape *one, const struct linux_socket_shape *other)
{
    return one->domain == other->domain && one->type == other->type &&
           one->protocol == other->protocol;
}

static int fresh_socket(const struct linux_socket_shape *shape)
{
    return socket(shape->domain, shape->type | SOCK_CLOEXEC, shape->protocol);
}

static void read_all(int fd, const struct linux_socket_shape *shape,
                     struct linux_socket_value *values)
{
    for (size_t i = 0; i < linux_socket_option_count; i++)
        if (linux_socket_option_concerns(&linux_socket_options[i], shape))
            linux_socket_option_read(fd, &linux_socket_options[i], &values[i]);
}

static const struct defaults *find_defaults(const struct linux_socket_shape *shape)
{
    for (const struct defaults *d = known_defaults; d; d = d->next)
        if (same_shape(&d->shape, shape))
            return d;
    __attribute__((cleanup(linux_close_descriptor))) int fd = fresh_socket(shape);
    struct defaults *fresh =
        fd < 0 ? NULL
               : calloc(1, sizeof *fresh + linux_socket_option_count * sizeof *fresh->values);
    if (!fresh)
        return NULL;
    fresh->shape = *shape;
    read_all(fd, shape, fresh->values);
    fresh->next = known_defaults;
    known_defaults = fresh;
    return fresh;
}

const struct linux_socket_value *linux_socket_defaults(const struct linux_socket_shape *shape)
{
    pthread_mutex_lock(&lock);
    const struct defaults *found = find_defaults(shape);
    pthread_mutex_unlock(&lock);
    return found ? found->values : NULL;
}

static int refuse(const struct linux_socket_option *option, int code, struct recap_error *error)
{
    if (code == -EDQUOT) {
        recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                     "the socket has more %s than this machine lets anybody but root ask for",
                     option->name);
        return recap_error_remedy(error, "raise net.core.%s, or checkpoint and restore as root",
                                  option->number == SO_SNDBUF ? "wmem_max" : "rmem_max");
    }
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "%s of the socket could not be set again: %s", option->name, strerror(-code));
    if (code == -EPERM || code == -EACCES)
        return recap_error_remedy(error, "checkpoint and restore as root");
    return -EOPNOTSUPP;
}

static int set_all(int fd, const struct linux_socket_value *values, const bool *kept,
                   struct recap_error *error)
{
    for (int early = 1; early >= 0; early--)
        for (size_t i = 0; i < linux_socket_option_count; i++) {
            const struct linux_socket_option *option = &linux_socket_options[i];
            if (!kept[i] || !!(option->rule & LINUX_OPTION_EARLY) != early)
                continue;
            int result = linux_socket_option_write(fd, option, &values[i]);
            if (result < 0)
                return refuse(option, result, error);
        }
    return 0;
}

/* How many options read otherwise than they should; each is entered into `kept`. The first that was
 * set and reads otherwise all the same is `stubborn`. */
static size_t find_others(int fd, const struct linux_socket_shape *shape,
                          const struct linux_socket_value *values, bool *kept,
                          const struct linux_socket_option **stubborn)
{
    const struct defaults *usual = find_defaults(shape);
    size_t others = 0;
    for (size_t i = 0; i < linux_socket_option_count; i++) {
        const struct linux_socket_option *option = &linux_socket_options[i];
        struct linux_socket_value now;
        if (!usual || !usual->values[i].known || !values[i].known ||
            (option->rule & LINUX_OPTION_MOVES) ||
            (!kept[i] && !linux_socket_value_equal(&usual->values[i], &values[i])))
            continue; /* not there, or left to the kernel */
        linux_socket_option_read(fd, option, &now);
        if (now.known && linux_socket_value_equal(&now, &values[i]))
            continue;
        if (kept[i] && !*stubborn)
            *stubborn = option;
        kept[i] = true;
        others++;
    }
    return others;
}

static int rehearse(const struct linux_socket_shape *shape, const struct linux_socket_value *values,
                    bool *kept, struct recap_error *error)
{
    enum { ROUNDS = 4 };
    const struct linux_socket_option *stubborn = NULL;
    for (int round = 0; round < ROUNDS; round++) {
        __attribute__((cleanup(linux_close_descriptor))) int fd = fresh_socket(shape);
        if (fd < 0)
            return recap_fail(error, -errno, "making a socket to compare with");
        int result = set_all(fd, values, kept, error);
        if (result < 0)
            return result;
        stubborn = NULL;
        if (!find_others(fd, shape, values, kept, &stubborn))
            return 0;
    }
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "%s of the socket does not read as it was once it is set again",
                        stubborn ? stubborn->name : "an option");
}

static const struct rehearsal *find_rehearsal(const struct linux_socket_shape *shape,
                                              const struct linux_socket_value *values,
                                              const bool *asked)
{
    size_t count = linux_socket_option_count;
    for (const struct rehearsal *r = known_rehearsals; r; r = r->next) {
        if (!same_shape(&r->shape, shape) || memcmp(r->asked, asked, count) != 0)
            continue;
        size_t i = 0;
        while (i < count && (!r->kept[i] || linux_socket_value_equal(&r->values[i], &values[i])))
            i++;
        if (i == count)
            return r;
    }
    return NULL;
}

static void keep_rehearsal(const struct linux_socket_shape *shape,
                           const struct linux_socket_value *values, const bool *asked,
                           const bool *kept)
{
    size_t count = linux_socket_option_count;
    struct rehearsal *r = malloc(sizeof *r + count * (sizeof *values + 2 * sizeof(bool)));
    if (!r)
        return; /* the next one is rehearsed again */
    r->shape = *shape;
    memcpy(r->values, values, count * sizeof *values);
    r->asked = (bool *)&r->values[count];
    r->kept = r->asked + count;
    memcpy(r->asked, asked, count);
    memcpy(r->kept, kept, count);
    r->next = known_rehearsals;
    known_rehearsals = r;
}

int linux_socket_rehearse(const struct linux_socket_shape *shape,
                          const struct linux_socket_value *values, bool *kept,
                          struct recap_error *error)
{
    size_t count = linux_socket_option_count;
    if (!memchr(kept, true, count))
        return 0;
    bool *asked = malloc(count);
    if (!asked)
        return recap_fail(error, -ENOMEM, "trying the options of a socket");
    memcpy(asked, kept, count);
    pthread_mutex_lock(&lock);
    const struct rehearsal *known = find_rehearsal(shape, values, asked);
    int result = known ? 0 : rehearse(shape, values, kept, error);
    if (known)
        memcpy(kept, known->kept, count);
    else if (result == 0)
        keep_rehearsal(shape, values, asked, kept);
    pthread_mutex_unlock(&lock);
    free(asked);
    return result;
}
