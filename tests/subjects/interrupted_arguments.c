/* interrupted_arguments.c: the arguments of system calls as either way in wants them, and what the
 * parts of the subject `interrupted` share to build them.
 */
#include "interrupted.h"
#include "subject.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool narrow(const struct attempt *attempt)
{
    return attempt->way == BY_INT_80;
}

void set(struct attempt *attempt, long a, long b, long c, long d, long e, long f)
{
    const long arguments[6] = {a, b, c, d, e, f};
    memcpy(attempt->arguments, arguments, sizeof arguments);
}

long low_copy(const void *bytes, size_t size)
{
    void *memory = low_memory(size);
    memcpy(memory, bytes, size);
    return (long)memory;
}

/* A number as the way in wants its longs. */
static size_t put_word(const struct attempt *attempt, char *at, long word)
{
    size_t size = narrow(attempt) ? 4 : 8;
    memcpy(at, &word, size);
    return size;
}

long words(const struct attempt *attempt, size_t count, const long *values)
{
    char *memory = low_memory(count * 8), *at = memory;
    for (size_t i = 0; i < count; i++)
        at += put_word(attempt, at, values[i]);
    return (long)memory;
}

long vector_of(struct attempt *attempt, void *memory, size_t length)
{
    return words(attempt, 2, (const long[]){(long)memory, (long)length});
}

/* A struct msghdr, or mmsghdr, of one vector. */
static void put_header(const struct attempt *attempt, char *at, long vector)
{
    static const bool is_int[] = {false, true, false, false, false, false, true};
    const long values[] = {0, 0, vector, 1, 0, 0, 0};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        at += is_int[i] && narrow(attempt) ? (memcpy(at, &values[i], 4), 4)
                                           : put_word(attempt, at, values[i]);
}

static size_t header_size(const struct attempt *attempt, bool one_of_several)
{
    return one_of_several ? (narrow(attempt) ? 32 : 64) : (narrow(attempt) ? 28 : 56);
}

long header_of(struct attempt *attempt, bool several, size_t count)
{
    size_t size = header_size(attempt, several);
    char *memory = low_memory(count * size);
    for (size_t i = 0; i < count; i++)
        put_header(attempt, memory + i * size, vector_of(attempt, low_memory(LENGTH), LENGTH));
    return (long)memory;
}

void put(int fd, const char *bytes)
{
    subject_check(write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes), "write: %m");
}

void build_pipe(struct attempt *attempt)
{
    subject_need(pipe2(attempt->fds, O_CLOEXEC) == 0, "pipe: %m");
}

void wake_pipe(struct attempt *attempt)
{
    put(attempt->fds[1], "x");
}

void transfer(struct attempt *attempt, int fd)
{
    void *buffer = low_memory(256);
    const char *name = attempt->call->name;
    if (strcmp(name, "read") == 0 || strcmp(name, "write") == 0)
        set(attempt, fd, (long)buffer,
            strcmp(attempt->call->what, "signalfd") == 0  ? 128
            : strcmp(attempt->call->what, "full eventfd") ? 16
                                                          : 8,
            0, 0, 0);
    else if (strcmp(name, "readv") == 0 || strcmp(name, "writev") == 0)
        set(attempt, fd, vector_of(attempt, buffer, LENGTH), 1, 0, 0, 0);
    else if (strcmp(name, "preadv2") == 0 || strcmp(name, "pwritev2") == 0)
        set(attempt, fd, vector_of(attempt, buffer, LENGTH), 1, -1, -1, 0);
    else if (strcmp(name, "recvfrom") == 0 || strcmp(name, "sendto") == 0)
        set(attempt, fd, (long)buffer, LENGTH, 0, 0, 0);
    else if (strcmp(name, "recvmsg") == 0 || strcmp(name, "sendmsg") == 0)
        set(attempt, fd, header_of(attempt, false, 1), 0, 0, 0, 0);
    else
        set(attempt, fd, header_of(attempt, true, 1), 1, 0, 0, 0);
}

void fill(int fd)
{
    static const char bytes[4096];
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    while (write(fd, bytes, sizeof bytes) > 0)
        ;
    while (write(fd, bytes, 1) > 0)
        ;
    fcntl(fd, F_SETFL, flags);
}

const char *name_of(const struct attempt *attempt, const char *what)
{
    char *name = low_memory(32);
    snprintf(name, 32, "%s-%d", what, attempt->id);
    return name;
}

void wake_by_signal(struct attempt *attempt)
{
    pthread_kill(attempt->thread, SIGRTMIN + 1);
}
