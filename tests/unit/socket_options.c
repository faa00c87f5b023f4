/* socket_options.c: every option of the table, on every family and type that has it, comes back as
 * it was, with what the kernel changes along with it; what cannot be set again is refused by name.
 */
#include "remake.h"

#include "kernel/linux/abi.h"
#include "kernel/linux/objects/sockets/socket_rehearsal.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct linux_socket_shape shapes[] = {
    {AF_INET, SOCK_STREAM, IPPROTO_TCP}, {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP},  {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
    {AF_UNIX, SOCK_STREAM, 0},           {AF_UNIX, SOCK_DGRAM, 0},
    {AF_UNIX, SOCK_SEQPACKET, 0},
};

/* Gives the option another value than `usual` if one of these is taken. */
static bool change(int fd, const struct linux_socket_option *option,
                   const struct linux_socket_value *usual, struct linux_socket_value *changed)
{
    static const int numbers[] = {1, 0, 2, 5, 3, 700, 90000, -1};
    static const char *const texts[] = {"lo", "reno", "cubic"};
    bool text = option->form == LINUX_OPTION_TEXT, opaque = option->form == LINUX_OPTION_OPAQUE;
    size_t count = text ? sizeof texts / sizeof *texts : sizeof numbers / sizeof *numbers;
    for (size_t i = 0; i < count; i++) {
        struct linux_socket_value value = {.known = true, .length = sizeof numbers[i]};
        if (opaque) {
            value.length = usual->length;
            memset(value.bytes, 0, sizeof value.bytes);
        }
        if (text)
            value.length = (socklen_t)strlen(strcpy((char *)value.bytes, texts[i])) + 1;
        else
            memcpy(value.bytes, &numbers[i], sizeof numbers[i]);
        linux_socket_option_write(fd, option, &value);
        linux_socket_option_read(fd, option, changed);
        if (changed->known && !linux_socket_value_equal(changed, usual))
            return true;
    }
    return false;
}

static void read_all(int fd, const struct linux_socket_shape *shape,
                     struct linux_socket_value *values)
{
    for (size_t i = 0; i < linux_socket_option_count; i++)
        if (linux_socket_option_concerns(&linux_socket_options[i], shape))
            linux_socket_option_read(fd, &linux_socket_options[i], &values[i]);
}

static void test_each_option_comes_back(void **state)
{
    (void)state;
    size_t tried = 0, count = linux_socket_option_count;
    struct linux_socket_value *before = calloc(count, sizeof *before),
                              *after = calloc(count, sizeof *after);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const struct linux_socket_value *usual = linux_socket_defaults(&shapes[s]);
        for (size_t i = 0; usual && i < count; i++) {
            struct remake remake;
            const struct linux_socket_option *option = &linux_socket_options[i];
            if (!usual[i].known || (option->rule & LINUX_OPTION_REFUSED))
                continue;
            int fd = socket(shapes[s].domain, shapes[s].type, shapes[s].protocol);
            assert_true(fd >= 0);
            if (change(fd, option, &usual[i], &before[i])) {
                tried++;
                read_all(fd, &shapes[s], before);
                remake_all(&remake, &fd, 1);
                read_all(fd, &shapes[s], after);
                for (size_t k = 0; k < count; k++)
                    if (usual[k].known && !linux_socket_value_equal(&before[k], &after[k]))
                        fail_msg("%s was %d and is %d after %s was set on family %d type %d",
                                 linux_socket_options[k].name,
                                 linux_socket_value_number(&before[k]),
                                 linux_socket_value_number(&after[k]), option->name,
                                 shapes[s].domain, shapes[s].type);
                remake_free(&remake);
            }
            close(fd);
        }
    }
    free(before);
    free(after);
    print_message("%zu options of %zu kinds of sockets\n", tried, sizeof shapes / sizeof *shapes);
    assert_true(tried > 250);
}

static void test_type_of_service_and_priority_are_apart(void **state)
{
    (void)state;
    struct remake remake;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), service = 0x10, priority = 0;
    socklen_t size = sizeof priority;
    /* Setting the first changes the second; the program set that back to what a fresh one has. */
    setsockopt(fd, SOL_IP, IP_TOS, &service, sizeof service);
    setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof priority);
    remake_all(&remake, &fd, 1);
    priority = -1;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, &size), 0);
    assert_int_equal(priority, 0);
    assert_int_equal(getsockopt(fd, SOL_IP, IP_TOS, &service, &size), 0);
    assert_int_equal(service, 0x10);
    close(fd);
    remake_free(&remake);
}

static void test_locked_filter(void **state)
{
    (void)state;
    struct remake remake;
    struct sock_filter instruction = {BPF_RET | BPF_K, 0, 0, 1};
    struct sock_fprog program = {1, &instruction};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1, locked = 0;
    socklen_t size = sizeof locked;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof on), 0);
    remake_all(&remake, &fd, 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &locked, &size), 0);
    assert_int_equal(locked, 1);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof on), -1);
    assert_int_equal(errno, EPERM);
    struct sock_filter kept = {0};
    size = 1;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, &kept, &size), 0);
    assert_memory_equal(&kept, &instruction, sizeof kept);
    close(fd);
    remake_free(&remake);
}

static void test_headers_of_ipv6(void **state)
{
    (void)state;
    struct remake remake;
    struct {
        unsigned char next, length, options[6];
    } padding = {.options = {1, 4}}, kept = {0};
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    if (setsockopt(fd, SOL_IPV6, IPV6_DSTOPTS, &padding, sizeof padding) < 0) {
        close(fd);
        skip(); /* takes a privilege */
    }
    remake_all(&remake, &fd, 1);
    socklen_t size = sizeof kept;
    assert_int_equal(getsockopt(fd, SOL_IPV6, IPV6_DSTOPTS, &kept, &size), 0);
    assert_int_equal(size, sizeof kept);
    assert_memory_equal(&kept.options, &padding.options, sizeof kept.options);
    close(fd);
    remake_free(&remake);
}

static void test_what_cannot_be_set_again_is_refused_by_name(void **state)
{
    (void)state;
    struct remake remake;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on) == 0) {
        remake_describe(&remake, &fd, 1, false);
        assert_int_equal(remake.refusals.count, 1);
        assert_non_null(strstr(remake.refusals.items[0].what, "TCP_REPAIR"));
        remake_free(&remake);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_option_comes_back),
        cmocka_unit_test(test_type_of_service_and_priority_are_apart),
        cmocka_unit_test(test_locked_filter),
        cmocka_unit_test(test_headers_of_ipv6),
        cmocka_unit_test(test_what_cannot_be_set_again_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
