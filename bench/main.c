/* main.c: recap's bench: every figure beside its limit, measured in the same run.
 *
 *     bench RECAP TARGET FOLDER [RUNS [ROWS...]]
 *
 * ROWS are selectors, core, pauses, gibibyte, restore, growth, peer and mach; all of them without.
 *
 * Exits 0 when everything ran and stayed within its limits, 1 when a row is over, 2 when something
 * did not run at all. */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

static const struct {
    const char *name;
    void (*measure)(struct bench *bench);
} rows[] = {
    {"selectors", bench_selectors}, {"core", bench_core},       {"pauses", bench_pauses},
    {"gibibyte", bench_gibibyte},   {"restore", bench_restore}, {"growth", bench_growth},
    {"peer", bench_peer},           {"mach", bench_mach},
};

enum { ROWS = sizeof rows / sizeof *rows };

/* Measures the rows called `name`, or all without one. */
static bool measure(struct bench *bench, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < ROWS; i++)
        if (!name || strcmp(rows[i].name, name) == 0) {
            rows[i].measure(bench);
            found = true;
        }
    return found;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: bench RECAP TARGET FOLDER [RUNS [ROWS...]]\n");
        return 2;
    }
    char folder[4096];
    snprintf(folder, sizeof folder, "%s/recap-bench-XXXXXX", argv[3]);
    if (!mkdtemp(folder)) {
        perror(folder);
        return 2;
    }
    struct bench bench = {.recap = argv[1],
                          .target = argv[2],
                          .folder = folder,
                          .runs = argc > 4 ? strtoul(argv[4], NULL, 10) : 11};
    if (bench.runs < LEAST_RUNS || bench.runs > MOST_RUNS) {
        fprintf(stderr, "bench: RUNS is a number from %d to %d\n", LEAST_RUNS, MOST_RUNS);
        rmdir(folder);
        return 2;
    }
    struct utsname names;
    uname(&names);
    printf("Linux %s, %ld processors, medians of %zu runs, images below %s\n\n", names.release,
           sysconf(_SC_NPROCESSORS_ONLN), bench.runs, argv[3]);
    bool known = argc > 5 || measure(&bench, NULL);
    for (int i = 5; i < argc; i++)
        known = measure(&bench, argv[i]) && known;
    remove_tree(folder);
    if (!known) {
        fprintf(stderr,
                "bench: rows are selectors, core, pauses, gibibyte, restore, growth, peer, mach\n");
        return 2;
    }
    printf("\n%zu over their limit%s\n", bench.over,
           bench.failed ? "; some rows did not run: the figures are not whole" : "");
    return bench.failed ? 2 : bench.over ? 1 : 0;
}
