/* session.h: an opened kernel and PD for the time of one command. */
#ifndef RECAP_CLI_SESSION_H
#define RECAP_CLI_SESSION_H

#include <recap/recap.h>

struct session {
    struct recap_kernel *kernel;
    struct recap_pd *pd;
    struct recap_error error;
};

/* Opens the kernel, or the core that --core names, and, unless it is 0, the process `pid`. 0 or a
 * negative errno. */
int session_open(struct session *session, uint64_t pid);
/* For the cleanup attribute. */
void session_close(struct session *session);

/* The capability at `selector`; an unused one is an error that says so. */
int session_request(struct session *session, recap_selector selector, struct recap_cap *cap);
/* What the object is, or the empty text: for messages. The caller frees it. */
char *session_label(struct session *session, recap_badge badge);

#endif
