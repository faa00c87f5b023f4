/* address.c: internet addresses, in and out of the state of a socket. */
#include "kernel/linux/objects/sockets/inet/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

static const struct sockaddr_in *as_in(const struct sockaddr_storage *address)
{
    return (const struct sockaddr_in *)address;
}

static const struct sockaddr_in6 *as_in6(const struct sockaddr_storage *address)
{
    return (const struct sockaddr_in6 *)address;
}

bool linux_inet_is_any(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return as_in(address)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&as_in6(address)->sin6_addr);
}

uint16_t linux_inet_port(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET ? as_in(address)->sin_port
                                               : as_in6(address)->sin6_port);
}

void linux_inet_set_port(struct sockaddr_storage *address, uint16_t port)
{
    if (address->ss_family == AF_INET)
        ((struct sockaddr_in *)address)->sin_port = htons(port);
    else
        ((struct sockaddr_in6 *)address)->sin6_port = htons(port);
}

socklen_t linux_inet_length(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static const char *host(const struct sockaddr_storage *address, char *text)
{
    const void *bytes = address->ss_family == AF_INET ? (const void *)&as_in(address)->sin_addr
                                                      : &as_in6(address)->sin6_addr;
    return inet_ntop(address->ss_family, bytes, text, INET6_ADDRSTRLEN);
}

void linux_inet_put(struct recap_arena *arena, struct recap_value *into, const char *name,
                    const struct sockaddr_storage *address)
{
    char text[INET6_ADDRSTRLEN];
    if (linux_inet_is_any(address) && !linux_inet_port(address))
        return;
    struct recap_value *record = recap_put_record(arena, into, name);
    recap_put_text(arena, record, "address", host(address, text));
    recap_put_number(arena, record, "port", linux_inet_port(address));
    if (address->ss_family == AF_INET6 && as_in6(address)->sin6_scope_id)
        recap_put_number(arena, record, "scope", as_in6(address)->sin6_scope_id);
    if (address->ss_family == AF_INET6 && as_in6(address)->sin6_flowinfo)
        recap_put_number(arena, record, "flow", ntohl(as_in6(address)->sin6_flowinfo));
}

int linux_inet_get(const struct recap_value *record, const char *name, int family,
                   struct sockaddr_storage *address)
{
    const struct recap_value *member = name ? recap_member(record, name) : record;
    const char *text;
    int64_t port, scope = recap_number_or(member, "scope", 0),
                  flow = recap_number_or(member, "flow", 0);
    if (!member)
        return 0;
    if (recap_get_text(member, "address", &text) < 0 ||
        recap_get_number(member, "port", &port) < 0 || port < 0 || port > UINT16_MAX || scope < 0 ||
        scope > UINT32_MAX || flow < 0 || flow > UINT32_MAX)
        return -EINVAL;
    *address = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    if (family == AF_INET) {
        in->sin_port = htons((uint16_t)port);
    } else {
        in6->sin6_port = htons((uint16_t)port);
        in6->sin6_scope_id = (uint32_t)scope;
        in6->sin6_flowinfo = htonl((uint32_t)flow);
    }
    void *bytes = family == AF_INET ? (void *)&in->sin_addr : &in6->sin6_addr;
    return inet_pton(family, text, bytes) == 1 ? (int)linux_inet_length(address) : -EINVAL;
}

const char *linux_inet_text(struct recap_arena *arena, const struct sockaddr_storage *address)
{
    char text[INET6_ADDRSTRLEN];
    bool any = linux_inet_is_any(address), bracket = !any && address->ss_family == AF_INET6;
    return recap_arena_printf(arena, "%s%s%s:%u", bracket ? "[" : "",
                              any ? "*" : host(address, text), bracket ? "]" : "",
                              linux_inet_port(address));
}

int linux_inet_family(const struct recap_value *state)
{
    int64_t version = recap_number_or(state, "version", 0);
    return version == 4 ? AF_INET : version == 6 ? AF_INET6 : -1;
}
