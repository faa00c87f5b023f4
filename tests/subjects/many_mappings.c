/* many_mappings.c: ten thousand mappings, none like its neighbours. */
#include "mappings.h"
#include "subject.h"

#include <string.h>
#include <sys/mman.h>

enum { PAGE = 4096, COUNT = 10000 };

int main(void)
{
    char *all = mmap(NULL, (size_t)COUNT * 2 * PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    subject_need(all != MAP_FAILED, "mmap: %m");
    for (int i = 0; i < COUNT; i++) {
        char *at = all + (size_t)i * 2 * PAGE;
        memset(at + i % 100, i % 255 + 1, 100);
        static const int protections[] = {PROT_READ, PROT_READ | PROT_WRITE, PROT_NONE,
                                          PROT_READ | PROT_EXEC};
        subject_need(mprotect(at, 2 * PAGE, protections[i % 4]) == 0, "mprotect: %m");
    }
    mappings_note();
    subject_ready();
    subject_wait_go();
    mappings_check();
    for (int i = 0; i < COUNT; i++) {
        char *at = all + (size_t)i * 2 * PAGE;
        if (i % 4 == 2)
            mprotect(at, 2 * PAGE, PROT_READ);
        for (int k = 0; k < 100; k++)
            if (at[i % 100 + k] != (char)(i % 255 + 1)) {
                subject_check(false, "mapping %d lost its content", i);
                break;
            }
    }
    return subject_done();
}
