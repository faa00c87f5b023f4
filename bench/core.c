/* core.c: what Native PD costs through core, beside what it costs directly. */
#include "bench/bench.h"
#include "kernel/kernel.h"
#include "kernel/linux/backend.h"
#include "kernel/remote/backend.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SELECTORS = 1000, SINGLES = 100, FIRST_FREE = 5000 };

static pid_t start_core(const struct bench *bench, const char *address)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (freopen("/dev/null", "w", stderr))
            execl(bench->recap, bench->recap, "core", "--listen", address, NULL);
        _exit(127);
    }
    return pid;
}

/* The kernel, once core listens. */
static struct recap_kernel *connect_to(const char *address)
{
    struct recap_kernel *kernel = NULL;
    for (int i = 0; i < 500 && recap_remote_open(address, &kernel, NULL) < 0; i++)
        usleep(10 * 1000);
    return kernel;
}

struct costs { /* per selector, in seconds */
    double walk[MOST_RUNS], request[MOST_RUNS], install_many[MOST_RUNS], install[MOST_RUNS];
};

static bool measure_requests(struct recap_pd *pd, size_t run, struct costs *costs)
{
    const struct recap_kernel_ops *ops = pd->kernel->ops;
    struct recap_cap cap;
    size_t found = 0;
    double begin = seconds_now();
    for (recap_selector selector = 0, next; selector != RECAP_NO_SELECTOR; selector = next) {
        if (ops->request(pd, selector, &cap, &next, NULL) < 0)
            return false;
        found += cap.badge != 0;
    }
    costs->walk[run] = (seconds_now() - begin) / (double)found;
    /* Downwards, which is no walk: nothing can be asked for at once. */
    begin = seconds_now();
    for (recap_selector selector = SELECTORS; selector > 0; selector--)
        if (ops->request(pd, selector, &cap, NULL, NULL) < 0)
            return false;
    costs->request[run] = (seconds_now() - begin) / SELECTORS;
    return found >= SELECTORS;
}

static bool measure_installs(struct recap_pd *pd, size_t run, struct costs *costs)
{
    const struct recap_kernel_ops *ops = pd->kernel->ops;
    static recap_selector selectors[SELECTORS];
    static struct recap_cap caps[SELECTORS];
    struct recap_cap cap;
    /* Everything stands still, as when a component is restored. */
    if (ops->suspend(pd, NULL) < 0 || ops->request(pd, 3, &cap, NULL, NULL) < 0 || !cap.badge)
        return false;
    for (size_t i = 0; i < SELECTORS; i++) {
        selectors[i] = FIRST_FREE + i;
        caps[i] = cap;
    }
    double begin = seconds_now();
    bool done = ops->install_many(pd, selectors, caps, SELECTORS, NULL) == 0;
    costs->install_many[run] = (seconds_now() - begin) / SELECTORS;
    begin = seconds_now();
    for (size_t i = 0; done && i < SINGLES; i++)
        done = ops->install(pd, selectors[i], &caps[i], NULL) == 0;
    costs->install[run] = (seconds_now() - begin) / SINGLES;
    return ops->resume(pd, NULL) == 0 && done;
}

static bool measure(struct recap_kernel *kernel, const struct target *target, size_t run,
                    struct costs *costs)
{
    struct recap_pd *pd;
    if (!kernel || kernel->ops->pd_open(kernel, (uint64_t)target->pid, &pd, NULL) < 0)
        return false;
    bool done = measure_requests(pd, run, costs) && measure_installs(pd, run, costs);
    kernel->ops->pd_close(pd);
    return done;
}

static void report(struct bench *bench, struct costs *direct, struct costs *through)
{
    size_t runs = bench->runs;
    report_ratio(bench, "request through core in a walk, per selector", median(through->walk, runs),
                 "directly", median(direct->walk, runs), 2);
    report_ratio(bench, "request through core, one at a time", median(through->request, runs),
                 "directly", median(direct->request, runs), 50);
    report_ratio(bench, "install through core, 1,000 at once, per selector",
                 median(through->install_many, runs), "directly",
                 median(direct->install_many, runs), 2);
    report_ratio(bench, "install through core, one at a time", median(through->install, runs),
                 "directly", median(direct->install, runs), 3);
}

void bench_core(struct bench *bench)
{
    static struct costs direct, through;
    struct target target;
    char *address;
    if (asprintf(&address, "unix:%s/core", bench->folder) < 0 ||
        !target_start(bench,
                      (struct target_size){.mebibytes = 1, .eventfds = SELECTORS, .threads = 1},
                      &target)) {
        bench->failed = true;
        return;
    }
    pid_t core = start_core(bench, address);
    struct recap_kernel *far = connect_to(address), *near = NULL;
    if (!far || recap_linux_open(&near, NULL) < 0)
        bench->failed = true;
    for (size_t i = 0; i < bench->runs && !bench->failed; i++)
        bench->failed = !measure(near, &target, i, &direct) || !measure(far, &target, i, &through);
    if (!bench->failed)
        report(bench, &direct, &through);
    if (far)
        far->ops->close(far);
    if (near)
        near->ops->close(near);
    if (core > 0) {
        kill(core, SIGTERM);
        waitpid(core, NULL, 0);
    }
    target_stop(&target);
    free(address);
}
