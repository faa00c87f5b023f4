/* checkpoint.c: pauses as the target feels them, and whole checkpoints. */
#include "bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t GIBIBYTE = 1u << 30;

/* One checkpoint that leaves the target running; the whole time, and the target's longest gap. */
static bool checkpoint_once(struct bench *bench, struct target *target, double *whole,
                            double *pause)
{
    char image[4096], pid[24];
    snprintf(image, sizeof image, "%s/image", bench->folder);
    snprintf(pid, sizeof pid, "%d", target->pid);
    const char *const command[] = {bench->recap, "checkpoint", "--leave-running", "-o", image,
                                   pid,          NULL};
    remove_tree(image);
    target->results->longest_gap_ns = 0;
    int code = run(command, whole);
    *pause = (double)target->results->longest_gap_ns / 1e9;
    uint64_t looks = target->results->looks;
    /* It goes on: it looks at the clock again. */
    for (int waits = 0; target->results->looks <= looks && waits < 1000; waits++)
        usleep(1000);
    return code == 0 && target->results->looks > looks;
}

static bool sample(struct bench *bench, struct target_size size, double *whole, double *pause)
{
    struct target target;
    double wholes[MOST_RUNS], pauses[MOST_RUNS];
    if (!target_start(bench, size, &target)) {
        bench->failed = true;
        return false;
    }
    bool right = checkpoint_once(bench, &target, &wholes[0], &pauses[0]);
    for (size_t i = 0; right && i < bench->runs; i++)
        right = checkpoint_once(bench, &target, &wholes[i], &pauses[i]);
    target_stop(&target);
    *whole = median(wholes, bench->runs);
    *pause = median(pauses, bench->runs);
    bench->failed |= !right;
    return right;
}

/* The same bytes by plain write(2) to the same file system: until they are written, and until they
 * are synced as those of an image are. */
static void plain_write(struct bench *bench, const char *memory, double *written, double *synced)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/plain", bench->folder);
    unlink(path);
    double begin = seconds_now();
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    for (size_t done = 0; file >= 0 && done < GIBIBYTE;) {
        ssize_t wrote = write(file, memory + done, 1u << 20);
        if (wrote <= 0)
            break;
        done += (size_t)wrote;
    }
    *written = seconds_now() - begin;
    fsync(file);
    *synced = seconds_now() - begin;
    close(file);
    unlink(path);
}

void bench_gibibyte(struct bench *bench)
{
    struct target target;
    double written[MOST_RUNS], synced[MOST_RUNS], wholes[MOST_RUNS], pause;
    char *memory = mmap(NULL, GIBIBYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED ||
        !target_start(bench, (struct target_size){.mebibytes = 1024, .threads = 1}, &target)) {
        bench->failed = true;
        return;
    }
    for (size_t i = 0; i < GIBIBYTE; i += 64)
        memory[i] = (char)(i >> 12);
    bool right = true;
    for (size_t i = 0; right && i < bench->runs; i++) {
        plain_write(bench, memory, &written[i], &synced[i]);
        right = checkpoint_once(bench, &target, &wholes[i], &pause);
    }
    target_stop(&target);
    munmap(memory, GIBIBYTE);
    bench->failed |= !right;
    if (!right)
        return;
    double whole = median(wholes, bench->runs), unsynced = median(written, bench->runs);
    report_ratio(bench, "checkpoint 1 GiB of anonymous memory, synced", whole,
                 "plain write + fsync", median(synced, bench->runs), 1.3);
    report_figure("  the same over plain write without the sync", "%24.2f x", whole / unsynced);
}

void bench_pauses(struct bench *bench)
{
    double whole, pause;
    if (sample(bench, (struct target_size){.mebibytes = 1, .threads = 1}, &whole, &pause)) {
        report_time(bench, "pause of a 1 MiB process", pause, 1e-3);
        report_time(bench, "whole recap checkpoint of it, start included", whole, 6e-3);
    }
    if (sample(bench, (struct target_size){.mebibytes = 1, .eventfds = 1000, .threads = 1}, &whole,
               &pause))
        report_time(bench, "pause with 1,000 eventfds", pause, 10e-3);
    if (sample(bench, (struct target_size){.mebibytes = 1, .threads = 64}, &whole, &pause))
        report_time(bench, "pause with 64 threads", pause, 5e-3);
}
