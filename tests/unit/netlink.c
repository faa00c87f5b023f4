/* netlink.c: netlink sockets come back with address, peer, groups, options and filter; those in
 * which something waits are refused, until it is read. */
#include "remake.h"

#include "kernel/linux/objects/sockets/netlink_families.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct sockaddr_nl name_of(int fd)
{
    struct sockaddr_nl name = {0};
    socklen_t size = sizeof name;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    return name;
}

static struct sockaddr_nl peer_of(int fd)
{
    struct sockaddr_nl name = {0};
    socklen_t size = sizeof name;
    assert_int_equal(getpeername(fd, (struct sockaddr *)&name, &size), 0);
    return name;
}

static int number(int fd, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    getsockopt(fd, SOL_NETLINK, option, &value, &size);
    return value;
}

static void test_every_protocol(void **state)
{
    (void)state;
    size_t tried = 0;
    for (int protocol = 0; protocol < MAX_LINKS; protocol++)
        for (int type = SOCK_DGRAM; type <= SOCK_RAW; type++) {
            struct remake remake;
            uint32_t before[64] = {0}, after[64] = {0};
            socklen_t size = sizeof before;
            int fd = socket(AF_NETLINK, type | (type == SOCK_RAW ? SOCK_NONBLOCK : 0), protocol);
            if (fd < 0)
                continue; /* a kernel without it */
            struct sockaddr_nl port = {.nl_family = AF_NETLINK, .nl_pid = 0x7000 + (unsigned)type};
            assert_int_equal(bind(fd, (struct sockaddr *)&port, sizeof port), 0);
            /* As many groups as the protocol has and we may join, also beyond those of an address.
             */
            for (unsigned group = 1; group <= 40; group++)
                setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
            assert_int_equal(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, before, &size),
                             0);
            char byte;
            while (recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
                ; /* what came since */
            remake_all(&remake, &fd, 1);
            size = sizeof after;
            assert_int_equal(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, after, &size),
                             0);
            assert_memory_equal(before, after, sizeof before);
            assert_int_equal(name_of(fd).nl_pid, port.nl_pid);
            close(fd);
            remake_free(&remake);
            tried++;
        }
    print_message("%zu protocols and types\n", tried);
    assert_true(tried >= 8);
}

static void test_peer_options_and_filter(void **state)
{
    (void)state;
    static const int options[] = {NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS,
                                  NETLINK_CAP_ACK, NETLINK_EXT_ACK,         NETLINK_GET_STRICT_CHK};
    struct remake remake;
    int fds[3], on = 1;
    for (int i = 0; i < 3; i++)
        fds[i] = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_USERSOCK);
    struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = 4711};
    assert_int_equal(bind(fds[0], (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&to, sizeof to), 0);
    uint32_t own = name_of(fds[1]).nl_pid;
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        assert_int_equal(setsockopt(fds[0], SOL_NETLINK, options[i], &on, sizeof on), 0);
    struct sock_filter instruction = {BPF_RET | BPF_K, 0, 0, 0xffff}, kept = {0};
    struct sock_fprog program = {1, &instruction};
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
    remake_all(&remake, fds, 3);
    assert_int_equal(name_of(fds[0]).nl_pid, 4711);
    assert_int_equal(name_of(fds[1]).nl_pid, own);
    assert_int_equal(peer_of(fds[1]).nl_pid, 4711);
    assert_int_equal(name_of(fds[2]).nl_pid, 0);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        assert_int_equal(number(fds[0], options[i]), 1);
    socklen_t size = 1;
    assert_int_equal(getsockopt(fds[0], SOL_SOCKET, SO_GET_FILTER, &kept, &size), 0);
    assert_memory_equal(&kept, &instruction, sizeof kept);
    char text[8];
    assert_int_equal(send(fds[1], "hello", 5, 0), 5);
    assert_int_equal(recv(fds[0], text, sizeof text, 0), 5);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    remake_free(&remake);
}

static void expect_refusal(int fd, const char *what)
{
    struct remake remake;
    remake_describe(&remake, &fd, 1, false);
    assert_int_equal(remake.refusals.count, 1);
    if (!strstr(remake.refusals.items[0].what, what))
        fail_msg("it is called: %s", remake.refusals.items[0].what);
    assert_non_null(strstr(remake.refusals.items[0].remedy, "try again"));
    remake_free(&remake);
}

/* Refused while something waits; what the message says to do is to read it. */
static void test_answers_that_wait(void **state)
{
    (void)state;
    struct remake remake;
    const struct {
        struct nlmsghdr header;
        struct rtgenmsg message;
    } ask = {{sizeof ask, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNSPEC}};
    char answer[65536];
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    assert_int_equal(send(fd, &ask, sizeof ask, 0), sizeof ask);
    expect_refusal(fd, "wait in the netlink socket");
    while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) > 0)
        ;
    remake_all(&remake, &fd, 1);
    close(fd);
    remake_free(&remake);
}

static void test_groups_of_generic_netlink_have_names(void **state)
{
    (void)state;
    char name[LINUX_NETLINK_NAME];
    unsigned found = 0;
    for (unsigned group = 1; group < 64 && !found; group++)
        if (linux_netlink_group_name(group, name) == 0 && strcmp(name, "nlctrl/notify") == 0)
            found = group;
    assert_true(found);
    assert_int_equal(linux_netlink_group_name(0xfffff, name), -ENOENT);
    /* A family that has another number here is not the same object. */
    struct remake remake;
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
    assert_int_equal(setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &found, sizeof found), 0);
    remake_describe(&remake, &fd, 1, true);
    struct recap_object *object = &remake.graph->objects[remake.ids[0] - 1];
    struct recap_value *groups = object->state->u.items.first;
    while (strcmp(groups->name, "groups") != 0)
        groups = groups->next;
    for (struct recap_value *v = groups->u.items.first->u.items.first; v; v = v->next)
        if (strcmp(v->name, "name") == 0)
            v->u.bytes.data = "nlctrl/nothing";
    assert_int_equal(remake_create(&remake, &fd), -EOPNOTSUPP);
    assert_non_null(strstr(remake.error.what, "nlctrl/nothing"));
    remake_free(&remake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_protocol),
        cmocka_unit_test(test_peer_options_and_filter),
        cmocka_unit_test(test_answers_that_wait),
        cmocka_unit_test(test_groups_of_generic_netlink_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
