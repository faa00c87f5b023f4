/* locked_memory.c: memory that stays in memory, also what is mapped later (mlockall). */
#include "subject.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

static bool locked(void *memory)
{
    return msync(memory, PAGE, MS_INVALIDATE) < 0 && errno == EBUSY;
}

int main(void)
{
    static char data[PAGE];
    memset(data, 'd', sizeof data);
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
        subject_skip("it may not lock so much memory");

    subject_ready();
    subject_wait_go();

    subject_check(data[1] == 'd' && locked((char *)((unsigned long)data & ~(PAGE - 1ul))),
                  "locked memory is no longer locked");
    unsigned char there = 0;
    char *later = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    subject_check(later != MAP_FAILED && locked(later), "what is mapped later is not locked");
    subject_check(mincore(later, PAGE, &there) == 0 && !(there & 1),
                  "what is mapped later is present before it is touched");
    return subject_done();
}
