/* tcp_keys.c: the keys with which a listening TCP socket has segments signed (TCP_MD5SIG), which
 * the kernel tells to root alone. */
#include "kernel/linux/objects/sockets/inet/diag.h"
#include "kernel/linux/objects/sockets/inet/tcp.h"
#include "kernel/linux/objects/sockets/socket_family.h"
#include "kernel/linux/objects/status_flags.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

static void free_keys(void **keys)
{
    free(*keys);
}

int linux_tcp_keys_describe(const struct sockaddr_storage *name, uint32_t inode,
                            struct recap_arena *arena, struct recap_value *state,
                            struct recap_error *error)
{
    __attribute__((cleanup(free_keys))) void *keys = NULL;
    size_t length = 0, size = sizeof(struct tcp_diag_md5sig);
    int result = linux_inet_diag_keys(name, inode, &keys, &length);
    if (result < 0)
        return recap_fail(error, result, "asking for a TCP socket (sock_diag)");
    struct recap_value *list = length >= size ? recap_put_list(arena, state, "keys") : NULL;
    /* The kernel tells the last one first. */
    for (size_t left = length / size; left; left--)
        recap_put_bytes(arena, list, NULL, (const char *)keys + (left - 1) * size, size);
    return 0;
}

static int set_key(int fd, const struct tcp_diag_md5sig *key, struct recap_error *error)
{
    struct tcp_md5sig wanted = {.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX,
                                .tcpm_prefixlen = key->tcpm_prefixlen,
                                .tcpm_keylen = key->tcpm_keylen};
    memcpy(wanted.tcpm_key, key->tcpm_key, sizeof wanted.tcpm_key);
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&wanted.tcpm_addr;
    wanted.tcpm_addr.ss_family = (sa_family_t)linux_socket_number(fd, SO_DOMAIN);
    if (wanted.tcpm_addr.ss_family == AF_INET) {
        ((struct sockaddr_in *)&wanted.tcpm_addr)->sin_addr.s_addr = key->tcpm_addr[0];
    } else if (key->tcpm_family == AF_INET) { /* which an IPv6 socket takes as a mapped address */
        six->sin6_addr.s6_addr32[2] = htonl(0xffff);
        six->sin6_addr.s6_addr32[3] = key->tcpm_addr[0];
    } else {
        memcpy(&six->sin6_addr, key->tcpm_addr, sizeof key->tcpm_addr);
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &wanted, sizeof wanted) < 0)
        return recap_fail(error, -errno, "setting TCP_MD5SIG_EXT");
    return 0;
}

int linux_tcp_keys_set(int fd, const struct recap_object *object, struct recap_error *error)
{
    int result = 0;
    for (const struct recap_value *v = recap_items(object->state, "keys"); v && result == 0;
         v = v->next) {
        struct tcp_diag_md5sig key;
        if (v->type != RECAP_BYTES || v->u.bytes.length != sizeof key)
            return linux_state_damaged(object, "keys", error);
        memcpy(&key, v->u.bytes.data, sizeof key);
        result = key.tcpm_family == AF_INET || key.tcpm_family == AF_INET6
                     ? set_key(fd, &key, error)
                     : linux_state_damaged(object, "keys", error);
    }
    return result;
}
