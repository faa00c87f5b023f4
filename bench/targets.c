/* targets.c: starting and stopping the processes that are measured on. */
#include "bench/bench.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

bool target_start(struct bench *bench, struct target_size size, struct target *target)
{
    char path[4096], numbers[4][24];
    snprintf(path, sizeof path, "%s/results", bench->folder);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, sizeof *target->results) < 0)
        return false;
    target->results =
        mmap(NULL, sizeof *target->results, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (target->results == MAP_FAILED)
        return false;
    size_t values[4] = {size.mebibytes, size.eventfds, size.threads, size.mappings};
    for (int i = 0; i < 4; i++)
        snprintf(numbers[i], sizeof numbers[i], "%zu", values[i]);
    char *argv[] = {
        (char *)bench->target,          path, numbers[0], numbers[1], numbers[2], numbers[3],
        size.still ? "still" : "watch", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    int failed = posix_spawn(&target->pid, bench->target, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    while (!failed && !target->results->ready) {
        if (waitpid(target->pid, NULL, WNOHANG) != 0)
            return false;
        usleep(1000);
    }
    return !failed;
}

void target_stop(struct target *target)
{
    kill(target->pid, SIGKILL);
    waitpid(target->pid, NULL, 0);
    munmap(target->results, sizeof *target->results);
}
