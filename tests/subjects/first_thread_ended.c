/* first_thread_ended.c: the first thread has ended, and two others go on: they share what they did,
 * and the first one is what it was, by its name and by what it ended with. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ENDED_WITH = 37 };

static int ends[2], counter, shared;
static unsigned char *memory;

static void first_thread(char *name, size_t size, char *state, int *status)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    close(fd);
    text[length > 0 ? length : 0] = '\0';
    const char *begin = strchr(text, '('), *end = strrchr(text, ')'), *field = end;
    for (int i = 2; field && i < 52; i++)
        field = strchr(field + 1, ' ');
    snprintf(name, size, "%.*s", begin && end ? (int)(end - begin - 1) : 0, begin ? begin + 1 : "");
    *state = end ? end[2] : '?';
    *status = field ? atoi(field) : -1;
}

static void check_first_thread(const char *when)
{
    char name[32], state;
    int status;
    first_thread(name, sizeof name, &state, &status);
    subject_check(state == 'Z', "%s, the first thread is in state %c", when, state);
    subject_check(strcmp(name, "the first") == 0, "%s, the first thread is called \"%s\"", when,
                  name);
    subject_check(status == ENDED_WITH << 8, "%s, the first thread ended with %#x", when, status);
    subject_check(kill(getpid(), 0) == 0, "%s, the process cannot be signalled", when);
}

/* Adds to every number that comes. */
static void *add(void *argument)
{
    (void)argument;
    for (uint64_t value; read(ends[0], &value, sizeof value) == sizeof value;) {
        value += memory[100];
        if (write(counter, &value, sizeof value) != sizeof value)
            break;
    }
    return NULL;
}

static void *go_on(void *argument)
{
    char name[32], state = '?';
    int status = 0;
    uint64_t value = 1000, sum = 0;
    (void)argument;
    prctl(PR_SET_NAME, "the second");
    while (state != 'Z')
        first_thread(name, sizeof name, &state, &status);
    check_first_thread("at first");
    subject_ready();
    subject_wait_go();
    check_first_thread("in the end");
    prctl(PR_GET_NAME, name);
    subject_check(strcmp(name, "the second") == 0, "the second thread is called \"%s\"", name);
    memory[100] = 7;
    subject_check(write(ends[1], &value, sizeof value) == sizeof value &&
                      read(shared, &sum, sizeof sum) == sizeof sum && sum == 1007,
                  "the other thread added up to %lu", (unsigned long)sum);
    subject_check(memory[4096] == 0x5a, "the memory is lost");
    exit(subject_done());
}

int main(void)
{
    pthread_t threads[2];
    memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    counter = eventfd(0, EFD_CLOEXEC);
    shared = dup(counter);
    subject_need(memory != MAP_FAILED && pipe(ends) == 0 && counter >= 0 && shared >= 0,
                 "building: %m");
    memory[4096] = 0x5a;
    subject_need((errno = pthread_create(&threads[0], NULL, add, NULL)) == 0 &&
                     (errno = pthread_create(&threads[1], NULL, go_on, NULL)) == 0,
                 "making threads: %m");
    prctl(PR_SET_NAME, "the first");
    syscall(SYS_exit, ENDED_WITH);
}
