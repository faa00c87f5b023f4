/* shared_memory.c: shared anonymous memory and memfds, in pieces, at offsets, sparse and sealed. */
#include "mappings.h"
#include "subject.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64, SIZE = PAGES * PAGE };

int main(void)
{
    const int rw = PROT_READ | PROT_WRITE;
    char *whole = mmap(NULL, SIZE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *tail = mremap(whole + 32 * PAGE, 0, 32 * PAGE, MREMAP_MAYMOVE);
    char *twin = mremap(whole, 0, SIZE, MREMAP_MAYMOVE);
    subject_need(whole != MAP_FAILED && tail != MAP_FAILED && twin != MAP_FAILED, "mmap: %m");
    for (int i = 0; i < PAGES; i++)
        whole[i * PAGE] = (char)(i + 1);
    /* The middle stays reachable through the others only. */
    munmap(whole + 8 * PAGE, 40 * PAGE);
    mprotect(tail + 4 * PAGE, 4 * PAGE, PROT_READ);
    mprotect(tail + 8 * PAGE, 4 * PAGE, PROT_NONE);
    char *other = mmap(NULL, SIZE, rw, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    other[0] = 'o';

    int fd = memfd_create("mapped only", MFD_CLOEXEC);
    subject_need(fd >= 0 && ftruncate(fd, SIZE) == 0, "memfd: %m");
    char *alone = mmap(NULL, SIZE, rw, MAP_SHARED, fd, 0);
    char *copy = mmap(NULL, SIZE, rw, MAP_PRIVATE, fd, 0);
    char *second = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 16 * PAGE);
    close(fd);
    alone[16 * PAGE] = 'a';
    copy[16 * PAGE + 1] = 'p';

    int held = memfd_create("held", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    subject_need(held >= 0 && ftruncate(held, 1 << 30) == 0, "memfd: %m");
    char *map = mmap(NULL, 1 << 30, rw, MAP_SHARED, held, 0);
    map[100 << 20] = 'h';
    subject_need(fcntl(held, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_FUTURE_WRITE) == 0, "seal: %m");

    int fixed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    subject_need(fixed >= 0 && write(fixed, "for good", 8) == 8, "memfd: %m");
    subject_need(fcntl(fixed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL) == 0,
                 "seal: %m");
    char *text = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fixed, 0);
    subject_need(text != MAP_FAILED, "mmap: %m");

    mappings_note();
    subject_ready();
    subject_wait_go();
    mappings_check();

    for (int i = 0; i < PAGES; i++)
        subject_check(twin[i * PAGE] == (char)(i + 1), "page %d of shared memory is lost", i);
    whole[0] = 'w';
    subject_check(twin[0] == 'w', "two mappings of shared memory are apart");
    tail[0] = 't';
    subject_check(twin[32 * PAGE] == 't', "a mapping at an offset is apart");
    twin[40 * PAGE] = 'm';
    mprotect(tail + 8 * PAGE, PAGE, PROT_READ);
    subject_check(tail[8 * PAGE] == 'm', "a hidden piece of shared memory is apart");
    subject_check(other[0] == 'o' && other[PAGE] == 0, "other shared memory is lost");

    subject_check(alone[16 * PAGE] == 'a' && second[0] == 'a', "a mapped memfd is lost");
    subject_check(copy[16 * PAGE + 1] == 'p' && copy[16 * PAGE] == 'a',
                  "private changes to a memfd are lost");
    alone[17 * PAGE] = 'x';
    subject_check(second[PAGE] == 'x' && copy[17 * PAGE] == 'x', "mappings of a memfd are apart");
    subject_check(mprotect(second, PAGE, rw) == 0, "a memfd's mapping may not be written");

    char byte = 0;
    subject_check(map[100 << 20] == 'h', "a sparse memfd is lost");
    map[5] = '5';
    subject_check(pread(held, &byte, 1, 5) == 1 && byte == '5',
                  "a memfd is apart from its mapping");
    subject_check(fcntl(held, F_GET_SEALS) == (F_SEAL_GROW | F_SEAL_FUTURE_WRITE),
                  "the seals are others: 0x%x", fcntl(held, F_GET_SEALS));
    struct stat status;
    subject_check(fstat(held, &status) == 0 && status.st_size == 1 << 30 && status.st_blocks < 4096,
                  "a sparse memfd is not sparse");
    subject_check(memcmp(text, "for good", 8) == 0 && mprotect(text, PAGE, rw) < 0,
                  "a sealed memfd may be written");
    subject_check(fcntl(fixed, F_GET_SEALS) == (F_SEAL_SHRINK | F_SEAL_WRITE | F_SEAL_SEAL),
                  "the seals are others: 0x%x", fcntl(fixed, F_GET_SEALS));
    return subject_done();
}
