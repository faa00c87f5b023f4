/* hosts.h: processes that Recap visits in tests, and that check for themselves how they fared. */
#ifndef RECAP_TESTS_UNIT_HOSTS_H
#define RECAP_TESTS_UNIT_HOSTS_H

#include <stdatomic.h>
#include <stdbool.h>

/* Memory shared between host and test. */
struct host_board {
    atomic_int ready; /* the host is in the state that it is about */
    atomic_int go;    /* the visits are over */
    atomic_int wrong;
    atomic_int late; /* host_timed: the wait took longer than it should */
    int kind;        /* of host_timed: which wait */
    char what[120];
    long value;
};

/* Each returns when told to go and found that all is right, or notes what is wrong. */
void host_read(struct host_board *board); /* blocked in read(2) */
void host_poll(struct host_board *board); /* in poll(2) without a time limit */
void host_epoll(struct host_board *board);
void host_select(struct host_board *board);
void host_futex(struct host_board *board);
void host_sleep(struct host_board *board);       /* naps, and measures each */
void host_receive(struct host_board *board);     /* in recvfrom(2) on a socket with a time limit */
void host_blocked(struct host_board *board);     /* with all signals blocked */
void host_catching(struct host_board *board);    /* with a handler for every signal */
void host_small_stack(struct host_board *board); /* with no byte of stack below its pointer */
void host_threads(struct host_board *board);     /* eight threads in different waits */
void host_registers(struct host_board *board);   /* computing, with every register in use */
void host_sequence(struct host_board *board);    /* inside restartable sequences */
void host_timers(struct host_board *board);      /* with a timer that fires every millisecond */

#define HOST_QUEUE 400
void host_queue(struct host_board *board); /* receives so many queued signals */

#define HOST_TIMED_KINDS 6
#define HOST_TIMED_MS 300
void host_timed(struct host_board *board); /* waits so long in the way that `kind` says */

#endif
