/* interrupted_files.c: of the system calls that the subject `interrupted` tries: reading, writing,
 * opening and locking.
 */
#include "interrupted.h"
#include "subject.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* --- reading and writing ---------------------------------------------------------------------- */

static void build_read(struct attempt *attempt)
{
    build_pipe(attempt);
    transfer(attempt, attempt->fds[0]);
}

static void build_write(struct attempt *attempt)
{
    build_pipe(attempt);
    fcntl(attempt->fds[1], F_SETPIPE_SZ, 4096);
    fill(attempt->fds[1]);
    transfer(attempt, attempt->fds[1]);
}

static void drain(struct attempt *attempt)
{
    char bytes[4096];
    subject_check(read(attempt->fds[0], bytes, sizeof bytes) > 0, "read: %m");
}

static void build_eventfd(struct attempt *attempt)
{
    attempt->fds[1] = eventfd(0, EFD_CLOEXEC);
    transfer(attempt, attempt->fds[1]);
}

static void wake_eventfd(struct attempt *attempt)
{
    subject_check(eventfd_write(attempt->fds[1], 1) == 0, "eventfd: %m");
}

static void build_full_eventfd(struct attempt *attempt)
{
    attempt->fds[1] = eventfd(0, EFD_CLOEXEC);
    eventfd_write(attempt->fds[1], UINT64_MAX - 1);
    transfer(attempt, attempt->fds[1]);
    *(uint64_t *)attempt->arguments[1] = 1;
}

static void wake_full_eventfd(struct attempt *attempt)
{
    eventfd_t value;
    subject_check(eventfd_read(attempt->fds[1], &value) == 0, "eventfd: %m");
}

static void build_timerfd(struct attempt *attempt)
{
    attempt->fds[1] = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    transfer(attempt, attempt->fds[1]);
}

static void wake_timerfd(struct attempt *attempt)
{
    struct itimerspec soon = {.it_value.tv_nsec = 1};
    subject_check(timerfd_settime(attempt->fds[1], 0, &soon, NULL) == 0, "timerfd: %m");
}

static void build_signalfd(struct attempt *attempt)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 1);
    attempt->fds[1] = signalfd(-1, &set, SFD_CLOEXEC);
    transfer(attempt, attempt->fds[1]);
}

static void build_inotify(struct attempt *attempt)
{
    const char *name = name_of(attempt, "watched");
    attempt->fds[1] = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    attempt->fds[0] = inotify_init1(IN_CLOEXEC);
    subject_need(inotify_add_watch(attempt->fds[0], name, IN_MODIFY) > 0, "inotify: %m");
    transfer(attempt, attempt->fds[0]);
}

/* --- from descriptor to descriptor ------------------------------------------------------------ */

static void build_two_pipes(struct attempt *attempt)
{
    build_pipe(attempt);
    subject_need(pipe2(attempt->fds + 2, O_CLOEXEC) == 0, "pipe: %m");
}

static void build_splice(struct attempt *attempt)
{
    build_two_pipes(attempt);
    set(attempt, attempt->fds[0], 0, attempt->fds[3], 0, LENGTH, 0);
}

static void build_tee(struct attempt *attempt)
{
    build_two_pipes(attempt);
    set(attempt, attempt->fds[0], attempt->fds[3], LENGTH, 0, 0, 0);
}

static void build_vmsplice(struct attempt *attempt)
{
    build_write(attempt);
    set(attempt, attempt->fds[1], vector_of(attempt, low_memory(LENGTH), LENGTH), 1, 0, 0, 0);
}

static void build_sendfile(struct attempt *attempt)
{
    build_write(attempt);
    attempt->fds[2] = open(name_of(attempt, "file"), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    subject_need(ftruncate(attempt->fds[2], LENGTH) == 0, "ftruncate: %m");
    set(attempt, attempt->fds[1], attempt->fds[2], 0, LENGTH, 0, 0);
}

/* --- opening and locking ---------------------------------------------------------------------- */

static void build_open(struct attempt *attempt)
{
    const char *fifo = name_of(attempt, "fifo");
    const char *name = attempt->call->name;
    attempt->memory[0] = (void *)fifo;
    subject_need(mkfifo(fifo, 0600) == 0, "mkfifo: %m");
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
    if (strcmp(name, "openat") == 0)
        set(attempt, AT_FDCWD, (long)fifo, O_RDONLY | O_CLOEXEC, 0, 0, 0);
    else if (strcmp(name, "openat2") == 0)
        set(attempt, AT_FDCWD, (long)fifo, low_copy(&how, sizeof how), sizeof how, 0, 0);
    else
        set(attempt, (long)fifo, strcmp(name, "open") ? 0600 : O_RDONLY, 0, 0, 0, 0);
}

static void wake_open(struct attempt *attempt)
{
    bool reads = strcmp(attempt->call->name, "creat") != 0;
    subject_check(open(attempt->memory[0], (reads ? O_WRONLY : O_RDONLY) | O_NONBLOCK) >= 0,
                  "opening a FIFO: %m");
}

static void build_locked(struct attempt *attempt)
{
    const char *name = name_of(attempt, "locked");
    for (int i = 0; i < 2; i++)
        attempt->fds[i] = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
}

static void build_flock(struct attempt *attempt)
{
    build_locked(attempt);
    subject_need(flock(attempt->fds[1], LOCK_EX) == 0, "flock: %m");
    set(attempt, attempt->fds[0], LOCK_EX, 0, 0, 0, 0);
}

static void wake_flock(struct attempt *attempt)
{
    subject_check(flock(attempt->fds[1], LOCK_UN) == 0, "flock: %m");
}

static long lock_of(struct attempt *attempt)
{
    struct flock lock = {.l_type = F_WRLCK};
    build_locked(attempt);
    subject_need(fcntl(attempt->fds[1], F_OFD_SETLK, &lock) == 0, "fcntl: %m");
    /* All but the type is 0, wherever it lies. */
    return low_copy(&lock, sizeof lock);
}

static void build_record_lock(struct attempt *attempt)
{
    enum { SETLKW64 = 14 };
    long lock = lock_of(attempt);
    set(attempt, attempt->fds[0], narrow(attempt) ? SETLKW64 : F_SETLKW, lock, 0, 0, 0);
}

static void build_description_lock(struct attempt *attempt)
{
    long lock = lock_of(attempt);
    set(attempt, attempt->fds[0], F_OFD_SETLKW, lock, 0, 0, 0);
}

static void wake_lock_of_file(struct attempt *attempt)
{
    struct flock lock = {.l_type = F_UNLCK};
    subject_check(fcntl(attempt->fds[1], F_OFD_SETLK, &lock) == 0, "fcntl: %m");
}

/* --- with a part done ------------------------------------------------------------------------- */

/* As after a signal, such a call may return what it has done by then; nothing of that may be lost.
 */
enum { LARGE = 200000 };

static void build_large_write(struct attempt *attempt)
{
    build_pipe(attempt);
    char *bytes = low_memory(LARGE);
    for (int i = 0; i < LARGE; i++)
        bytes[i] = (char)(i % 251);
    set(attempt, attempt->fds[1], (long)bytes, LARGE, 0, 0, 0);
}

static void wake_large_write(struct attempt *attempt)
{
    static char bytes[LARGE];
    size_t have = 0;
    fcntl(attempt->fds[0], F_SETFL, O_NONBLOCK);
    do {
        bool done = attempt->done;
        ssize_t more = read(attempt->fds[0], bytes + have, sizeof bytes - have);
        have += more > 0 ? (size_t)more : 0;
        if (done && more <= 0)
            break;
    } while (have < LARGE);
    while (!attempt->done)
        usleep(1000);
    subject_check((size_t)attempt->result == have, "a write returned %ld, and %zu bytes came",
                  attempt->result, have);
    for (size_t i = 0; i < have; i++)
        if (bytes[i] != (char)(i % 251)) {
            subject_check(false, "byte %zu of a write is another", i);
            break;
        }
}

static const struct call calls[] = {
    CALL("read", "pipe", 0, 3, FOR_EVER, build_read, WOKEN_BY(wake_pipe, 1), RESTARTS),
    CALL("readv", "pipe", 19, 145, FOR_EVER, build_read, WOKEN_BY(wake_pipe, 1), RESTARTS),
    CALL("preadv2", "pipe", 327, 378, FOR_EVER, build_read, WOKEN_BY(wake_pipe, 1), RESTARTS),
    CALL("write", "full pipe", 1, 4, FOR_EVER, build_write, WOKEN_BY(drain, 16), RESTARTS),
    CALL("writev", "full pipe", 20, 146, FOR_EVER, build_write, WOKEN_BY(drain, LENGTH), RESTARTS),
    CALL("pwritev2", "full pipe", 328, 379, FOR_EVER, build_write, WOKEN_BY(drain, LENGTH),
         RESTARTS),
    CALL("read", "eventfd", 0, 3, FOR_EVER, build_eventfd, WOKEN_BY(wake_eventfd, 8), RESTARTS),
    CALL("write", "full eventfd", 1, 4, FOR_EVER, build_full_eventfd,
         WOKEN_BY(wake_full_eventfd, 8), RESTARTS),
    CALL("read", "timerfd", 0, 3, FOR_EVER, build_timerfd, WOKEN_BY(wake_timerfd, 8), RESTARTS),
    CALL("read", "signalfd", 0, 3, FOR_EVER, build_signalfd, WOKEN_BY(wake_by_signal, 128),
         RESTARTS),
    CALL("read", "inotify", 0, 3, FOR_EVER, build_inotify, WOKEN_BY(wake_pipe, 16)),
    CALL("splice", "empty pipe", 275, 313, FOR_EVER, build_splice, WOKEN_BY(wake_pipe, 1),
         RESTARTS),
    CALL("tee", "empty pipe", 276, 315, FOR_EVER, build_tee, WOKEN_BY(wake_pipe, 1), RESTARTS),
    CALL("vmsplice", "full pipe", 278, 316, FOR_EVER, build_vmsplice, WOKEN_BY(drain, LENGTH),
         RESTARTS),
    CALL("sendfile", "full pipe", 40, 187, FOR_EVER, build_sendfile, WOKEN_BY(drain, LENGTH),
         RESTARTS),
    CALL("sendfile64", "full pipe", -1, 239, FOR_EVER, build_sendfile, WOKEN_BY(drain, LENGTH),
         RESTARTS),
    CALL("open", "FIFO", 2, 5, FOR_EVER, build_open, WOKEN_BY(wake_open, ANY), RESTARTS),
    CALL("creat", "FIFO", 85, 8, FOR_EVER, build_open, WOKEN_BY(wake_open, ANY), RESTARTS),
    CALL("openat", "FIFO", 257, 295, FOR_EVER, build_open, WOKEN_BY(wake_open, ANY), RESTARTS),
    CALL("openat2", "FIFO", 437, 437, FOR_EVER, build_open, WOKEN_BY(wake_open, ANY), RESTARTS),
    CALL("flock", "lock", 73, 143, FOR_EVER, build_flock, WOKEN_BY(wake_flock, 0), RESTARTS),
    CALL("fcntl", "record lock", 72, -1, FOR_EVER, build_record_lock,
         WOKEN_BY(wake_lock_of_file, 0), RESTARTS),
    CALL("fcntl", "lock of a description", 72, -1, FOR_EVER, build_description_lock,
         WOKEN_BY(wake_lock_of_file, 0), RESTARTS),
    CALL("fcntl64", "record lock", -1, 221, FOR_EVER, build_record_lock,
         WOKEN_BY(wake_lock_of_file, 0), RESTARTS),
    CALL("fcntl64", "lock of a description", -1, 221, FOR_EVER, build_description_lock,
         WOKEN_BY(wake_lock_of_file, 0), RESTARTS),
    CALL("write", "pipe, a part done", 1, 4, FOR_EVER, build_large_write,
         WOKEN_BY(wake_large_write, ANY), .partial = true),
};
const struct call_table interrupted_files = {calls, sizeof calls / sizeof calls[0]};
