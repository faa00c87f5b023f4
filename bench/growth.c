/* growth.c: costs grow linearly with descriptors and mappings. */
#include "bench/bench.h"

#include <stdio.h>
#include <sys/resource.h>

/* Per item, the largest case may cost this much more than the smallest: growth by n log n from
 * 1,000 to 50,000 would be 1.6, by n squared 50. The smallest case carries the fixed costs. */
static const double MOST_GROWTH = 1.5;

static double checkpoint_seconds(struct bench *bench, struct target_size size)
{
    enum { RUNS = 3 };
    struct target target;
    double samples[RUNS];
    char image[4096], pid[24];
    snprintf(image, sizeof image, "%s/image", bench->folder);
    if (!target_start(bench, size, &target)) {
        bench->failed = true;
        return 0;
    }
    snprintf(pid, sizeof pid, "%d", target.pid);
    const char *const command[] = {bench->recap, "checkpoint", "--leave-running", "-o", image,
                                   pid,          NULL};
    for (size_t i = 0; i < RUNS; i++) {
        remove_tree(image);
        bench->failed |= run(command, &samples[i]) != 0;
    }
    remove_tree(image);
    target_stop(&target);
    return median(samples, RUNS);
}

static void growth(struct bench *bench, const char *of, const size_t *counts, size_t steps,
                   bool mappings)
{
    double smallest = 0;
    char what[80];
    for (size_t i = 0; i < steps; i++) {
        struct target_size size = {.mebibytes = 1,
                                   .threads = 1,
                                   .eventfds = mappings ? 0 : counts[i],
                                   .mappings = mappings ? counts[i] : 0};
        double each = checkpoint_seconds(bench, size) / (double)counts[i];
        snprintf(what, sizeof what, "checkpoint with %zu %s, each", counts[i], of);
        if (i == 0) {
            smallest = each;
            report_figure(what, "%9.2f us", each * 1e6);
        } else {
            report_ratio(bench, what, each, "the smallest case", smallest, MOST_GROWTH);
        }
    }
}

void bench_growth(struct bench *bench)
{
    enum { BESIDES = 100 }; /* descriptors that the target has besides */
    size_t descriptors[] = {1000, 10000, 50000};
    static const size_t maps[] = {100, 1000, 10000};
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    /* Where fewer are allowed, the last step goes as far as they go. */
    size_t steps = 0, most = limit.rlim_max > BESIDES ? (size_t)limit.rlim_max - BESIDES : 0;
    while (steps < 3 && (steps == 0 || descriptors[steps - 1] < most)) {
        if (descriptors[steps] > most)
            descriptors[steps] = most;
        steps++;
    }
    growth(bench, "descriptors", descriptors, steps, false);
    if (most < 50000)
        report_figure("descriptors that this user may have (RLIMIT_NOFILE)", "%llu",
                      (unsigned long long)limit.rlim_max);
    growth(bench, "mappings", maps, 3, true);
}
