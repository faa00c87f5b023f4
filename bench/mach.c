/* mach.c: what Native PD costs on GNU Mach in an emulator, through a core at the end of a serial
 * line, and what the line carries. */
#include "bench/bench.h"
#include "kernel/kernel.h"
#include "kernel/remote/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PORTS = 100, FIRST_FREE = 30000, HOLDER = 1, BYTES = 128 * 1024, PATIENCE = 3000 };
#define KERNELS "/boot/gnumach-*.gz"
#define EMULATOR "/usr/bin/qemu-system-i386"
/* The highest memory of a task is its stack. */
#define STACK_TOP UINT64_C(0xc0000000)

/* Starts the emulator in the folder of the guests, or returns -1 when something for it is missing.
 */
static pid_t boot(const char *guests, const char *kernel, const char *line)
{
    static const char modules[] =
        "core.elf $(core-task=task-create) host=${host-port} device=${device-port} "
        "kernel=${kernel-task} holder=${holder-task} $(task-resume),"
        "holder.elf holder $(holder-task=task-create) $(task-resume)";
    char serial[4200];
    if (access(EMULATOR, X_OK) < 0 || access(kernel, R_OK) < 0)
        return -1;
    snprintf(serial, sizeof serial, "unix:%s,server=on,wait=off", line);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, STDIN_FILENO);
        if (chdir(guests) == 0)
            execl(EMULATOR, EMULATOR, "-m", "128", "-display", "none", "-no-reboot", "-monitor",
                  "none", "-nic", "none", "-kernel", kernel, "-append", "console=com0", "-initrd",
                  modules, "-serial", "null", "-serial", serial, NULL);
        _exit(127);
    }
    return pid;
}

/* The PD of the component, once core answers and the component has all that it holds. */
static struct recap_pd *connect_to(const char *address, struct recap_kernel **kernel)
{
    struct recap_pd *pd = NULL;
    for (int i = 0; i < PATIENCE && !*kernel; i++) {
        usleep(10 * 1000);
        recap_remote_open(address, kernel, NULL);
    }
    if (*kernel && (*kernel)->ops->pd_open(*kernel, HOLDER, &pd, NULL) < 0)
        return NULL;
    return pd;
}

struct costs {
    double walk[MOST_RUNS], request[MOST_RUNS], install[MOST_RUNS]; /* seconds per selector */
    double read[MOST_RUNS], write[MOST_RUNS];                       /* seconds in all */
};

/* A dead name can be anywhere, and as often as one likes: the one that the component holds. */
static bool find_dead_name(struct recap_pd *pd, struct recap_cap *cap)
{
    recap_selector next = 0;
    for (recap_selector selector = 0; selector != RECAP_NO_SELECTOR; selector = next)
        if (pd->kernel->ops->request(pd, selector, cap, &next, NULL) < 0)
            return false;
        else if (cap->rights & RECAP_RIGHT_DEAD_NAME)
            return true;
    return false;
}

static bool measure_names(struct recap_pd *pd, size_t run, struct costs *costs)
{
    const struct recap_kernel_ops *ops = pd->kernel->ops;
    struct recap_cap cap, dead;
    bool done = find_dead_name(pd, &dead);
    size_t found = 0;
    double begin = seconds_now();
    for (recap_selector i = 0; done && i < PORTS; i++)
        done = ops->install(pd, FIRST_FREE + i, &dead, NULL) == 0;
    costs->install[run] = (seconds_now() - begin) / PORTS;
    begin = seconds_now();
    for (recap_selector selector = 0, next; done && selector != RECAP_NO_SELECTOR;
         selector = next) {
        done = ops->request(pd, selector, &cap, &next, NULL) == 0;
        found += cap.badge != 0;
    }
    costs->walk[run] = (seconds_now() - begin) / (double)(found ? found : 1);
    begin = seconds_now();
    for (recap_selector i = PORTS; done && i > 0; i--)
        done = ops->request(pd, FIRST_FREE + i - 1, &cap, NULL, NULL) == 0;
    costs->request[run] = (seconds_now() - begin) / PORTS;
    for (recap_selector i = 0; i < PORTS; i++)
        ops->remove(pd, FIRST_FREE + i, NULL);
    return done && found > PORTS;
}

static bool measure_line(struct recap_pd *pd, size_t run, struct costs *costs)
{
    const struct recap_kernel_ops *ops = pd->kernel->ops;
    static unsigned char bytes[BYTES];
    double begin = seconds_now();
    bool done = ops->read(pd, STACK_TOP - BYTES, bytes, BYTES, NULL) == 0;
    costs->read[run] = seconds_now() - begin;
    begin = seconds_now();
    done = done && ops->write(pd, STACK_TOP - BYTES, bytes, BYTES, NULL) == 0;
    costs->write[run] = seconds_now() - begin;
    return done;
}

static void report(const struct bench *bench, struct costs *costs)
{
    size_t runs = bench->runs;
    report_figure("GNU Mach by serial line: request in a walk, per selector", "%.0f us",
                  median(costs->walk, runs) * 1e6);
    report_figure("GNU Mach by serial line: request, one at a time", "%.0f us",
                  median(costs->request, runs) * 1e6);
    report_figure("GNU Mach by serial line: install, one at a time", "%.0f us",
                  median(costs->install, runs) * 1e6);
    report_figure("GNU Mach by serial line: memory out", "%.0f KiB/s",
                  BYTES / 1024.0 / median(costs->read, runs));
    report_figure("GNU Mach by serial line: memory in", "%.0f KiB/s",
                  BYTES / 1024.0 / median(costs->write, runs));
}

static bool measure(struct bench *bench, struct recap_pd *pd)
{
    static struct costs costs;
    bool done = pd && pd->kernel->ops->suspend(pd, NULL) == 0;
    for (size_t i = 0; done && i < bench->runs; i++)
        done = measure_names(pd, i, &costs) && measure_line(pd, i, &costs);
    if (done)
        report(bench, &costs);
    return done;
}

void bench_mach(struct bench *bench)
{
    char guests[4096], kernel[4096], core[4200], line[4096], address[4200];
    const char *slash = strrchr(bench->recap, '/');
    snprintf(guests, sizeof guests, "%.*s/../kernel/mach", slash ? (int)(slash - bench->recap) : 1,
             slash ? bench->recap : ".");
    snprintf(core, sizeof core, "%s/core.elf", guests);
    snprintf(kernel, sizeof kernel, "%s/gnumach", bench->folder);
    snprintf(line, sizeof line, "%s/line", bench->folder);
    snprintf(address, sizeof address, "unix:%s", line);
    char unpack[8300];
    snprintf(unpack, sizeof unpack, "gzip -dc " KERNELS " >%s 2>/dev/null", kernel);
    const char *const shell[] = {"/bin/sh", "-c", unpack, NULL};
    pid_t emulator =
        access(core, R_OK) == 0 && run(shell, NULL) == 0 ? boot(guests, kernel, line) : -1;
    if (emulator < 0) {
        report_figure("GNU Mach by serial line", "skipped: scripts/install-packages mach, build");
        return;
    }
    struct recap_kernel *far = NULL;
    struct recap_pd *pd = connect_to(address, &far);
    if (!measure(bench, pd))
        bench->failed = true;
    if (pd)
        far->ops->pd_close(pd);
    if (far)
        far->ops->close(far);
    kill(emulator, SIGKILL);
    waitpid(emulator, NULL, 0);
}
