/* memory.c: every kind of private mapping, with its content, protection and advice. */
#include "mappings.h"
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Newer than the headers of the oldest system that this is built on. */
enum { GUARD_INSTALL = 102, DROPPABLE = 0x08, CALL_MSEAL = 462 };

enum { PAGE = 4096, PAGES = 32, SIZE = PAGES * PAGE };

static char *map(int protection, int flags)
{
    /* A hole on each side keeps the kernel from merging what is not to be merged. */
    char *at = mmap(NULL, SIZE + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    subject_need(at != MAP_FAILED, "mmap: %m");
    munmap(at, SIZE + 2 * PAGE);
    char *mapped =
        mmap(at + PAGE, SIZE, protection, flags | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    subject_need(mapped == at + PAGE, "mmap: %m");
    /* The holes have to stay. */
    mmap(at, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    mmap(at + PAGE + SIZE, PAGE, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
         0);
    return mapped;
}

static void fill(char *memory, unsigned seed)
{
    for (size_t i = 0; i < SIZE; i++)
        memory[i] = (char)((i >> 12) * 31 + i * 7 + seed);
}

static bool filled(const char *memory, unsigned seed)
{
    for (size_t i = 0; i < SIZE; i++)
        if (memory[i] != (char)((i >> 12) * 31 + i * 7 + seed))
            return false;
    return true;
}

static bool zero(const char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (memory[i])
            return false;
    return true;
}

static const struct {
    int advice;
    const char *name;
} advices[] = {
    {MADV_HUGEPAGE, "huge pages"},    {MADV_NOHUGEPAGE, "no huge pages"},
    {MADV_DONTFORK, "not for forks"}, {MADV_WIPEONFORK, "wiped for forks"},
    {MADV_DONTDUMP, "not for dumps"}, {MADV_SEQUENTIAL, "sequential"},
    {MADV_RANDOM, "random"},          {MADV_MERGEABLE, "mergeable"},
};
enum { ADVICES = sizeof advices / sizeof *advices };

static __attribute__((noinline)) int deep(int depth)
{
    volatile char frame[PAGE];
    frame[0] = (char)depth;
    return depth ? deep(depth - 1) + frame[0] : frame[0];
}

int main(void)
{
    const int rw = PROT_READ | PROT_WRITE, private = MAP_PRIVATE;
    char *writable = map(rw, private), *readable = map(rw, private), *hidden = map(rw, private),
         *code = map(rw, private), *sparse = map(rw, private | MAP_NORESERVE),
         *guarded = map(rw, private), *locked = map(rw, private), *lazy = map(rw, private),
         *named = map(rw, private), *sealed = map(rw, private), *untouched = map(rw, private);
    fill(writable, 1);
    fill(readable, 2);
    mprotect(readable, SIZE, PROT_READ);
    fill(hidden, 3);
    mprotect(hidden, SIZE, PROT_NONE);
    static const unsigned char answer[] = {0xb8, 42, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
    memcpy(code + 5 * PAGE, answer, sizeof answer);
    mprotect(code, SIZE, PROT_READ | PROT_EXEC);
    sparse[7 * PAGE] = 's';
    fill(guarded, 4);
    bool guards = madvise(guarded + 4 * PAGE, 3 * PAGE, GUARD_INSTALL) == 0;
    fill(locked, 5);
    subject_need(mlock(locked, SIZE) == 0, "mlock: %m");
    lazy[PAGE] = 'l';
    subject_need(mlock2(lazy, SIZE, 1) == 0, "mlock2: %m");
    fill(named, 6);
    bool names = prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, named, SIZE, "a name of its own") == 0;
    fill(sealed, 7);
    bool seals = syscall(CALL_MSEAL, sealed, SIZE, 0) == 0;
    char *advised[ADVICES];
    bool advice[ADVICES];
    for (unsigned i = 0; i < ADVICES; i++) {
        advised[i] = map(rw, private);
        advice[i] = madvise(advised[i], SIZE, advices[i].advice) == 0;
        fill(advised[i], 100 + i);
    }

    /* A stack of its own, in its own place: it grows down. */
    char *stack = map(rw, private | MAP_GROWSDOWN);
    fill(stack, 8);
    char *vast =
        mmap(NULL, 1ull << 36, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    subject_need(vast != MAP_FAILED, "mmap: %m");
    mprotect(vast + (1ull << 35), PAGE, rw);
    vast[1ull << 35] = 'v';
    int zero_device = open("/dev/zero", O_RDWR);
    char *zeros = mmap(NULL, SIZE, rw, MAP_PRIVATE, zero_device, 0);
    close(zero_device);
    zeros[3 * PAGE] = 'z';
    char *droppable = mmap(NULL, SIZE, rw, DROPPABLE | MAP_ANONYMOUS, -1, 0);

    char *program_break = sbrk(SIZE);
    subject_need(program_break != (void *)-1, "sbrk: %m");
    fill(program_break, 9);

    int file = open("file", O_RDWR | O_CREAT | O_EXCL, 0600);
    char page[PAGE];
    for (int i = 0; i < 8; i++) {
        memset(page, 'a' + i, sizeof page);
        subject_need(write(file, page, sizeof page) == sizeof page, "write: %m");
    }
    char *changed = mmap(NULL, 8 * PAGE, rw, MAP_PRIVATE, file, 0);
    char *follows = mmap(NULL, 4 * PAGE, rw, MAP_SHARED, file, 2 * PAGE);
    close(file);
    file = open("file", O_RDONLY);
    char *looks = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    memset(changed + PAGE, '-', 3 * PAGE);

    mappings_note();
    subject_ready();
    subject_wait_go();
    mappings_check();

    subject_check(filled(writable, 1), "writable memory is lost");
    subject_check(filled(readable, 2), "read-only memory is lost");
    mprotect(hidden, SIZE, PROT_READ);
    subject_check(filled(hidden, 3), "hidden memory is lost");
    int (*function)(void);
    *(void **)&function = code + 5 * PAGE;
    subject_check(function() == 42, "code is lost");
    subject_check(sparse[7 * PAGE] == 's' && zero(sparse, 7 * PAGE) &&
                      zero(sparse + 8 * PAGE, SIZE - 8 * PAGE),
                  "sparse memory is lost");
    if (guards) {
        subject_check(madvise(guarded + 4 * PAGE, PAGE, MADV_POPULATE_READ) < 0 &&
                          madvise(guarded + 6 * PAGE, PAGE, MADV_POPULATE_READ) < 0 &&
                          madvise(guarded, 4 * PAGE, MADV_POPULATE_READ) == 0 &&
                          madvise(guarded + 7 * PAGE, PAGE, MADV_POPULATE_READ) == 0,
                      "the guard is elsewhere");
    }
    subject_check(guarded[4 * PAGE - 1] == (char)(3 * 31 + (4 * PAGE - 1) * 7 + 4),
                  "memory before the guard is lost");
    subject_check(filled(locked, 5), "locked memory is lost");
    subject_check(lazy[PAGE] == 'l', "memory that is locked on fault is lost");
    subject_check(filled(named, 6), "named memory is lost");
    subject_check(filled(sealed, 7), "sealed memory is lost");
    if (seals)
        subject_check(munmap(sealed, SIZE) < 0 && errno == EPERM, "the seal is gone");
    for (unsigned i = 0; i < ADVICES; i++)
        subject_check(filled(advised[i], 100 + i), "memory advised to be %s is lost%s",
                      advices[i].name, advice[i] ? "" : " (and the advice is not known)");
    subject_check(filled(stack, 8), "the second stack is lost");
    subject_check(zero(untouched, SIZE), "untouched memory is touched");
    subject_check(vast[1ull << 35] == 'v', "memory in the vast reservation is lost");
    subject_check(zeros[3 * PAGE] == 'z' && zero(zeros, 3 * PAGE), "memory of /dev/zero is lost");
    if (droppable != MAP_FAILED)
        subject_check(zero(droppable, SIZE), "droppable memory is touched");

    subject_check(filled(program_break, 9), "the heap is lost");
    char *more = sbrk(64 * PAGE);
    subject_check(more != (void *)-1 && zero(more, 64 * PAGE), "the heap does not grow");
    subject_check(deep(400) != 1, "the stack does not grow");

    subject_check(changed[0] == 'a' && changed[PAGE] == '-' && changed[4 * PAGE - 1] == '-' &&
                      changed[4 * PAGE] == 'e' && changed[8 * PAGE - 1] == 'h',
                  "private changes to a file are lost");
    follows[0] = 'C';
    subject_check(looks[2 * PAGE] == 'C', "two mappings of a file do not see each other");
    subject_check(mprotect(looks, PAGE, rw) < 0 && errno == EACCES,
                  "a file that was open for reading may be written");
    subject_check(changed[2 * PAGE] == '-', "a private page follows the file");
    file = open("file", O_RDONLY);
    subject_check(pread(file, page, PAGE, 2 * PAGE) == PAGE && page[0] == 'C' && page[1] == 'c',
                  "the file does not see what is written through a mapping");

    struct timespec direct, fast;
    clock_gettime(CLOCK_REALTIME, &fast);
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &direct);
    subject_check(direct.tv_sec - fast.tv_sec <= 1 && direct.tv_sec >= fast.tv_sec,
                  "the vDSO's clock is wrong");
    pid_t pid = fork();
    if (pid == 0)
        _exit(!zero(advised[3], SIZE));
    int status = 0;
    subject_check(waitpid(pid, &status, 0) == pid && (!advice[3] || status == 0),
                  "memory is not wiped for forks");
    (void)names;
    return subject_done();
}
