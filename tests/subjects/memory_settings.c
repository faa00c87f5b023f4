/* memory_settings.c: what a program settled for its address space as a whole: huge pages but for
 * what asks for them, and the number of its own futex slots. Kernels that lack one refuse it. */
#include "subject.h"

#include <sys/prctl.h>

enum { FUTEX_HASH = 78, SET_SLOTS = 1, GET_SLOTS = 2, EXCEPT_ADVISED = 2 };

static int huge_pages(void)
{
    return prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
}

static int slots(void)
{
    return prctl(FUTEX_HASH, GET_SLOTS, 0, 0, 0);
}

int main(void)
{
    if (prctl(PR_SET_THP_DISABLE, 1, EXCEPT_ADVISED, 0, 0) < 0)
        subject_need(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) == 0, "PR_SET_THP_DISABLE: %m");
    prctl(FUTEX_HASH, SET_SLOTS, 64, 0, 0);
    int pages = huge_pages(), hash = slots();

    subject_ready();
    subject_wait_go();

    subject_check(huge_pages() == pages, "huge pages were %d and are %d", pages, huge_pages());
    subject_check(slots() == hash, "there were %d futex slots and are %d", hash, slots());
    return subject_done();
}
