/* bench.h: what the rows of the bench share. */
#ifndef RECAP_BENCH_BENCH_H
#define RECAP_BENCH_BENCH_H

#include "bench/target.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LEAST_RUNS = 3, MOST_RUNS = 1001 };

struct bench {
    const char *recap;  /* the command under test */
    const char *target; /* bench/target */
    const char *folder; /* scratch, on the file system that is measured */
    size_t runs;        /* of each figure */
    bool failed;        /* something did not run at all */
    size_t over;        /* rows above their limit */
};

/* --- samples.c: measuring --------------------------------------------------------------------- */

double seconds_now(void);
/* The median of `count` samples (sorts them). */
double median(double *samples, size_t count);
/* Runs a command to its end with output to /dev/null; its exit code, -1 for a signal. `seconds`
 * (may be NULL) is the time from before the start to after the end. */
int run(const char *const argv[], double *seconds);
/* Removes a folder and what is in it. */
void remove_tree(const char *path);

/* --- targets.c: processes to measure on --------------------------------------------------------
 */

struct target {
    pid_t pid;
    struct target_results *results;
};

struct target_size {
    size_t mebibytes, eventfds, threads, mappings;
    bool still; /* does not watch the clock, and can be restored again and again */
};

bool target_start(struct bench *bench, struct target_size size, struct target *target);
void target_stop(struct target *target);

/* --- report.c: one line per figure ---------------------------------------------------------------
 */

/* A time beside its limit, in seconds. */
void report_time(struct bench *bench, const char *what, double seconds, double limit);
/* A cost beside the physical one measured in the same run; `limit` is the largest ratio. */
void report_ratio(struct bench *bench, const char *what, double cost, const char *than,
                  double physical, double limit);
/* A figure without a limit of its own: peers, growth. */
void report_figure(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --- the rows
 * -------------------------------------------------------------------------------------- */

void bench_selectors(struct bench *bench); /* walking and caps */
void bench_core(struct bench *bench);      /* request and install through core */
void bench_pauses(struct bench *bench);    /* and the whole checkpoint of a small process */
void bench_gibibyte(struct bench *bench);  /* the way out of memory */
void bench_restore(struct bench *bench);
void bench_growth(struct bench *bench);
void bench_peer(struct bench *bench);
void bench_mach(struct bench *bench); /* GNU Mach, where what it takes is installed */

#endif
