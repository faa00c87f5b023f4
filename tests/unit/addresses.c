/* addresses.c: addresses of this machine, and options of sockets. */
#include "addresses.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

const struct place places[PLACES] = {
    {AF_INET, "127.0.0.1"},
    {AF_INET6, "::1"},
    {AF_INET6, "::ffff:127.0.0.1"},
};

struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

uint16_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

void bind_loopback(int fd, uint16_t port)
{
    struct sockaddr_in address = loopback(port);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
}

int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t size = sizeof value;
    getsockopt(fd, level, option, &value, &size);
    return value;
}

void set_option(int fd, int level, int option, int value)
{
    assert_int_equal(setsockopt(fd, level, option, &value, sizeof value), 0);
}

struct sockaddr_storage local_address(int family, const char *address)
{
    struct sockaddr_storage made = {.ss_family = (sa_family_t)family};
    void *bytes = family == AF_INET ? (void *)&((struct sockaddr_in *)&made)->sin_addr
                                    : &((struct sockaddr_in6 *)&made)->sin6_addr;
    assert_int_equal(inet_pton(family, address, bytes), 1);
    return made;
}

socklen_t length_of(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}
