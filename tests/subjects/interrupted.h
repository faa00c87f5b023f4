/* interrupted.h: what the parts of the subject `interrupted` share: attempts, each of which is one
 * thread in one system call.
 *
 * interrupted.c runs and judges them; interrupted_arguments.c has what builds their arguments; each
 * of the other files has some calls and a table of them.
 */
#ifndef RECAP_TESTS_INTERRUPTED_H
#define RECAP_TESTS_INTERRUPTED_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
/* Long enough to be waiting still when the checkpoint comes, short enough for a test. */
#define TIMEOUT (5500 * MS)

/* How long a call waits. */
enum span {
    FOR_EVER = 1,
    RELATIVE = 2, /* until TIMEOUT has passed */
    UNTIL = 4,    /* until a point in time, in TIMEOUT */
    LONG = 8,     /* an hour */
    CONSTANT = 16 /* as RELATIVE, but its time lies where the program itself cannot write */
};

enum way { BY_SYSCALL, BY_INT_80, WAYS };

/* How it comes to its end, after the restore. */
enum ending {
    EXPIRES,
    WOKEN,       /* by what it waits for */
    INTERRUPTED, /* by a signal with a handler */
    RESTARTED    /* by a signal with a handler and SA_RESTART, which it survives, and then woken */
};

struct attempt;

struct call {
    const char *name; /* in calls.list */
    const char *what; /* it waits for or with */
    long number[WAYS];
    unsigned int spans;
    bool narrow; /* by int 0x80 its times have 32-bit members */
    void (*build)(struct attempt *);
    void (*wake)(struct attempt *);
    void (*check)(struct attempt *); /* what else than its result has to be right */
    long expired;                    /* results: as the kernel gives them */
    long woken;                      /* ANY: not an error */
    bool restarts;                   /* after a handler with SA_RESTART */
    bool remembers;                  /* however often it is interrupted */
    bool persists;                   /* whatever handler runs */
    bool partial;                    /* done by half: it may end by itself with that */
    bool writes_time;                /* the kernel writes what is left over its time */
};
#define ANY INT64_C(0x7fffffff)

struct attempt {
    const struct call *call;
    enum span span;
    enum way way;
    enum ending ending;
    long arguments[6];
    int fds[4];
    void *memory[3];
    int id; /* unique */
    pthread_t thread;
    pid_t tid;
    void *code;
    int64_t began, ended; /* UNTIL: began as its time was taken */
    long result;
    atomic_bool entered, done;
    atomic_int handled;
};

/* Memory below 4 GiB. */
void *low_memory(size_t size);
/* The time of the attempt as its call wants it, at an address, or null. `clock` for UNTIL. */
long time_of(struct attempt *attempt, int clock);
/* The same as a number of milliseconds. */
long milliseconds_of(const struct attempt *attempt);

/* --- interrupted_arguments.c ------------------------------------------------------------------ */

enum { LENGTH = 4 }; /* of what is transferred */

/* Whether its words have 32 bits. */
bool narrow(const struct attempt *attempt);
/* Sets the arguments. */
void set(struct attempt *attempt, long a, long b, long c, long d, long e, long f);
/* A copy in low memory. */
long low_copy(const void *bytes, size_t size);
/* Numbers as the way in wants its longs, one behind the other. */
long words(const struct attempt *attempt, size_t count, const long *values);
/* A struct iovec, and `count` message headers of one each. */
long vector_of(struct attempt *attempt, void *memory, size_t length);
long header_of(struct attempt *attempt, bool several, size_t count);
/* A name in the working directory that is its own. */
const char *name_of(const struct attempt *attempt, const char *what);
/* Writes text. */
void put(int fd, const char *bytes);
/* Writes until it would wait. */
void fill(int fd);
/* The arguments to transfer a few bytes, however the call says that. */
void transfer(struct attempt *attempt, int fd);
/* Opens fds[0] and [1]; writes a byte into [1]. */
void build_pipe(struct attempt *attempt);
void wake_pipe(struct attempt *attempt);
/* Sends the thread SIGRTMIN + 1. */
void wake_by_signal(struct attempt *attempt);

/* --- the tables ------------------------------------------------------------------------------- */

#define SPANS (FOR_EVER | RELATIVE)
#define CALL(at, about, wide, other, over, builder, ...)                                           \
    {                                                                                              \
        .name = at, .what = about, .number = {wide, other}, .spans = over, .build = builder,       \
        __VA_ARGS__                                                                                \
    }
#define NARROW .narrow = true
#define WOKEN_BY(waker, result) .wake = waker, .woken = result
#define RESTARTS .restarts = true
#define EXPIRED(result) .expired = result

struct call_table {
    const struct call *calls;
    size_t count;
};
extern const struct call_table interrupted_clocks, interrupted_queues, interrupted_files,
    interrupted_sockets;

#endif
