/* restore.c: how long a component takes to come back. */
#include "bench/bench.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t GIBIBYTE = 1u << 30;

/* Checkpoints and ends a target of that size; its image is at `image`. */
static bool make_image(struct bench *bench, size_t mebibytes, const char *image)
{
    struct target target;
    char pid[24];
    if (!target_start(bench,
                      (struct target_size){.mebibytes = mebibytes, .threads = 1, .still = true},
                      &target))
        return false;
    snprintf(pid, sizeof pid, "%d", target.pid);
    const char *const command[] = {bench->recap, "checkpoint", "-o", image, pid, NULL};
    remove_tree(image);
    bool right = run(command, NULL) == 0;
    target_stop(&target);
    return right;
}

static pid_t read_pid(const char *path)
{
    int pid = 0;
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%d", &pid) != 1)
        pid = 0;
    if (file)
        fclose(file);
    return pid;
}

/* Waits until the restored process is gone: its PID is wanted again. */
static void end_process(pid_t pid)
{
    kill(pid, SIGKILL);
    while (kill(pid, 0) == 0)
        usleep(500);
}

static bool restore_once(struct bench *bench, const char *image, bool lazy, double *seconds)
{
    char pidfile[4096];
    snprintf(pidfile, sizeof pidfile, "%s/pid", bench->folder);
    unlink(pidfile);
    const char *const eager_command[] = {bench->recap, "restore", "--detach", "--pidfile",
                                         pidfile,      image,     NULL};
    const char *const lazy_command[] = {bench->recap, "restore", "--detach", "--lazy",
                                        "--pidfile",  pidfile,   image,      NULL};
    int code = run(lazy ? lazy_command : eager_command, seconds);
    pid_t pid = read_pid(pidfile);
    if (pid > 0)
        end_process(pid);
    return code == 0 && pid > 0;
}

static bool sample(struct bench *bench, const char *image, bool lazy, double *seconds)
{
    double samples[MOST_RUNS];
    bool right = restore_once(bench, image, lazy, &samples[0]);
    for (size_t i = 0; right && i < bench->runs; i++)
        right = restore_once(bench, image, lazy, &samples[i]);
    *seconds = median(samples, bench->runs);
    bench->failed |= !right;
    return right;
}

/* The same bytes by plain read(2) into fresh memory, which is what a program that loads them by
 * itself has to do. */
static double plain_read(const char *core)
{
    double begin = seconds_now();
    char *memory = mmap(NULL, GIBIBYTE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int file = open(core, O_RDONLY | O_CLOEXEC);
    for (size_t done = 0; file >= 0 && memory != MAP_FAILED && done < GIBIBYTE;) {
        ssize_t got = read(file, memory + done, GIBIBYTE - done);
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    double took = seconds_now() - begin;
    close(file);
    munmap(memory, GIBIBYTE);
    return took;
}

static bool find_core(const char *image, char *path, size_t size)
{
    char command[8192];
    snprintf(command, sizeof command, "ls %s/*.core", image);
    FILE *list = popen(command, "re");
    bool found = list && fgets(path, (int)size, list);
    if (found)
        path[strcspn(path, "\n")] = '\0';
    if (list)
        pclose(list);
    return found;
}

void bench_restore(struct bench *bench)
{
    char image[4096], core[4096];
    double seconds, plain[MOST_RUNS];
    snprintf(image, sizeof image, "%s/image", bench->folder);
    if (!make_image(bench, 1, image)) {
        bench->failed = true;
        return;
    }
    if (sample(bench, image, false, &seconds))
        report_time(bench, "recap restore --detach of a 1 MiB process", seconds, 6e-3);
    if (!make_image(bench, 1024, image) || !find_core(image, core, sizeof core)) {
        bench->failed = true;
        return;
    }
    if (sample(bench, image, true, &seconds))
        report_time(bench, "recap restore --lazy of a 1 GiB image", seconds, 15e-3);
    for (size_t i = 0; i < bench->runs; i++)
        plain[i] = plain_read(core);
    if (sample(bench, image, false, &seconds))
        report_ratio(bench, "recap restore of a 1 GiB image, checked", seconds,
                     "plain read into fresh memory", median(plain, bench->runs), 1.3);
    remove_tree(image);
}
