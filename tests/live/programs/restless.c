/* restless.c: executes itself, or makes and ends threads, all the time: `restless executes|threads
 * FILE`. FILE gets a new time each time; what goes wrong is written to the file "wrong". */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static _Noreturn void wrong(const char *what)
{
    FILE *file = fopen("wrong", "w");
    if (file)
        fprintf(file, "%s: %s\n", what, strerror(errno));
    exit(1);
}

/* Without opening it, so that it is never a state of ours. */
static void touch(const char *path)
{
    if (utimensat(AT_FDCWD, path, NULL, 0) < 0)
        wrong("setting the time of a file");
}

static void *triple(void *number)
{
    return (void *)((uintptr_t)number * 3);
}

static _Noreturn void make_threads(const char *path)
{
    enum { THREADS = 3 };
    for (uintptr_t round = 1;; round++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++)
            if ((errno = pthread_create(&threads[i], NULL, triple, (void *)(round + i))))
                wrong("making a thread");
        for (uintptr_t i = 0; i < THREADS; i++) {
            void *result;
            if ((errno = pthread_join(threads[i], &result)) || (uintptr_t)result != (round + i) * 3)
                wrong("joining a thread");
        }
        if (round % 32 == 0)
            touch(path);
    }
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    if (strcmp(argv[1], "threads") == 0)
        make_threads(argv[2]);
    touch(argv[2]);
    /* Not so often that the machine has no time for anything else. */
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
    execv("/proc/self/exe", argv);
    wrong("executing");
}
