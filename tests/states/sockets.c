/* sockets.c: options of sockets, one entry for each option of each kind of socket that has it. */
#include "newer.h"
#include "states.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <linux/net_tstamp.h>
#include <linux/netlink.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef UDPLITE_SEND_CSCOV
#define UDPLITE_SEND_CSCOV 10
#define UDPLITE_RECV_CSCOV 11
#endif

enum { LARGEST = 256 };

/* numbers: {domain, type, protocol, level, option, value} */

static int open_socket(struct held *held)
{
    const long *n = held->state->numbers;
    held->fd = socket((int)n[0], (int)n[1], (int)n[2]);
    return held->fd < 0 ? -1 : 0;
}

static int set_number(struct held *held)
{
    const long *n = held->state->numbers;
    int value = (int)n[5];
    return setsockopt(held->fd, (int)n[3], (int)n[4], &value, sizeof value);
}

static void read_number(struct held *held, char text[STATE_TEXT])
{
    const long *n = held->state->numbers;
    int value = 0;
    socklen_t size = sizeof value;
    bool read = getsockopt(held->fd, (int)n[3], (int)n[4], &value, &size) == 0;
    state_say(text, read, "%d", value);
}

/* --- options that are structs: the value is an index into these --- */

static const struct linger linger = {1, 7};
static const struct timeval interval = {3, 250000};
static const int stamping[2] = {SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE, 0};
static const unsigned long rate = 90000;
static const struct {
    clockid_t clock;
    uint32_t flags;
} departure = {CLOCK_MONOTONIC, 1};
static const unsigned char record_nothing[4] = {1, 1, 1,
                                                0}; /* three times no option, and the end */
static const unsigned char padding[8] = {0, 0, 1, 4};
static const unsigned char segments[24] = {0, 2, 4, 0, 0, 0, 0, 0, [23] = 1};
static const unsigned char key[16] = "sixteen letters";
static const struct sock_filter accept_one = {BPF_RET | BPF_K, 0, 0, 1};
static const struct sock_fprog program = {1, (struct sock_filter *)&accept_one};

enum {
    LINGER,
    INTERVAL,
    STAMPING,
    RATE,
    DEPARTURE,
    LOOPBACK,
    RENO,
    OPTIONS4,
    PADDING,
    SEGMENTS,
    KEY,
    LO_ADDRESS,
    FILTER
};

static const struct {
    const void *bytes;
    socklen_t length;
} values[] = {
    [LINGER] = {&linger, sizeof linger},
    [INTERVAL] = {&interval, sizeof interval},
    [STAMPING] = {stamping, sizeof stamping},
    [RATE] = {&rate, sizeof rate},
    [DEPARTURE] = {&departure, sizeof departure},
    [LOOPBACK] = {"lo", sizeof "lo"},
    [RENO] = {"reno", sizeof "reno"},
    [OPTIONS4] = {record_nothing, sizeof record_nothing},
    [PADDING] = {padding, sizeof padding},
    [SEGMENTS] = {segments, sizeof segments},
    [KEY] = {key, sizeof key},
    [LO_ADDRESS] = {(const unsigned char[]){127, 0, 0, 1}, 4},
    [FILTER] = {&program, sizeof program},
};

static int set_struct(struct held *held)
{
    const long *n = held->state->numbers;
    return setsockopt(held->fd, (int)n[3], (int)n[4], values[n[5]].bytes, values[n[5]].length);
}

static void read_struct(struct held *held, char text[STATE_TEXT])
{
    const long *n = held->state->numbers;
    unsigned char bytes[LARGEST] = {0};
    socklen_t size = sizeof bytes;
    bool read = getsockopt(held->fd, (int)n[3], (int)n[4], bytes, &size) == 0;
    state_say_bytes(text, read, bytes, size);
}

/* Its length counts instructions. */
static void read_filter(struct held *held, char text[STATE_TEXT])
{
    struct sock_filter kept[4] = {0};
    socklen_t count = sizeof kept / sizeof *kept;
    bool read = getsockopt(held->fd, SOL_SOCKET, SO_GET_FILTER, kept, &count) == 0;
    state_say_bytes(text, read, (unsigned char *)kept, count * sizeof *kept);
}

static int set_bpf(struct held *held)
{
    const struct bpf_insn instructions[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT}};
    union bpf_attr attributes = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
                                 .insns = (uintptr_t)instructions,
                                 .insn_cnt = 2,
                                 .license = (uintptr_t) "GPL"};
    int loaded = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof attributes);
    if (loaded < 0)
        return -1;
    int result = setsockopt(held->fd, SOL_SOCKET, SO_ATTACH_BPF, &loaded, sizeof loaded);
    close(loaded);
    return result;
}

/* --- what is read beside data --- */

static int open_pair(struct held *held)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        return -1;
    held->fd = ends[0];
    held->other = ends[1];
    return 0;
}

static int ask_for_count(struct held *held)
{
    int on = 1;
    return setsockopt(held->fd, SOL_SOCKET, SO_INQ, &on, sizeof on);
}

static void read_count(struct held *held, char text[STATE_TEXT])
{
    char byte, control[64];
    struct iovec part = {&byte, 1};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    bool read = send(held->other, "x", 1, 0) == 1 && recvmsg(held->fd, &header, 0) == 1;
    state_say(text, read, "%s", header.msg_controllen ? "counted" : "not counted");
}

/* --- the table --- */

/* Before it is expanded to a number. */
#define NAMED(option) #option, option
#define NUMBER(where, domain, type, protocol, level, named, option, value, ...)                    \
    {                                                                                              \
        .name = named " " where, .claims = named, .open = open_socket, .set = set_number,          \
        .read = read_number, .numbers = {domain, type, protocol, level, option, value},            \
        ##__VA_ARGS__                                                                              \
    }
#define STRUCT(where, domain, type, protocol, level, named, option, value, ...)                    \
    {                                                                                              \
        .name = named " " where, .claims = named, .open = open_socket, .set = set_struct,          \
        .read = read_struct, .numbers = {domain, type, protocol, level, option, value},            \
        ##__VA_ARGS__                                                                              \
    }

#define TCP4(form, ...) form("tcp4", AF_INET, SOCK_STREAM, IPPROTO_TCP, __VA_ARGS__)
#define TCP6(form, ...) form("tcp6", AF_INET6, SOCK_STREAM, IPPROTO_TCP, __VA_ARGS__)
#define UDP4(form, ...) form("udp4", AF_INET, SOCK_DGRAM, IPPROTO_UDP, __VA_ARGS__)
#define UDP6(form, ...) form("udp6", AF_INET6, SOCK_DGRAM, IPPROTO_UDP, __VA_ARGS__)
#define LITE(form, ...)                                                                            \
    form("udp-lite", AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE, __VA_ARGS__,                            \
         .may_lack = "a kernel with UDP-Lite")
#define STREAM(form, ...) form("unix stream", AF_UNIX, SOCK_STREAM, 0, __VA_ARGS__)
#define DATAGRAM(form, ...) form("unix datagram", AF_UNIX, SOCK_DGRAM, 0, __VA_ARGS__)
#define PACKET(form, ...) form("unix packet", AF_UNIX, SOCK_SEQPACKET, 0, __VA_ARGS__)
#define NETLINK(form, ...) form("netlink", AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, __VA_ARGS__)

#define TCP(form, ...) TCP4(form, __VA_ARGS__), TCP6(form, __VA_ARGS__)
#define UDP(form, ...) UDP4(form, __VA_ARGS__), UDP6(form, __VA_ARGS__)
#define SIX(form, ...) TCP6(form, __VA_ARGS__), UDP6(form, __VA_ARGS__)
#define INET(form, ...) TCP(form, __VA_ARGS__), UDP(form, __VA_ARGS__)
#define UNIX(form, ...)                                                                            \
    STREAM(form, __VA_ARGS__), DATAGRAM(form, __VA_ARGS__), PACKET(form, __VA_ARGS__)
#define EVERY(form, ...)                                                                           \
    INET(form, __VA_ARGS__), UNIX(form, __VA_ARGS__), NETLINK(form, __VA_ARGS__)

static const struct state states[] = {
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_REUSEADDR), 1),
    INET(NUMBER, SOL_SOCKET, NAMED(SO_REUSEPORT), 1),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_BINDTODEVICE), LOOPBACK),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_MARK), 7),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_SNDBUF), 20000),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_RCVBUF), 20000),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_DEBUG), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_KEEPALIVE), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_BROADCAST), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_OOBINLINE), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_DONTROUTE), 1),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_LINGER), LINGER),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_RCVLOWAT), 9),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_RCVTIMEO_OLD), INTERVAL),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_SNDTIMEO_OLD), INTERVAL),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_RCVTIMEO_NEW), INTERVAL),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_SNDTIMEO_NEW), INTERVAL),
    UNIX(NUMBER, SOL_SOCKET, NAMED(SO_PASSCRED), 1),
    NETLINK(NUMBER, SOL_SOCKET, NAMED(SO_PASSCRED), 1),
    UNIX(NUMBER, SOL_SOCKET, NAMED(SO_PASSSEC), 1),
    NETLINK(NUMBER, SOL_SOCKET, NAMED(SO_PASSSEC), 1),
    UNIX(NUMBER, SOL_SOCKET, NAMED(SO_PASSPIDFD), 1, .since = "6.5"),
    UNIX(NUMBER, SOL_SOCKET, NAMED(SO_PASSRIGHTS), 0, .since = "6.16"),
    {.name = "SO_INQ",
     .open = open_pair,
     .set = ask_for_count,
     .read = read_count,
     .limit = "SO_INQ",
     .since = "6.17"},
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_RCVPRIORITY), 1, .since = "6.14"),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_RCVMARK), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_TIMESTAMP_OLD), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_TIMESTAMPNS_OLD), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_TIMESTAMP_NEW), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_TIMESTAMPNS_NEW), 1),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_TIMESTAMPING_OLD), STAMPING),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_TIMESTAMPING_NEW), STAMPING),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_RXQ_OVFL), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_WIFI_STATUS), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_NOFCS), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_SELECT_ERR_QUEUE), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_BUSY_POLL), 5),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_PREFER_BUSY_POLL), 1),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_MAX_PACING_RATE), RATE),
    INET(NUMBER, SOL_SOCKET, NAMED(SO_ZEROCOPY), 1),
    EVERY(STRUCT, SOL_SOCKET, NAMED(SO_TXTIME), DEPARTURE),
    TCP(NUMBER, SOL_SOCKET, NAMED(SO_TXREHASH), 0),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_NO_CHECK), 1),
    TCP(NUMBER, SOL_SOCKET, NAMED(SO_RESERVE_MEM), 65536, .may_lack = "a control group for memory"),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_INCOMING_CPU), 1),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_PRIORITY), 5),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_BUF_LOCK), 3),
    INET(NUMBER, SOL_SOCKET, NAMED(SO_PEEK_OFF), 0),
    UNIX(NUMBER, SOL_SOCKET, NAMED(SO_PEEK_OFF), 0),
    EVERY(NUMBER, SOL_SOCKET, NAMED(SO_LOCK_FILTER), 1),
    {.name = "SO_ATTACH_FILTER",
     .open = open_socket,
     .set = set_struct,
     .read = read_filter,
     .numbers = {AF_INET, SOCK_DGRAM, 0, SOL_SOCKET, SO_ATTACH_FILTER, FILTER}},
    {.name = "SO_ATTACH_FILTER unix",
     .open = open_socket,
     .set = set_struct,
     .read = read_filter,
     .numbers = {AF_UNIX, SOCK_DGRAM, 0, SOL_SOCKET, SO_ATTACH_FILTER, FILTER}},
    {.name = "SO_ATTACH_BPF",
     .open = open_socket,
     .set = set_bpf,
     .read = read_filter,
     .numbers = {AF_INET, SOCK_DGRAM},
     .refused = "an eBPF filter",
     .may_lack = "bpf(2)",
     .alone = true},

    INET(NUMBER, SOL_IP, NAMED(IP_FREEBIND), 1),
    LITE(NUMBER, SOL_IP, NAMED(IP_FREEBIND), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_TRANSPARENT), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_BIND_ADDRESS_NO_PORT), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_TOS), 0x10),
    LITE(NUMBER, SOL_IP, NAMED(IP_TOS), 0x10),
    INET(NUMBER, SOL_IP, NAMED(IP_TTL), 9),
    INET(NUMBER, SOL_IP, NAMED(IP_MINTTL), 9),
    TCP4(STRUCT, SOL_IP, NAMED(IP_OPTIONS), OPTIONS4),
    UDP4(STRUCT, SOL_IP, NAMED(IP_OPTIONS), OPTIONS4),
    INET(NUMBER, SOL_IP, NAMED(IP_MTU_DISCOVER), IP_PMTUDISC_PROBE),
    INET(NUMBER, SOL_IP, NAMED(IP_RECVERR), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_RECVERR_RFC4884), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_PKTINFO), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_RECVTTL), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_RECVTOS), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_RECVOPTS), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_RETOPTS), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_PASSSEC), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_RECVORIGDSTADDR), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_CHECKSUM), 1),
    UDP(NUMBER, SOL_IP, NAMED(IP_RECVFRAGSIZE), 1),
    INET(NUMBER, SOL_IP, NAMED(IP_UNICAST_IF), 0x01000000), /* lo, the highest byte first */
    UDP(NUMBER, SOL_IP, NAMED(IP_MULTICAST_TTL), 3),
    INET(NUMBER, SOL_IP, NAMED(IP_MULTICAST_LOOP), 0),
    UDP4(NUMBER, SOL_IP, NAMED(IP_MULTICAST_ALL), 0),
    UDP6(NUMBER, SOL_IP, NAMED(IP_MULTICAST_ALL), 1),
    UDP4(STRUCT, SOL_IP, NAMED(IP_MULTICAST_IF), LO_ADDRESS),
    INET(NUMBER, SOL_IP, NAMED(IP_LOCAL_PORT_RANGE), 40000 | 50000 << 16, .since = "6.3"),

    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_V6ONLY), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_FREEBIND), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_TRANSPARENT), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_UNICAST_HOPS), 9),
    UDP6(NUMBER, SOL_IPV6, NAMED(IPV6_MULTICAST_HOPS), 9),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_MULTICAST_LOOP), 0),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_MULTICAST_ALL), 0),
    UDP6(NUMBER, SOL_IPV6, NAMED(IPV6_MULTICAST_IF), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_UNICAST_IF), 0x01000000),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_MTU_DISCOVER), IPV6_PMTUDISC_PROBE),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVERR), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVERR_RFC4884), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVPKTINFO), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVHOPLIMIT), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVTCLASS), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVRTHDR), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVHOPOPTS), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVDSTOPTS), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_FLOWINFO), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_2292PKTINFO), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_2292HOPLIMIT), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_2292RTHDR), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_2292HOPOPTS), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_2292DSTOPTS), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVPATHMTU), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVORIGDSTADDR), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_RECVFRAGSIZE), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_TCLASS), 8),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_DONTFRAG), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_AUTOFLOWLABEL), 0),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_FLOWINFO_SEND), 1),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_MINHOPCOUNT), 5),
    SIX(NUMBER, SOL_IPV6, NAMED(IPV6_ADDR_PREFERENCES), IPV6_PREFER_SRC_PUBLIC),
    SIX(STRUCT, SOL_IPV6, NAMED(IPV6_HOPOPTS), PADDING),
    SIX(STRUCT, SOL_IPV6, NAMED(IPV6_DSTOPTS), PADDING),
    SIX(STRUCT, SOL_IPV6, NAMED(IPV6_RTHDRDSTOPTS), PADDING),
    SIX(STRUCT, SOL_IPV6, NAMED(IPV6_RTHDR), SEGMENTS),

    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_NODELAY), 1),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_CORK), 1),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_MAXSEG), 700),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_KEEPIDLE), 9),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_KEEPINTVL), 9),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_KEEPCNT), 3),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_SYNCNT), 3),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_LINGER2), 9),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_DEFER_ACCEPT), 5),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_WINDOW_CLAMP), 90000),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_QUICKACK), 0),
    TCP(STRUCT, IPPROTO_TCP, NAMED(TCP_CONGESTION), RENO),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_THIN_LINEAR_TIMEOUTS), 1),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_USER_TIMEOUT), 700),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_FASTOPEN), 7),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_FASTOPEN_CONNECT), 1),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_FASTOPEN_NO_COOKIE), 1),
    TCP(STRUCT, IPPROTO_TCP, NAMED(TCP_FASTOPEN_KEY), KEY),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_NOTSENT_LOWAT), 700),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_SAVE_SYN), 1),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_INQ), 1),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_TX_DELAY), 700),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_RTO_MAX_MS), 5000, .since = "6.15"),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_RTO_MIN_US), 100000, .since = "6.16"),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_DELACK_MAX_US), 30000, .since = "6.16"),
    TCP(NUMBER, IPPROTO_TCP, NAMED(TCP_REPAIR), 1, .refused = "TCP_REPAIR", .alone = true),

    UDP(NUMBER, IPPROTO_UDP, NAMED(UDP_SEGMENT), 700),
    UDP(NUMBER, IPPROTO_UDP, NAMED(UDP_GRO), 1),
    UDP(NUMBER, IPPROTO_UDP, NAMED(UDP_ENCAP), 2, .may_lack = "a kernel with IPsec"),
    UDP(NUMBER, IPPROTO_UDP, NAMED(UDP_NO_CHECK6_TX), 1),
    UDP(NUMBER, IPPROTO_UDP, NAMED(UDP_NO_CHECK6_RX), 1),
    UDP(NUMBER, IPPROTO_UDP, NAMED(UDP_CORK), 1),
    LITE(NUMBER, IPPROTO_UDPLITE, NAMED(UDPLITE_SEND_CSCOV), 9),
    LITE(NUMBER, IPPROTO_UDPLITE, NAMED(UDPLITE_RECV_CSCOV), 9),

    NETLINK(NUMBER, SOL_NETLINK, NAMED(NETLINK_PKTINFO), 1),
    NETLINK(NUMBER, SOL_NETLINK, NAMED(NETLINK_BROADCAST_ERROR), 1),
    NETLINK(NUMBER, SOL_NETLINK, NAMED(NETLINK_NO_ENOBUFS), 1),
    NETLINK(NUMBER, SOL_NETLINK, NAMED(NETLINK_LISTEN_ALL_NSID), 1),
    NETLINK(NUMBER, SOL_NETLINK, NAMED(NETLINK_CAP_ACK), 1),
    NETLINK(NUMBER, SOL_NETLINK, NAMED(NETLINK_EXT_ACK), 1),
    NETLINK(NUMBER, SOL_NETLINK, NAMED(NETLINK_GET_STRICT_CHK), 1),
};

STATE_FAMILY(sockets_family, "sockets", states);
