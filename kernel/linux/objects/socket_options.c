/* socket_options.c: socket options, in and out of the state of a socket.
 *
 * One table says which options are carried. Each is read and compared with a fresh socket, so that
 * an image says what the program asked for and not the defaults of the machine it ran on. */
#include "kernel/linux/objects/socket_options.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What Debian 12's headers lack. A kernel without one of them says so and it is passed over. */
enum {
    PASS_PIDFD = 76,
    RECEIVE_PRIORITY = 82,
    PASS_RIGHTS = 83,
    RECEIVE_MARK = 75,
    IP_PORT_RANGE = 51,
    VALUE_SIZE = 64,
};

enum form {
    INTEGER,
    BYTE,   /* read as one byte by kernels that follow the old interface */
    OPAQUE, /* a struct of the kernel: kept as bytes */
    TEXT,
};

enum rule {
    USUAL = 0,
    EARLY = 1 << 0,  /* has to be set before bind(2) */
    HALVED = 1 << 1, /* the kernel doubles what is set: a buffer size */
    AGAIN = 1 << 2,  /* EARLY, and once more when complete */
};

struct option {
    const char *name;
    int level;
    int number;
    enum form form;
    enum rule rule;
};

#define ROW(at, option, ...)                                                                       \
    {                                                                                              \
        .name = #option, .level = at, .number = option, .form = __VA_ARGS__                        \
    }

static const struct option table[] = {
    ROW(SOL_SOCKET, SO_REUSEADDR, INTEGER, EARLY | AGAIN),
    ROW(SOL_SOCKET, SO_REUSEPORT, INTEGER, EARLY),
    ROW(SOL_SOCKET, SO_BINDTODEVICE, TEXT, EARLY),
    ROW(SOL_SOCKET, SO_MARK, INTEGER, EARLY),
    ROW(SOL_SOCKET, SO_SNDBUF, INTEGER, EARLY | HALVED),
    ROW(SOL_SOCKET, SO_RCVBUF, INTEGER, EARLY | HALVED),
    ROW(SOL_SOCKET, SO_DEBUG, INTEGER),
    ROW(SOL_SOCKET, SO_KEEPALIVE, INTEGER),
    ROW(SOL_SOCKET, SO_BROADCAST, INTEGER),
    ROW(SOL_SOCKET, SO_OOBINLINE, INTEGER),
    ROW(SOL_SOCKET, SO_DONTROUTE, INTEGER),
    ROW(SOL_SOCKET, SO_LINGER, OPAQUE),
    ROW(SOL_SOCKET, SO_RCVLOWAT, INTEGER),
    ROW(SOL_SOCKET, SO_RCVTIMEO, OPAQUE),
    ROW(SOL_SOCKET, SO_SNDTIMEO, OPAQUE),
    ROW(SOL_SOCKET, SO_PASSCRED, INTEGER),
    ROW(SOL_SOCKET, SO_PASSSEC, INTEGER),
    {"SO_PASSPIDFD", SOL_SOCKET, PASS_PIDFD, INTEGER, USUAL},
    {"SO_PASSRIGHTS", SOL_SOCKET, PASS_RIGHTS, INTEGER, USUAL},
    {"SO_RCVPRIORITY", SOL_SOCKET, RECEIVE_PRIORITY, INTEGER, USUAL},
    {"SO_RCVMARK", SOL_SOCKET, RECEIVE_MARK, INTEGER, USUAL},
    ROW(SOL_SOCKET, SO_TIMESTAMP_OLD, INTEGER),
    ROW(SOL_SOCKET, SO_TIMESTAMPNS_OLD, INTEGER),
    ROW(SOL_SOCKET, SO_TIMESTAMP_NEW, INTEGER),
    ROW(SOL_SOCKET, SO_TIMESTAMPNS_NEW, INTEGER),
    ROW(SOL_SOCKET, SO_TIMESTAMPING_OLD, OPAQUE),
    ROW(SOL_SOCKET, SO_TIMESTAMPING_NEW, OPAQUE),
    ROW(SOL_SOCKET, SO_RXQ_OVFL, INTEGER),
    ROW(SOL_SOCKET, SO_WIFI_STATUS, INTEGER),
    ROW(SOL_SOCKET, SO_NOFCS, INTEGER),
    ROW(SOL_SOCKET, SO_SELECT_ERR_QUEUE, INTEGER),
    ROW(SOL_SOCKET, SO_BUSY_POLL, INTEGER),
    ROW(SOL_SOCKET, SO_PREFER_BUSY_POLL, INTEGER),
    ROW(SOL_SOCKET, SO_BUSY_POLL_BUDGET, INTEGER),
    ROW(SOL_SOCKET, SO_MAX_PACING_RATE, OPAQUE),
    ROW(SOL_SOCKET, SO_ZEROCOPY, INTEGER),
    ROW(SOL_SOCKET, SO_TXTIME, OPAQUE),
    ROW(SOL_SOCKET, SO_TXREHASH, INTEGER),
    ROW(SOL_IP, IP_FREEBIND, INTEGER, EARLY),
    ROW(SOL_IP, IP_TRANSPARENT, INTEGER, EARLY),
    ROW(SOL_IP, IP_BIND_ADDRESS_NO_PORT, INTEGER, EARLY),
    ROW(SOL_IP, IP_TOS, INTEGER),
    ROW(SOL_IP, IP_TTL, INTEGER),
    ROW(SOL_IP, IP_MINTTL, INTEGER),
    ROW(SOL_IP, IP_OPTIONS, OPAQUE),
    ROW(SOL_IP, IP_MTU_DISCOVER, INTEGER),
    ROW(SOL_IP, IP_RECVERR, INTEGER),
    ROW(SOL_IP, IP_RECVERR_RFC4884, INTEGER),
    ROW(SOL_IP, IP_PKTINFO, INTEGER),
    ROW(SOL_IP, IP_RECVTTL, INTEGER),
    ROW(SOL_IP, IP_RECVTOS, INTEGER),
    ROW(SOL_IP, IP_RECVOPTS, INTEGER),
    ROW(SOL_IP, IP_RETOPTS, INTEGER),
    ROW(SOL_IP, IP_PASSSEC, INTEGER),
    ROW(SOL_IP, IP_RECVORIGDSTADDR, INTEGER),
    ROW(SOL_IP, IP_CHECKSUM, INTEGER),
    ROW(SOL_IP, IP_RECVFRAGSIZE, INTEGER),
    ROW(SOL_IP, IP_UNICAST_IF, INTEGER),
    ROW(SOL_IP, IP_MULTICAST_TTL, BYTE),
    ROW(SOL_IP, IP_MULTICAST_LOOP, BYTE),
    ROW(SOL_IP, IP_MULTICAST_ALL, INTEGER),
    ROW(SOL_IP, IP_MULTICAST_IF, OPAQUE),
    {"IP_LOCAL_PORT_RANGE", SOL_IP, IP_PORT_RANGE, INTEGER, EARLY},
    ROW(SOL_IPV6, IPV6_V6ONLY, INTEGER, EARLY),
    ROW(SOL_IPV6, IPV6_FREEBIND, INTEGER, EARLY),
    ROW(SOL_IPV6, IPV6_TRANSPARENT, INTEGER, EARLY),
    ROW(SOL_IPV6, IPV6_UNICAST_HOPS, INTEGER),
    ROW(SOL_IPV6, IPV6_MULTICAST_HOPS, INTEGER),
    ROW(SOL_IPV6, IPV6_MULTICAST_LOOP, INTEGER),
    ROW(SOL_IPV6, IPV6_MULTICAST_ALL, INTEGER),
    ROW(SOL_IPV6, IPV6_MULTICAST_IF, INTEGER),
    ROW(SOL_IPV6, IPV6_UNICAST_IF, INTEGER),
    ROW(SOL_IPV6, IPV6_MTU_DISCOVER, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVERR, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVERR_RFC4884, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVPKTINFO, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVHOPLIMIT, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVTCLASS, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVRTHDR, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVHOPOPTS, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVDSTOPTS, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVPATHMTU, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVORIGDSTADDR, INTEGER),
    ROW(SOL_IPV6, IPV6_RECVFRAGSIZE, INTEGER),
    ROW(SOL_IPV6, IPV6_TCLASS, INTEGER),
    ROW(SOL_IPV6, IPV6_DONTFRAG, INTEGER),
    ROW(SOL_IPV6, IPV6_AUTOFLOWLABEL, INTEGER),
    ROW(SOL_IPV6, IPV6_FLOWINFO_SEND, INTEGER),
    ROW(SOL_IPV6, IPV6_MINHOPCOUNT, INTEGER),
    ROW(SOL_IPV6, IPV6_ADDR_PREFERENCES, INTEGER),
    ROW(IPPROTO_TCP, TCP_NODELAY, INTEGER),
    ROW(IPPROTO_TCP, TCP_CORK, INTEGER),
    ROW(IPPROTO_TCP, TCP_MAXSEG, INTEGER),
    ROW(IPPROTO_TCP, TCP_KEEPIDLE, INTEGER),
    ROW(IPPROTO_TCP, TCP_KEEPINTVL, INTEGER),
    ROW(IPPROTO_TCP, TCP_KEEPCNT, INTEGER),
    ROW(IPPROTO_TCP, TCP_SYNCNT, INTEGER),
    ROW(IPPROTO_TCP, TCP_LINGER2, INTEGER),
    ROW(IPPROTO_TCP, TCP_DEFER_ACCEPT, INTEGER),
    ROW(IPPROTO_TCP, TCP_WINDOW_CLAMP, INTEGER),
    ROW(IPPROTO_TCP, TCP_QUICKACK, INTEGER),
    ROW(IPPROTO_TCP, TCP_CONGESTION, TEXT),
    ROW(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, INTEGER),
    ROW(IPPROTO_TCP, TCP_USER_TIMEOUT, INTEGER),
    ROW(IPPROTO_TCP, TCP_FASTOPEN, INTEGER),
    ROW(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, INTEGER),
    ROW(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, INTEGER),
    ROW(IPPROTO_TCP, TCP_NOTSENT_LOWAT, INTEGER),
    ROW(IPPROTO_TCP, TCP_SAVE_SYN, INTEGER),
    ROW(IPPROTO_TCP, TCP_INQ, INTEGER),
    ROW(IPPROTO_TCP, TCP_TX_DELAY, INTEGER),
    ROW(IPPROTO_UDP, UDP_SEGMENT, INTEGER),
    ROW(IPPROTO_UDP, UDP_GRO, INTEGER),
    ROW(IPPROTO_UDP, UDP_ENCAP, INTEGER),
    ROW(IPPROTO_UDP, UDP_NO_CHECK6_TX, INTEGER),
    ROW(IPPROTO_UDP, UDP_NO_CHECK6_RX, INTEGER),
    /* The last two: the flag that keeps the kernel from tuning the buffers, which setting them
     * sets, and the offset that peeking moves. */
    ROW(SOL_SOCKET, SO_BUF_LOCK, INTEGER),
    ROW(SOL_SOCKET, SO_PEEK_OFF, INTEGER),
};

enum { OPTIONS = sizeof table / sizeof *table };

struct value {
    bool known;
    socklen_t length;
    unsigned char bytes[VALUE_SIZE];
};

/* The options of a fresh socket. */
struct defaults {
    int domain, type, protocol;
    struct value values[OPTIONS];
    struct defaults *next;
};

static struct defaults *known_defaults;
static pthread_mutex_t defaults_lock = PTHREAD_MUTEX_INITIALIZER;

static bool concerns(const struct option *option, int domain, int protocol)
{
    switch (option->level) {
    case SOL_SOCKET:
        return true;
    case SOL_IP:
        return domain == AF_INET || domain == AF_INET6;
    case SOL_IPV6:
        return domain == AF_INET6;
    default:
        return domain != AF_UNIX && option->level == protocol;
    }
}

static void read_value(int fd, const struct option *option, struct value *value)
{
    *value = (struct value){.length = VALUE_SIZE};
    if (option->form == INTEGER)
        value->length = sizeof(int);
    value->known = getsockopt(fd, option->level, option->number, value->bytes, &value->length) == 0;
}

static const struct defaults *find_defaults(int domain, int type, int protocol)
{
    for (const struct defaults *d = known_defaults; d; d = d->next)
        if (d->domain == domain && d->type == type && d->protocol == protocol)
            return d;
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);
    struct defaults *fresh = fd < 0 ? NULL : calloc(1, sizeof *fresh);
    if (fresh) {
        fresh->domain = domain;
        fresh->type = type;
        fresh->protocol = protocol;
        for (size_t i = 0; i < OPTIONS; i++)
            if (concerns(&table[i], domain, protocol))
                read_value(fd, &table[i], &fresh->values[i]);
        fresh->next = known_defaults;
        known_defaults = fresh;
    }
    if (fd >= 0)
        close(fd);
    return fresh;
}

static const struct defaults *defaults_of(int domain, int type, int protocol)
{
    pthread_mutex_lock(&defaults_lock);
    const struct defaults *found = find_defaults(domain, type, protocol);
    pthread_mutex_unlock(&defaults_lock);
    return found;
}

static int integer(const struct value *value)
{
    int number = 0;
    if (value->length == 1)
        return value->bytes[0];
    memcpy(&number, value->bytes, sizeof number);
    return number;
}

static void put(struct recap_arena *arena, struct recap_value *options, const struct option *option,
                const struct value *value)
{
    if (option->form == INTEGER || option->form == BYTE)
        recap_put_number(arena, options, option->name, integer(value));
    else if (option->form == TEXT)
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

/* TCP sizes its buffers itself until it is told. */
static bool tuned_by_kernel(const struct option *option, int protocol, int locked)
{
    if (protocol != IPPROTO_TCP || option->level != SOL_SOCKET)
        return false;
    return (option->number == SO_SNDBUF && !(locked & SOCK_SNDBUF_LOCK)) ||
           (option->number == SO_RCVBUF && !(locked & SOCK_RCVBUF_LOCK));
}

static int integer_option(int fd, int number)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, number, &value, &size) < 0 ? -errno : value;
}

int linux_socket_options_describe(int fd, struct recap_arena *arena, struct recap_value *state,
                                  struct recap_error *error)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return recap_fail(error, -errno, "reading a socket");
    int domain = integer_option(fd, SO_DOMAIN), type = integer_option(fd, SO_TYPE),
        protocol = integer_option(fd, SO_PROTOCOL), locked = integer_option(fd, SO_BUF_LOCK);
    const struct defaults *defaults = defaults_of(domain, type, protocol);
    if (!defaults)
        return recap_fail(error, -EPROTONOSUPPORT, "making a socket to compare with");
    struct recap_value *options = recap_put_record(arena, state, "options");
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option *option = &table[i];
        const struct value *usual = &defaults->values[i];
        struct value value;
        if (!usual->known || tuned_by_kernel(option, protocol, locked))
            continue;
        read_value(fd, option, &value);
        if (value.known &&
            (value.length != usual->length || memcmp(value.bytes, usual->bytes, value.length) != 0))
            put(arena, options, option, &value);
    }
    recap_put_number(arena, state, "user", status.st_uid);
    recap_put_number(arena, state, "group", status.st_gid);
    return describe_filter(fd, arena, options, error);
}

/* --- setting --------------------------------------------------------------- */

static const struct option *option_named(const char *name)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static int set_buffer(int fd, const struct option *option, int size, struct recap_error *error)
{
    int half = size / 2;
    int force = option->number == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;
    if (setsockopt(fd, SOL_SOCKET, force, &half, sizeof half) < 0 &&
        setsockopt(fd, SOL_SOCKET, option->number, &half, sizeof half) < 0)
        return recap_fail(error, -errno, "setting %s to %d", option->name, half);
    if (integer_option(fd, option->number) < size) {
        recap_refuse(error, RECAP_FAILED, -EPERM,
                     "this machine limits %s to less than the %d bytes that the socket had",
                     option->name, half);
        return recap_error_remedy(error, "raise net.core.%s or restore as root",
                                  option->number == SO_SNDBUF ? "wmem_max" : "rmem_max");
    }
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

static int set_option(int fd, const struct recap_object *object, const struct option *option,
                      const struct recap_value *value, struct recap_error *error)
{
    int number = 0;
    const void *data = &number;
    size_t length = sizeof number;
    if (option->form == INTEGER || option->form == BYTE) {
        if (value->type != RECAP_NUMBER || value->u.number > INT32_MAX ||
            value->u.number < INT32_MIN)
            return linux_state_damaged(object, "options", error);
        number = (int)value->u.number;
        if (option->rule & HALVED)
            return set_buffer(fd, option, number, error);
    } else {
        if ((value->type != RECAP_BYTES && value->type != RECAP_TEXT) ||
            value->u.bytes.length > VALUE_SIZE)
            return linux_state_damaged(object, "options", error);
        data = value->u.bytes.data;
        length = value->u.bytes.length + (value->type == RECAP_TEXT && option->form == TEXT);
    }
    if (setsockopt(fd, option->level, option->number, data, (socklen_t)length) < 0)
        return recap_fail(error, -errno, "setting %s", option->name);
    return 0;
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
    if (integer_option(fd, SO_PROTOCOL) == IPPROTO_TCP &&
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &turn, sizeof turn) < 0)
        return recap_fail(error, -errno, "setting SO_REUSEADDR");
    for (const struct recap_value *v = recap_first(options); v; v = v->next) {
        const struct option *option = option_named(v->name);
        bool early = option && (option->rule & EARLY);
        int result = 0;
        if (strcmp(v->name, "SO_ATTACH_FILTER") == 0)
            result = phase == LINUX_SOCKET_COMPLETE ? set_filter(fd, object, v, error) : 0;
        else if (!option)
            result = linux_state_damaged(object, v->name, error);
        else if (early == (phase == LINUX_SOCKET_NEW) || (option->rule & AGAIN))
            result = set_option(fd, object, option, v, error);
        if (result < 0)
            return result;
    }
    return phase == LINUX_SOCKET_COMPLETE ? set_owner(fd, object, error) : 0;
}
