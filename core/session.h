/* session.h: what the files of the server share: what core holds for one client. */
#ifndef RECAP_CORE_SESSION_H
#define RECAP_CORE_SESSION_H

#include "core/protocol.h"
#include "core/server.h"
#include "core/wire.h"
#include "graph/badge_map.h"

/* What makes a created PD whole. */
enum session_step { MADE_MAP = 1, MADE_THREADS = 2, MADE_ATTRIBUTES = 4, MADE_WHOLE = 7 };

/* A PD that the client opened or created; the client calls it by its place, from 1. */
struct session_pd {
    struct recap_pd *pd; /* NULL: closed, the place is free */
    bool created;        /* and not resumed yet */
    bool suspended;      /* or created */
    unsigned made;       /* of a created one: enum session_step */
};

struct session {
    struct recap_kernel *kernel; /* NULL until the hello, where the limits open one */
    const struct recap_kernel_ops *ops;
    const struct core_limits *limits;
    struct wire_channel channel;
    bool greeted;
    struct session_pd *pds;
    size_t pd_count;
    struct recap_badge_map *given; /* the badges that the client may name */
    size_t given_count;
    /* The graph that the client pushed, and what is being built of it. */
    struct recap_graph *graph;
    bool graph_whole;
    struct recap_creation creation;
    struct recap_pd **made; /* creation.pds */
    /* The request that is being served. */
    uint32_t number; /* of the last request */
    uint8_t answer;  /* the type of its answer, which is in `out`; 0: none yet */
    bool descriptor; /* one came with it */
    struct wire_out out;
    int fd;                      /* goes with the answer; -1: none */
    struct wire_message pending; /* came in place of the content that was asked for */
    bool has_pending;
    bool broken; /* the stream failed meanwhile */
};

/* --- session.c -------------------------------------------------------------------------------- */

/* Lets go of all that the client held, with the kernel if that was opened for it. */
void session_clear(struct session *session);
/* Lets go of what the last one held, for a client that says hello. */
int session_begin(struct session *session, struct recap_error *error);
/* Lets go of the graph and what was built of it, PDs aside. */
void session_drop_graph(struct session *session);
/* A PD by the client's number for it, or NULL with `error` filled. */
struct session_pd *session_pd(struct session *session, struct wire_in *in,
                              struct recap_error *error);
/* The same for what needs a PD that stands still, or one that was created. */
struct session_pd *session_suspended(struct session *session, struct wire_in *in,
                                     struct recap_error *error);
struct session_pd *session_created(struct session *session, struct wire_in *in,
                                   struct recap_error *error);
/* Has room for one more PD, or for one more badge, before it is opened or made: what the client may
 * not have must not have come to be. */
int session_reserve_pd(struct session *session, struct recap_error *error);
int session_reserve_badge(struct session *session, struct recap_error *error);
/* Enters a PD, for which room was reserved, and gives the client's number for it. */
uint64_t session_enter_pd(struct session *session, struct recap_pd *pd, bool created);
/* From now on the client may name the badge. 0 also for badge 0, or -ENOMEM. */
int session_give(struct session *session, recap_badge badge, struct recap_error *error);
/* All badges in a tree. */
int session_give_tree(struct session *session, const struct recap_value *value,
                      struct recap_error *error);
/* Whether the client may name it; if not, `error` is filled with -EACCES. */
int session_check(struct session *session, recap_badge badge, struct recap_error *error);
/* An arena within the client's limits, or NULL with `error` filled. */
struct recap_arena *session_arena(struct session *session, struct recap_error *error);
/* Whether capabilities cross between the client and the kernel, as descriptors. */
bool session_carries(const struct session *session);
/* The descriptor that came with the request, which stays the stream's; -ENOENT: none did. */
int session_take_fd(struct session *session, int *fd);
/* Whether the answer has no room for more: what is asked for in batches stops there. */
bool session_full(const struct session *session);
/* What the client sent cannot be understood. */
int session_malformed(struct recap_error *error);
/* A session of one PD may not. */
int session_refuse_confined(struct session *session, const char *what, struct recap_error *error);

/* --- what a client may ask: each reads `in`, writes session->out, and returns 0 or a negative
 * errno with `error` filled
 * -------------------------------------------------------------------------- */

/* serve_pd.c */
int serve_list(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_name(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_open(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_close(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_examine(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_suspend(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_resume(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_destroy(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_session(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_request(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_install(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_remove(struct session *session, struct wire_in *in, struct recap_error *error);

/* serve_object.c */
int serve_describe(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_label(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_content(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_compare(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_bind(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_local(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_adopt(struct session *session, struct wire_in *in, struct recap_error *error);

/* serve_memory.c */
int serve_regions(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_read(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_write(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_threads(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_attributes(struct session *session, struct wire_in *in, struct recap_error *error);

/* serve_creation.c */
int serve_graph(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_create_pd(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_create(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_tie(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_map(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_load(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_set_threads(struct session *session, struct wire_in *in, struct recap_error *error);
int serve_set_attributes(struct session *session, struct wire_in *in, struct recap_error *error);
/* The graph, if it is whole; NULL with `error` filled if not. */
const struct recap_graph *session_graph(struct session *session, struct recap_error *error);

#endif
