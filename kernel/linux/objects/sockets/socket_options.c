/* socket_options.c: socket options, in and out of the state of a socket.
 *
 * Each is read and compared with a fresh socket, so that an image says what the program asked for
 * and not the defaults of the machine it ran on. */
#include "kernel/linux/objects/sockets/socket_options.h"
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/sockets/socket_rehearsal.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Headers that an IPv6 socket puts into everything it sends. */
static const struct linux_socket_option headers[] = {
    {"IPV6_HOPOPTS", SOL_IPV6, IPV6_HOPOPTS, LINUX_OPTION_OPAQUE, 0},
    {"IPV6_RTHDRDSTOPTS", SOL_IPV6, IPV6_RTHDRDSTOPTS, LINUX_OPTION_OPAQUE, 0},
    {"IPV6_RTHDR", SOL_IPV6, IPV6_RTHDR, LINUX_OPTION_OPAQUE, 0},
    {"IPV6_DSTOPTS", SOL_IPV6, IPV6_DSTOPTS, LINUX_OPTION_OPAQUE, 0},
};

enum {
    HEADERS = sizeof headers / sizeof *headers,
    LARGEST_HEADER = 2048, /* its length is one byte that counts 8 bytes, without the first 8 */
};

static void put(struct recap_arena *arena, struct recap_value *options,
                const struct linux_socket_option *option, const struct linux_socket_value *value)
{
    if (option->form == LINUX_OPTION_INTEGER || option->form == LINUX_OPTION_BYTE)
        recap_put_number(arena, options, option->name, linux_socket_value_number(value));
    else if (option->form == LINUX_OPTION_TEXT)
        recap_put_text(arena, options, option->name, (const char *)value->bytes);
    else
        recap_put_bytes(arena, options, option->name, value->bytes, value->length);
}

/* A classic filter is a list of instructions; one of eBPF cannot be read back. */
static int describe_filter(int fd, struct recap_arena *arena, struct recap_value *options,
                           struct recap_error *error)
{
    socklen_t count = 0;
    if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &count) < 0)
        return errno == EACCES ? recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                              "an eBPF filter is attached to the socket")
                               : recap_fail(error, -errno, "reading the filter of a socket");
    if (!count)
        return 0;
    struct sock_filter *filter = recap_arena_alloc(arena, count * sizeof *filter);
    if (!filter || getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, filter, &count) < 0)
        return recap_fail(error, filter ? -errno : -ENOMEM, "reading the filter of a socket");
    recap_put_bytes(arena, options, "SO_ATTACH_FILTER", filter, count * sizeof *filter);
    return 0;
}

static int describe_headers(int fd, const struct linux_socket_shape *shape,
                            struct recap_arena *arena, struct recap_value *options,
                            struct recap_error *error)
{
    unsigned char bytes[LARGEST_HEADER];
    for (size_t i = 0; shape->domain == AF_INET6 && i < HEADERS; i++) {
        socklen_t length = sizeof bytes;
        if (getsockopt(fd, SOL_IPV6, headers[i].number, bytes, &length) < 0 || !length)
            continue;
        __attribute__((cleanup(linux_close_descriptor))) int fresh =
            socket(shape->domain, shape->type | SOCK_CLOEXEC, shape->protocol);
        if (fresh < 0 || setsockopt(fresh, SOL_IPV6, headers[i].number, bytes, length) < 0) {
            recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                         "%s of the socket could not be set again: %s", headers[i].name,
                         strerror(errno));
            return recap_error_remedy(error, "checkpoint and restore as root");
        }
        recap_put_bytes(arena, options, headers[i].name, bytes, length);
    }
    return 0;
}

/* TCP_MAXSEG reads as the kernel's own size of segments until it is set: what a former connection,
 * or the options of IP, made of it. */
static bool is_own_size(int fd, const struct linux_socket_value *value)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_snd_mss == (uint32_t)linux_socket_value_number(value);
}

/* What the kernel decides until it is told. */
static bool left_to_kernel(int fd, const struct linux_socket_option *option,
                           const struct linux_socket_shape *shape,
                           const struct linux_socket_value *value, int locked)
{
    if (shape->protocol != IPPROTO_TCP)
        return false;
    if (option->level == IPPROTO_TCP)
        return option->number == TCP_MAXSEG && is_own_size(fd, value);
    return option->level == SOL_SOCKET &&
           ((option->number == SO_SNDBUF && !(locked & SOCK_SNDBUF_LOCK)) ||
            (option->number == SO_RCVBUF && !(locked & SOCK_RCVBUF_LOCK)));
}

static int refuse_option(const struct linux_socket_option *option, int code,
                         struct recap_error *error)
{
    if (code)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "%s of the socket cannot be read: %s", option->name, strerror(code));
    return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                        "%s is set on the socket, and stands for state that cannot be read",
                        option->name);
}

/* Which options differ from those of a fresh socket. */
static int find_kept(int fd, const struct linux_socket_shape *shape,
                     struct linux_socket_value *values, bool *kept, struct recap_error *error)
{
    const struct linux_socket_value *usual = linux_socket_defaults(shape);
    int locked = linux_socket_number(fd, SO_BUF_LOCK);
    if (!usual)
        return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                            "a socket like it cannot be made here: %s", strerror(errno));
    for (size_t i = 0; i < linux_socket_option_count; i++) {
        const struct linux_socket_option *option = &linux_socket_options[i];
        if (!usual[i].known)
            continue;
        linux_socket_option_read(fd, option, &values[i]);
        if (!values[i].known)
            return refuse_option(option, values[i].code, error);
        kept[i] = !linux_socket_value_equal(&values[i], &usual[i]) &&
                  !left_to_kernel(fd, option, shape, &values[i], locked);
        if (kept[i] && (option->rule & LINUX_OPTION_REFUSED))
            return refuse_option(option, 0, error);
    }
    return 0;
}

int linux_socket_options_describe(int fd, struct recap_arena *arena, struct recap_value *state,
                                  struct recap_error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return recap_fail(error, -errno, "reading a socket");
    const struct linux_socket_shape shape = {linux_socket_number(fd, SO_DOMAIN),
                                             linux_socket_number(fd, SO_TYPE),
                                             linux_socket_number(fd, SO_PROTOCOL)};
    struct linux_socket_value *values = calloc(linux_socket_option_count, sizeof *values);
    bool *kept = calloc(linux_socket_option_count, sizeof *kept);
    struct recap_value *options = recap_put_record(arena, state, "options");
    int result = values && kept ? find_kept(fd, &shape, values, kept, error)
                                : recap_fail(error, -ENOMEM, "reading the options of a socket");
    if (result == 0)
        result = linux_socket_rehearse(&shape, values, kept, error);
    bool locks = false; /* the filter, which therefore comes first */
    for (size_t i = 0; result == 0 && i < linux_socket_option_count; i++) {
        locks = kept[i] && linux_socket_options[i].number == SO_LOCK_FILTER &&
                linux_socket_options[i].level == SOL_SOCKET;
        if (kept[i] && !locks)
            put(arena, options, &linux_socket_options[i], &values[i]);
    }
    free(values);
    free(kept);
    if (result == 0)
        result = describe_headers(fd, &shape, arena, options, error);
    if (result == 0)
        result = describe_filter(fd, arena, options, error);
    if (locks)
        recap_put_number(arena, options, "SO_LOCK_FILTER", 1);
    recap_put_number(arena, state, "user", status.st_uid);
    recap_put_number(arena, state, "group", status.st_gid);
    return result;
}

/* --- setting --------------------------------------------------------------- */

static const struct linux_socket_option *option_named(const char *name)
{
    for (size_t i = 0; i < linux_socket_option_count; i++)
        if (strcmp(linux_socket_options[i].name, name) == 0)
            return &linux_socket_options[i];
    return NULL;
}

static int set_header(int fd, const struct linux_socket_option *header,
                      const struct recap_object *object, const struct recap_value *value,
                      struct recap_error *error)
{
    if (value->type != RECAP_BYTES || value->u.bytes.length > LARGEST_HEADER)
        return linux_state_damaged(object, "options", error);
    if (setsockopt(fd, SOL_IPV6, header->number, value->u.bytes.data,
                   (socklen_t)value->u.bytes.length) < 0)
        return recap_fail(error, -errno, "setting %s", header->name);
    return 0;
}

static int set_filter(int fd, const struct recap_object *object, const struct recap_value *value,
                      struct recap_error *error)
{
    size_t count = value->u.bytes.length / sizeof(struct sock_filter);
    if (value->type != RECAP_BYTES || !count || count > UINT16_MAX ||
        value->u.bytes.length % sizeof(struct sock_filter))
        return linux_state_damaged(object, "options", error);
    struct sock_fprog program = {(unsigned short)count, (struct sock_filter *)value->u.bytes.data};
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
        return recap_fail(error, -errno, "attaching the filter of a socket");
    return 0;
}

static int take_value(const struct linux_socket_option *option, const struct recap_value *from,
                      struct linux_socket_value *value)
{
    *value = (struct linux_socket_value){.known = true};
    if (option->form == LINUX_OPTION_INTEGER || option->form == LINUX_OPTION_BYTE) {
        if (from->type != RECAP_NUMBER || from->u.number > INT32_MAX || from->u.number < INT32_MIN)
            return -EINVAL;
        const int number = (int)from->u.number;
        value->length = sizeof number;
        memcpy(value->bytes, &number, sizeof number);
        return 0;
    }
    size_t length = from->type == RECAP_BYTES || from->type == RECAP_TEXT ? from->u.bytes.length
                                                                          : LINUX_OPTION_SIZE;
    if (length >= LINUX_OPTION_SIZE)
        return -EINVAL;
    memcpy(value->bytes, from->u.bytes.data, length);
    value->length =
        (socklen_t)length + (from->type == RECAP_TEXT && option->form == LINUX_OPTION_TEXT);
    return 0;
}

static int set_option(int fd, const struct recap_object *object,
                      const struct linux_socket_option *option, const struct recap_value *from,
                      struct recap_error *error)
{
    struct linux_socket_value value, now;
    if (take_value(option, from, &value) < 0 || (option->rule & LINUX_OPTION_REFUSED))
        return linux_state_damaged(object, "options", error);
    int result = linux_socket_option_write(fd, option, &value);
    if (result == -EDQUOT) {
        recap_refuse(error, RECAP_FAILED, -EPERM,
                     "this machine limits %s to less than the %d bytes that the socket had",
                     option->name, linux_socket_value_number(&value) / 2);
        return recap_error_remedy(error, "raise net.core.%s or restore as root",
                                  option->number == SO_SNDBUF ? "wmem_max" : "rmem_max");
    }
    if (result < 0)
        return recap_fail(error, result, "setting %s", option->name);
    if (option->form != LINUX_OPTION_INTEGER ||
        (option->rule & (LINUX_OPTION_MOVES | LINUX_OPTION_AGAIN)))
        return 0;
    linux_socket_option_read(fd, option, &now);
    if (now.known && linux_socket_value_number(&now) == linux_socket_value_number(&value))
        return 0;
    /* What the kernel rounds up to what every socket has, no socket had. */
    int had = linux_socket_value_number(&value), has = linux_socket_value_number(&now);
    if (now.known && (had < 0 || has == 1 || has > had))
        return linux_state_damaged(object, "options", error);
    return recap_refuse(error, RECAP_FAILED, -EIO, "%s is %d here where the socket had %d",
                        option->name, linux_socket_value_number(&now),
                        linux_socket_value_number(&value));
}

static int set_member(int fd, const struct recap_object *object, const struct recap_value *value,
                      enum linux_socket_phase phase, struct recap_error *error)
{
    const struct linux_socket_option *option = option_named(value->name);
    bool complete = phase == LINUX_SOCKET_COMPLETE;
    if (strcmp(value->name, "SO_ATTACH_FILTER") == 0)
        return complete ? set_filter(fd, object, value, error) : 0;
    for (size_t i = 0; i < HEADERS; i++)
        if (strcmp(value->name, headers[i].name) == 0)
            return complete ? set_header(fd, &headers[i], object, value, error) : 0;
    if (!option)
        return linux_state_damaged(object, value->name, error);
    bool early = option->rule & LINUX_OPTION_EARLY;
    return early != complete || (option->rule & LINUX_OPTION_AGAIN)
               ? set_option(fd, object, option, value, error)
               : 0;
}

static int set_owner(int fd, const struct recap_object *object, struct recap_error *error)
{
    int64_t user, group;
    struct stat status;
    if (recap_get_number(object->state, "user", &user) < 0 ||
        recap_get_number(object->state, "group", &group) < 0)
        return linux_state_damaged(object, "user", error);
    if (fstat(fd, &status) < 0)
        return recap_fail(error, -errno, "reading a socket");
    /* Without the privilege everything that is restored is the caller's own. */
    if (((int64_t)status.st_uid != user || (int64_t)status.st_gid != group) &&
        fchown(fd, (uid_t)user, (gid_t)group) < 0 && errno != EPERM)
        return recap_fail(error, -errno, "giving a socket to user %lld", (long long)user);
    return 0;
}

int linux_socket_options_set(int fd, const struct recap_object *object,
                             enum linux_socket_phase phase, struct recap_error *error)
{
    const struct recap_value *options = recap_member(object->state, "options");
    if (!options || options->type != RECAP_RECORD)
        return linux_state_damaged(object, "options", error);
    /* Connections of the component's earlier life may linger on its port. */
    int turn = phase == LINUX_SOCKET_NEW;
    if (linux_socket_number(fd, SO_PROTOCOL) == IPPROTO_TCP &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &turn, sizeof turn) < 0)
        return recap_fail(error, -errno, "setting SO_REUSEADDR");
    for (const struct recap_value *v = recap_first(options); v; v = v->next) {
        int result = set_member(fd, object, v, phase, error);
        if (result < 0)
            return result;
    }
    return phase == LINUX_SOCKET_COMPLETE ? set_owner(fd, object, error) : 0;
}
