/* file_locks.c: locks of all three kinds: of a process, of a description, and flock. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* Who would be in the way of a lock by somebody else: its type, owner and place. */
static void check(int probe, off_t start, off_t length, short type, pid_t owner, off_t first,
                  off_t covers, const char *what)
{
    struct flock ask = {.l_type = F_WRLCK, .l_start = start, .l_len = length};
    if (fcntl(probe, F_OFD_GETLK, &ask) < 0)
        ask.l_type = -1;
    subject_check(ask.l_type == type, "%s: type %d and not %d", what, ask.l_type, type);
    if (type == F_UNLCK || ask.l_type != type)
        return;
    subject_check(ask.l_pid == owner, "%s: its owner is %d", what, (int)ask.l_pid);
    subject_check(ask.l_start == first && ask.l_len == covers, "%s: it covers %lld+%lld", what,
                  (long long)ask.l_start, (long long)ask.l_len);
}

int main(void)
{
    int process = open("process", O_RDWR | O_CREAT, 0600), second = open("process", O_RDONLY);
    int process_probe = open("process", O_RDWR);
    int whole = open("whole", O_RDONLY | O_CREAT, 0600);
    int whole_probe = open("whole", O_RDONLY);
    int shared = dup(whole);
    int description = open("description", O_RDWR | O_CREAT, 0600);
    int description_probe = open("description", O_RDWR);
    subject_need(process >= 0 && second >= 0 && process_probe >= 0 && whole_probe >= 0 &&
                     shared >= 0 && description >= 0 && description_probe >= 0,
                 "open: %m");
    struct flock write = {.l_type = F_WRLCK, .l_start = 10, .l_len = 5};
    struct flock read = {.l_type = F_RDLCK, .l_start = 100, .l_len = 0};
    struct flock own = {.l_type = F_WRLCK, .l_start = 7, .l_len = 3};
    subject_need(fcntl(process, F_SETLK, &write) == 0 && fcntl(second, F_SETLK, &read) == 0,
                 "F_SETLK: %m");
    subject_need(fcntl(description, F_OFD_SETLK, &own) == 0, "F_OFD_SETLK: %m");
    subject_need(flock(whole, LOCK_EX) == 0, "flock: %m");

    subject_ready();
    subject_wait_go();

    check(process_probe, 0, 10, F_UNLCK, 0, 0, 0, "before the first lock");
    check(process_probe, 0, 50, F_WRLCK, getpid(), 10, 5, "the lock for writing");
    check(process_probe, 15, 85, F_UNLCK, 0, 0, 0, "between the locks");
    check(process_probe, 200, 1, F_RDLCK, getpid(), 100, 0, "the lock for reading");
    check(description_probe, 0, 0, F_WRLCK, -1, 7, 3, "the lock of the description");
    subject_check(flock(whole_probe, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK,
                  "flock is lost");
    close(whole);
    subject_check(flock(whole_probe, LOCK_SH | LOCK_NB) < 0, "flock is not of the description");
    close(shared);
    subject_check(flock(whole_probe, LOCK_EX | LOCK_NB) == 0, "flock is held by somebody else");
    close(process);
    check(process_probe, 0, 0, F_UNLCK, 0, 0, 0, "after closing the file");
    return subject_done();
}
