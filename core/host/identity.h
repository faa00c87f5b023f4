/* identity.h: who a client is, and serving with no more than its rights. */
#ifndef RECAP_CORE_HOST_IDENTITY_H
#define RECAP_CORE_HOST_IDENTITY_H

#include <recap/error.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct core_identity {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    size_t group_count;
    /* At most these of core's capabilities are kept, in its sets and in its bounding set. */
    uint64_t capabilities, bounding;
};

/* Who is at the other end of a Unix socket, as it was when it connected. */
int core_identity_of_peer(int socket, struct core_identity *identity, struct recap_error *error);
int core_identity_copy(const struct core_identity *from, struct core_identity *to);
void core_identity_clear(struct core_identity *identity);
/* Whether this process may serve it: root serves everybody, a user itself. */
bool core_identity_servable(const struct core_identity *identity);
/* Becomes it, for good, and one that no other process of that user may trace. */
int core_identity_take_on(const struct core_identity *identity, struct recap_error *error);

#endif
