/* target.h: what bench and target share in memory. */
#ifndef RECAP_BENCH_TARGET_H
#define RECAP_BENCH_TARGET_H

#include <stdint.h>

struct target_results {
    volatile uint64_t ready;
    volatile uint64_t looks;          /* at the clock */
    volatile uint64_t longest_gap_ns; /* between two of them; the bench sets it back to 0 */
};

#endif
