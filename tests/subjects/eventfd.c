/* eventfd.c: event counters keep their counts, their kind and their flags; two selectors of one
 * counter still share it. */
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static uint64_t take(int fd)
{
    uint64_t value = UINT64_MAX;
    return read(fd, &value, sizeof value) == sizeof value ? value : UINT64_MAX;
}

int main(void)
{
    int plain = eventfd(7, 0);
    int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
    int full = eventfd(0, EFD_NONBLOCK);
    uint64_t most = UINT64_MAX - 1, one = 1;
    subject_need(plain >= 0 && semaphore >= 0 && full >= 0, "eventfd: %m");
    subject_need(write(full, &most, sizeof most) == sizeof most, "write: %m");
    int shared = dup(plain);

    subject_ready();
    subject_wait_go();

    subject_check(write(shared, &one, sizeof one) == sizeof one, "cannot add to the counter");
    subject_check(take(plain) == 8, "the counter is wrong, or is not shared any more");
    subject_check(!(fcntl(plain, F_GETFL) & O_NONBLOCK), "the counter does not block any more");
    for (int units = 2; units; units--)
        subject_check(take(semaphore) == 1, "the semaphore is wrong");
    subject_check(take(semaphore) == UINT64_MAX && errno == EAGAIN, "the semaphore is not empty");
    subject_check(fcntl(semaphore, F_GETFD) == FD_CLOEXEC, "close-on-exec is lost");
    subject_check(write(full, &one, sizeof one) < 0 && errno == EAGAIN, "the full counter is not");
    subject_check(take(full) == most, "the full counter is wrong");
    return subject_done();
}
