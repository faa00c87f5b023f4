/* peer.c: the same main job by CRIU, where it is installed. */
#include "bench/bench.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first line that CRIU says, for the row of one that cannot do it here. */
static void why(const struct bench *bench, const char *pid, char *line, size_t size)
{
    char command[8192];
    snprintf(command, sizeof command, "criu dump --leave-running -t %s -D %s/criu 2>&1", pid,
             bench->folder);
    FILE *output = popen(command, "re");
    line[0] = '\0';
    while (output && (!line[0] || strstr(line, "exited, status")))
        if (!fgets(line, (int)size, output))
            break;
    line[strcspn(line, "\n")] = '\0';
    if (output)
        pclose(output);
}

void bench_peer(struct bench *bench)
{
    struct target target;
    char pid[24], folder[4096], line[160];
    double samples[MOST_RUNS];
    if (access("/usr/sbin/criu", X_OK) != 0) {
        report_figure("CRIU, checkpoint of a 1 MiB process", "not installed");
        return;
    }
    if (!target_start(bench, (struct target_size){.mebibytes = 1, .threads = 1}, &target)) {
        bench->failed = true;
        return;
    }
    snprintf(pid, sizeof pid, "%d", target.pid);
    snprintf(folder, sizeof folder, "%s/criu", bench->folder);
    const char *const command[] = {
        "/usr/sbin/criu", "dump", "--leave-running", "-v0", "-t", pid, "-D", folder, NULL};
    size_t done = 0;
    for (; done < bench->runs; done++) {
        remove_tree(folder);
        if (mkdir(folder, 0700) < 0 || run(command, &samples[done]) != 0)
            break;
    }
    if (done == bench->runs) {
        report_figure("CRIU, checkpoint of a 1 MiB process", "%9.2f ms",
                      median(samples, done) * 1e3);
    } else {
        why(bench, pid, line, sizeof line);
        report_figure("CRIU, checkpoint of a 1 MiB process", "fails here: %s", line);
    }
    remove_tree(folder);
    target_stop(&target);
}
