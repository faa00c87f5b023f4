/* addresses.h: for tests of TCP and UDP: addresses of this machine, and options of sockets. */
#ifndef RECAP_TESTS_ADDRESSES_H
#define RECAP_TESTS_ADDRESSES_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* The places where a socket can be. */
struct place {
    int family;
    const char *address;
};
enum { PLACES = 3 };
extern const struct place places[PLACES];

struct sockaddr_in loopback(uint16_t port);
uint16_t port_of(int fd);
void bind_loopback(int fd, uint16_t port);
int option_of(int fd, int level, int option);
void set_option(int fd, int level, int option, int value);
struct sockaddr_storage local_address(int family, const char *address);
socklen_t length_of(const struct sockaddr_storage *address);

#endif
