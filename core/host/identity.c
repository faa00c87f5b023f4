/* identity.c: the user and the groups of a client. The kernel says who it is, and once they are
 * taken on it is the kernel that says what it may. */
#include "core/host/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

static int read_groups(int socket, struct core_identity *identity)
{
    socklen_t size = 0;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) < 0 && errno != ERANGE)
        return -errno;
    gid_t *groups = malloc(size + sizeof *groups);
    if (!groups)
        return -ENOMEM;
    if (size && getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0) {
        int code = -errno;
        free(groups);
        return code;
    }
    identity->groups = groups;
    identity->group_count = size / sizeof *groups;
    return 0;
}

int core_identity_of_peer(int socket, struct core_identity *identity, struct recap_error *error)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return recap_fail(error, -errno, "reading who the client is");
    *identity = (struct core_identity){.pid = peer.pid, .uid = peer.uid, .gid = peer.gid};
    int result = read_groups(socket, identity);
    return result < 0 ? recap_fail(error, result, "reading the groups of the client") : 0;
}

int core_identity_copy(const struct core_identity *from, struct core_identity *to)
{
    gid_t *groups = calloc(from->group_count + 1, sizeof *groups);
    if (!groups)
        return -ENOMEM;
    memcpy(groups, from->groups, from->group_count * sizeof *groups);
    *to = *from;
    to->groups = groups;
    return 0;
}

void core_identity_clear(struct core_identity *identity)
{
    free(identity->groups);
    *identity = (struct core_identity){0};
}

bool core_identity_servable(const struct core_identity *identity)
{
    return geteuid() == 0 || geteuid() == identity->uid;
}

/* The kernel takes them away with root, unless it was told not to; and root itself may be one that
 * has fewer than core. */
static int keep_capabilities(const struct core_identity *identity)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    for (unsigned long number = 0; number < 64; number++)
        if (!(identity->bounding >> number & 1) && prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1 &&
            prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0)
            return -errno;
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        uint32_t kept = (uint32_t)(identity->capabilities >> 32 * i);
        data[i].permitted &= kept;
        data[i].effective &= kept;
        data[i].inheritable = 0;
    }
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int become(const struct core_identity *identity)
{
    if (setgroups(identity->group_count, identity->groups) < 0 ||
        setresgid(identity->gid, identity->gid, identity->gid) < 0)
        return -errno;
    /* The bounding set is root's to narrow, so that comes before the user. */
    struct core_identity bounds = *identity;
    bounds.capabilities = UINT64_MAX;
    int result = keep_capabilities(&bounds);
    if (result == 0 && setresuid(identity->uid, identity->uid, identity->uid) < 0)
        result = -errno;
    return result ? result : keep_capabilities(identity);
}

int core_identity_take_on(const struct core_identity *identity, struct recap_error *error)
{
    int result = geteuid() == 0 ? become(identity) : 0;
    if (result == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        result = -errno;
    return result ? recap_fail(error, result, "taking on the rights of user %u",
                               (unsigned)identity->uid)
                  : 0;
}
