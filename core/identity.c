/* identity.c: the user and the groups of a client. The kernel says who it is, and once they are
 * taken on it is the kernel that says what it may. */
#include "core/identity.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

int core_identity_take_on(const struct core_identity *identity, struct recap_error *error)
{
    if (geteuid() != 0)
        return 0;
    if (setgroups(identity->group_count, identity->groups) < 0 ||
        setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
        setresuid(identity->uid, identity->uid, identity->uid) < 0)
        return recap_fail(error, -errno, "taking on the rights of user %u",
                          (unsigned)identity->uid);
    /* The change has made this process one that its own user may not look at, and may not look at
     * itself (/proc/self). It has nothing any more that this user has not. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return 0;
}
