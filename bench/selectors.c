/* selectors.c: what it costs to look at a capability space. */
#include "bench/bench.h"
#include "kernel/kernel.h"
#include "kernel/linux/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SELECTORS = 1000 };

/* The physical limit: take each descriptor and close it, knowing nothing about it. */
static double raw_loop(pid_t pid)
{
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    double begin = seconds_now();
    for (int fd = 3; fd < 3 + SELECTORS; fd++)
        close((int)syscall(SYS_pidfd_getfd, pidfd, fd, 0));
    double took = seconds_now() - begin;
    close(pidfd);
    return took / SELECTORS;
}

static double walk(pid_t pid)
{
    struct recap_kernel *kernel;
    struct recap_pd *pd;
    if (recap_linux_open(&kernel, NULL) < 0 ||
        kernel->ops->pd_open(kernel, (uint64_t)pid, &pd, NULL) < 0)
        return -1;
    size_t found = 0;
    double begin = seconds_now();
    for (recap_selector selector = 0, next; selector != RECAP_NO_SELECTOR; selector = next) {
        struct recap_cap cap;
        if (kernel->ops->request(pd, selector, &cap, &next, NULL) < 0)
            break;
        found += cap.badge != 0;
    }
    double took = seconds_now() - begin;
    kernel->ops->pd_close(pd);
    kernel->ops->close(kernel);
    return found < SELECTORS ? -1 : took / (double)found;
}

void bench_selectors(struct bench *bench)
{
    struct target target;
    if (!target_start(bench,
                      (struct target_size){.mebibytes = 1, .eventfds = SELECTORS, .threads = 1},
                      &target)) {
        bench->failed = true;
        return;
    }
    double raw[MOST_RUNS], walked[MOST_RUNS], caps[MOST_RUNS];
    char pid[24];
    snprintf(pid, sizeof pid, "%d", target.pid);
    const char *const command[] = {bench->recap, "caps", pid, NULL};
    for (size_t i = 0; i < bench->runs; i++) {
        raw[i] = raw_loop(target.pid);
        walked[i] = walk(target.pid);
        bench->failed |= walked[i] < 0 || run(command, &caps[i]) != 0;
        caps[i] /= SELECTORS;
    }
    double limit = median(raw, bench->runs);
    report_ratio(bench, "walk 1,000 selectors by request, per selector",
                 median(walked, bench->runs), "pidfd_getfd + close", limit, 10);
    report_ratio(bench, "recap caps of 1,000 selectors (whole command), per selector",
                 median(caps, bench->runs), "pidfd_getfd + close", limit, 25);
    target_stop(&target);
}
