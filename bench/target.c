/* target.c: the process that the bench checkpoints: as large, as wide or as threaded as told.
 *
 *     target RESULTS MEBIBYTES EVENTFDS THREADS MAPPINGS watch|still
 *
 * It touches all its memory, then watches the clock without a break: the longest time between two
 * looks is the pause as the component itself feels it. RESULTS is a file that it shares with the
 * bench (struct target_results). A still one lets go of that file and waits: it can be restored any
 * number of times, which nothing can that writes to its files.
 */
#include "bench/target.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static unsigned long argument(char **argv, int i)
{
    char *end;
    unsigned long value = strtoul(argv[i], &end, 10);
    if (*end || end == argv[i])
        give_up("a number was expected");
    return value;
}

static void *sleeper(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Content that differs from page to page and does not compress to nothing. */
static void fill(uint64_t *words, size_t bytes)
{
    uint64_t x = 88172645463325252u;
    for (size_t i = 0; i < bytes / sizeof *words; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        words[i] = x;
    }
}

int main(int argc, char **argv)
{
    if (argc != 7)
        give_up("usage");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int file = open(argv[1], O_RDWR | O_CLOEXEC);
    struct target_results *results =
        mmap(NULL, sizeof *results, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (file < 0 || results == MAP_FAILED)
        give_up(argv[1]);
    close(file);

    size_t bytes = argument(argv, 2) << 20;
    if (bytes) {
        void *memory =
            mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            give_up("memory");
        fill(memory, bytes);
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned long i = argument(argv, 3); i; i--)
        if (eventfd((unsigned)i, EFD_CLOEXEC) < 0)
            give_up("eventfd");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 * 1024);
    for (unsigned long i = argument(argv, 4); i > 1; i--) {
        pthread_t thread;
        if (pthread_create(&thread, &attributes, sleeper, NULL))
            give_up("thread");
    }
    /* Neighbours of different protection stay mappings of their own. */
    for (unsigned long i = 0; i < argument(argv, 5); i++) {
        int protection = i % 2 ? PROT_READ | PROT_WRITE : PROT_READ;
        char *page = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED)
            give_up("mapping");
        if (i % 2)
            *page = (char)(i | 1);
    }
    __atomic_store_n(&results->ready, 1, __ATOMIC_SEQ_CST);
    if (strcmp(argv[6], "still") == 0) {
        munmap(results, sizeof *results);
        sleeper(NULL);
    }
    for (uint64_t last = now_ns();;) {
        uint64_t now = now_ns();
        if (now - last > results->longest_gap_ns)
            results->longest_gap_ns = now - last;
        results->looks++;
        last = now;
    }
}
