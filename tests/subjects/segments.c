/* segments.c: a local descriptor table, as emulators of older programs make one: what it holds, and
 * that memory can be reached through it. */
#include "subject.h"

#include <asm/ldt.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READ = 0, WRITE = 0x11 };

static int modify(int function, void *data, size_t size)
{
    return (int)syscall(SYS_modify_ldt, function, data, size);
}

/* The byte at the start of a segment. */
static unsigned char byte_in(unsigned entry)
{
    unsigned short selector = (unsigned short)(entry << 3 | 7), before;
    unsigned char byte;
    __asm__ volatile("mov %%gs, %0\n\tmov %2, %%gs\n\tmov %%gs:(%3), %1\n\tmov %0, %%gs"
                     : "=&r"(before), "=&r"(byte)
                     : "r"(selector), "r"(0L)
                     : "memory");
    return byte;
}

int main(void)
{
    enum { COUNT = 5 };
    static unsigned char before[LDT_ENTRIES * LDT_ENTRY_SIZE], after[sizeof before];
    unsigned char *low =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    subject_need(low != MAP_FAILED, "mmap: %m");
    *low = 0x5a;
    struct user_desc made[COUNT] = {
        {.entry_number = 0, .limit = 0xfffff, .seg_32bit = 1, .limit_in_pages = 1},
        {.entry_number = 3, .base_addr = 0x12345678, .limit = 0x4321, .seg_32bit = 1, .useable = 1},
        {.entry_number = 4, .limit = 7, .seg_32bit = 1, .read_exec_only = 1, .contents = 1},
        {.entry_number = 200, .limit = 0xfff, .seg_32bit = 1, .contents = 2, .limit_in_pages = 1},
        {.entry_number = 8191, .seg_32bit = 1, .seg_not_present = 1, .base_addr = 1},
    };
    made[0].base_addr = (unsigned)(unsigned long)low;
    for (int i = 0; i < COUNT; i++)
        if (modify(WRITE, &made[i], sizeof made[i]) < 0) {
            if (errno == ENOSYS)
                subject_skip("this kernel has no local descriptor tables");
            subject_need(false, "modify_ldt of entry %u: %m", made[i].entry_number);
        }
    subject_need(modify(READ, before, sizeof before) == (int)sizeof before, "modify_ldt: %m");
    bool reaches = byte_in(0) == 0x5a;

    subject_ready();
    subject_wait_go();

    subject_check(modify(READ, after, sizeof after) == (int)sizeof after,
                  "the table has another size");
    for (unsigned i = 0; i < LDT_ENTRIES; i++)
        subject_check(
            memcmp(before + i * LDT_ENTRY_SIZE, after + i * LDT_ENTRY_SIZE, LDT_ENTRY_SIZE) == 0,
            "entry %u differs", i);
    subject_check(!reaches || byte_in(0) == 0x5a, "a segment leads elsewhere");
    return subject_done();
}
